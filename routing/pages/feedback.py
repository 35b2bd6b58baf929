"""/exacto/feedback/: anyone writes to the curators, and follows what came of it.

Owns the form's page and the status page behind a link. Fields and traps are `feedback_form`'s, the
limit is `routing.feedback_limit`'s. PUBLIC_FEEDBACK=false switches both off. The rules others rely
on: nothing that was written is looked up here, so no answer tells a stranger what exists; the link
is kept as a hash only, and shows its own message and the curators' reply, nothing else.
"""

from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from routing.feedback_limit import next_turn, take_turn
from routing.feedback_links import hash_of
from routing.own_address import own_address
from routing.pages.answer import form_page, not_found, page, switched_on
from routing.pages.feedback_form import FeedbackForm, fresh_stamp
from telemetry.models import Feedback

# In the address of the form: field it fills in.
_PREFILLED = {"model": "said_model", "provider": "said_provider", "generation": "generation"}
_STATUS_WORDS = {
    Feedback.Status.NEW: "Received. Nobody has looked at it yet.",
    Feedback.Status.LOOKING: "Somebody is looking at it.",
    Feedback.Status.ANSWERED: "Answered.",
    Feedback.Status.CLOSED: "Closed.",
    # To the sender it is closed: who sends spam need not learn how it was known.
    Feedback.Status.SPAM: "Closed.",
}


def form_address(*, model: str) -> str:
    """Return where to write about a model; "" where the form is switched off."""
    if not settings.PUBLIC_FEEDBACK:
        return ""
    return f"{reverse('feedback')}?{urlencode({'model': model})}"


@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def feedback_page(request: HttpRequest) -> HttpResponse:
    """Show the form, or take what it brings."""
    switched_on("PUBLIC_FEEDBACK")
    if request.method != "POST":
        return _show(request, FeedbackForm(initial=_initial(request)))
    form = FeedbackForm(request.POST)
    if not form.is_valid():
        return _show(request, form, status=400)
    return _take(request, form, now())


def _take(request: HttpRequest, form: FeedbackForm, at: datetime) -> HttpResponse:
    """Keep a message once, and lead to its status; what is sent twice counts once."""
    link = form.link()
    with transaction.atomic():
        # Kept first: of a double click the second waits here, and finds the first.
        taken = not _keep(form, link) or take_turn(request, at)
        # What is refused is neither kept nor counted.
        transaction.set_rollback(not taken)
    if not taken:
        return _too_many(request, form, at)
    answer = HttpResponseRedirect(reverse("feedback-status", args=[link]))
    answer.status_code = 303
    return answer


def _keep(form: FeedbackForm, link: str) -> bool:
    """Keep a message; return whether it is new."""
    said = form.cleaned_data
    _, is_new = Feedback.objects.get_or_create(
        link_hash=hash_of(link),
        defaults={
            "source": Feedback.Source.FORM,
            "generation_id": said["generation"] or None,
            **{
                name: said[name]
                for name in ("comment", "category", "said_model", "said_provider", "contact")
            },
        },
    )
    return is_new


def _too_many(request: HttpRequest, form: FeedbackForm, at: datetime) -> HttpResponse:
    after = next_turn(at)
    form.add_error(
        None,
        ValidationError(
            f"There was too much feedback in this hour. Please send it after {after:%H:%M} UTC."
        ),
    )
    answer = _show(request, form, status=429)
    answer["Retry-After"] = str(int((after - at).total_seconds()) + 1)
    return answer


def _initial(request: HttpRequest) -> dict[str, str]:
    asked = {
        field: request.GET.get(name, "")[:200].replace("\0", "")
        for name, field in _PREFILLED.items()
    }
    return {**asked, "stamp": fresh_stamp()}


def _show(request: HttpRequest, form: FeedbackForm, *, status: int = 200) -> HttpResponse:
    if form.is_bound:
        form.set_again()
    return form_page(request, "pages/feedback.html", {"form": form}, status=status)


@require_safe
def feedback_status(request: HttpRequest, link: str) -> HttpResponse:
    """Show how far a message came, to whoever has its link."""
    switched_on("PUBLIC_FEEDBACK")
    known = Feedback.objects.select_related("part_of").filter(link_hash=hash_of(link)).first()
    if known is None:
        answer = not_found(
            request,
            "No message has this link.",
            "Check that the whole address was copied. A link that is lost cannot be found again.",
        )
    else:
        answer = page(request, "pages/feedback_status.html", _status(request, known))
    answer["X-Robots-Tag"] = "noindex"
    return answer


def _status(request: HttpRequest, message: Feedback) -> dict[str, object]:
    case = message.case
    spam = case.status == Feedback.Status.SPAM
    return {
        "message": message,
        "words": _STATUS_WORDS[Feedback.Status(case.status)],
        "reply": "" if spam else case.reply,
        "replied_at": case.replied_at,
        "address": f"{own_address(request)}{request.path}",
    }
