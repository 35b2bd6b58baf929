"""The fields of /exacto/feedback/, and what keeps programs from filling them in.

Owns what may be written and the two traps: a field that people do not see, and a signed time
before which nobody has read the form. It looks nothing up and keeps nothing. The rules others
rely on: it never says whether what was written exists; whoever is refused is told what to do, and
has lost nothing that they wrote.
"""

import re
import secrets
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, TimestampSigner

from routing.feedback_links import secret_of
from telemetry.models import Feedback

_SIGNER = TimestampSigner(salt="routing.feedback.form")
_GENERATION_ID = re.compile(r"gen-[A-Za-z0-9_-]{1,60}")
_SHORT = 200
SAID = ("comment", "category", "said_model", "said_provider", "generation", "contact")


def fresh_stamp() -> str:
    """Return when this form was handed out, signed, with a number of its own."""
    return _SIGNER.sign(secrets.token_urlsafe(16))


class FeedbackForm(forms.Form):
    use_required_attribute = True
    comment = forms.CharField(
        label="What happened?",
        max_length=4_000,
        widget=forms.Textarea(attrs={"rows": 7}),
        help_text="In your own words. Leave out what is secret: curators read this.",
    )
    category = forms.ChoiceField(
        label="What kind of fault is it?",
        choices=[(value, str(label).capitalize()) for value, label in Feedback.Category.choices],
        initial=Feedback.Category.OTHER,
    )
    said_model = forms.CharField(
        label="Model (optional)",
        max_length=_SHORT,
        required=False,
        help_text="As you asked for it, such as author/model:exacto.",
    )
    said_provider = forms.CharField(
        label="Provider (optional)", max_length=_SHORT, required=False, help_text="If you know it."
    )
    generation = forms.CharField(
        label="Generation id (optional)",
        required=False,
        max_length=_SHORT,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
        help_text="The id of the answer, which begins with gen-. With it, curators see how that "
        "answer was judged.",
    )
    contact = forms.CharField(
        label="How to reach you (optional)",
        max_length=_SHORT,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "email"}),
    )
    # People do not see it (pages.css, .trap); programs fill in everything.
    website = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs={"tabindex": "-1", "autocomplete": "off"}),
    )
    stamp = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, initial: dict[str, str] | None = None) -> None:
        super().__init__(data, initial=initial, label_suffix="")
        self.fields["contact"].help_text = _contact_words(settings.FEEDBACK_CONTACT_DAYS)

    def clean_generation(self) -> str:
        written: str = self.cleaned_data["generation"]
        if written and not _GENERATION_ID.fullmatch(written):
            raise ValidationError(
                "This is no generation id: it begins with gen-, as the “id” of an answer does. "
                "Leave it empty if you do not have it."
            )
        return written

    def clean(self) -> None:
        if self.cleaned_data.get("website"):
            raise ValidationError(
                "Something filled in a field that people do not see. It is empty again: "
                "please send once more."
            )
        if not self.errors:  # whoever has something to mend takes their time anyway
            _check_stamp(self.cleaned_data["stamp"])

    def set_again(self) -> None:
        """Make it ready to be shown once more: with all that was written, and its traps set."""
        written = {name: self.data.get(name, "") for name in self.fields}
        self.data = {**written, "website": "", "stamp": self._stamp()}

    def link(self) -> str:
        """Return the secret part of the status link: the same if the same form comes twice."""
        said = [self.cleaned_data["stamp"], *(self.cleaned_data[name] for name in SAID)]
        return secret_of(said)

    def _stamp(self) -> str:
        """Return its own stamp while that holds: who was too quick need not wait anew."""
        stamp: str = self.data.get("stamp", "")
        return stamp if _age_fits(stamp, settings.LIMITS.feedback_form_max_s) else fresh_stamp()


def _check_stamp(stamp: str) -> None:
    limits = settings.LIMITS
    if not _age_fits(stamp, limits.feedback_form_max_s):
        raise ValidationError("This page was open for too long: please send once more.")
    if _age_fits(stamp, limits.feedback_form_min_s):
        raise ValidationError(
            "That was quicker than people write: please read it once more, and send it."
        )


def _age_fits(stamp: str, most_s: float) -> bool:
    """Return whether a stamp is ours and at most so old."""
    try:
        _SIGNER.unsign(stamp, max_age=timedelta(seconds=most_s))
    except BadSignature:
        return False
    return True


def _contact_words(days: int) -> str:
    return f"Only curators see it; it is removed after {days} days."
