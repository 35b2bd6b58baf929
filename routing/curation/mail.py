"""One notice as an e-mail to the curators.

Owns its words. Where mail goes and how is EMAIL_URL's and CURATOR_EMAILS'. The rule others rely
on: a retry carries the same Message-ID, so a mailbox can tell it is the same message.
"""

from textwrap import shorten

from django.conf import settings
from django.core.mail import EmailMessage

from routing.models import Notice

_SUBJECT = 120


def send(notice: Notice) -> None:
    """Send it. Raises what the mail backend raises."""
    mark = "Urgent: " if notice.urgent else ""
    # A reason may hold line breaks, and a header must not.
    subject = shorten(f"[Assay] {mark}{notice.text}", _SUBJECT, placeholder=" …")
    lines = [notice.text, "", f"{settings.PUBLIC_URL}{notice.path}"]
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2]
    EmailMessage(
        subject,
        "\n".join(lines),
        to=settings.CURATOR_EMAILS,
        headers={"Message-ID": f"<{notice.pk}@{domain}>"},
    ).send()
