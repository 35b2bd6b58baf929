"""POST /generation/feedback: what a caller says of one of its generations.

Owns the HTTP side; the queue is `telemetry.models.Feedback`. The rules others rely on: it is kept
for somebody to look at and moves no score or list; saying it again corrects what was said. Its
status page is told in a header (rel="status": RFC 8631), for the body is OpenRouter's.
"""

from typing import Annotated, Any, Literal

import msgspec
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from routing.api.authentication import caller_of
from routing.api.bodies import bad_field, struct_of
from routing.api.generation import generation_of
from routing.api.permissions import MayRead
from routing.feedback_links import hash_of, secret_of
from routing.gateway.keys import Caller
from routing.own_address import own_address
from telemetry.models import Feedback

_Category = Literal[
    "latency",
    "incoherence",
    "incorrect_response",
    "formatting",
    "billing",
    "api_error",
    "other",
]


class Remark(msgspec.Struct):
    generation_id: str
    category: _Category
    comment: Annotated[str, Meta(max_length=4_000)] | None = None


class GenerationFeedbackView(APIView):
    permission_classes = [MayRead]

    def post(self, request: Request) -> Response:
        caller = caller_of(request)
        said = struct_of(request.body, Remark)
        comment = said.comment or ""
        if "\0" in comment:
            raise bad_field("comment", "it holds a NUL character; leave that out.")
        generation = generation_of(caller, said.generation_id)
        link = _keep(caller, generation.pk, said.category, comment)
        answer = Response({"data": {"success": True}})
        if settings.PUBLIC_FEEDBACK:
            page = reverse("feedback-status", args=[link])
            answer["Link"] = f'<{own_address(request._request)}{page}>; rel="status"'
        return answer


def _keep(caller: Caller, generation_id: str, category: str, comment: str) -> str:
    """Queue what was said, or correct it, and return the secret of its status page.

    Words that changed are to be looked at once more.
    """
    link = secret_of(["api", str(caller.api_key_id), generation_id, category])
    told: dict[str, Any] = {
        "generation_id": generation_id,
        "api_key_id": caller.api_key_id,
        "category": category,
    }
    with transaction.atomic():
        before = Feedback.objects.select_for_update(of=("self",)).filter(**told).first()
        fields = {"account_id": caller.account_id, "comment": comment, "link_hash": hash_of(link)}
        Feedback.objects.update_or_create(**told, defaults=fields)
        if before is not None and before.comment != comment:
            before.reopen()
    return link
