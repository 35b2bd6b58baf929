"""POST /generation/feedback: what a caller says of one of its generations.

Owns the HTTP side; the queue is `telemetry.models.Feedback`. The rules others rely on: it is kept
for somebody to look at and moves no score or list; saying it again corrects what was said.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from routing.api.authentication import caller_of
from routing.api.bodies import bad_field, struct_of
from routing.api.generation import generation_of
from routing.api.permissions import MayRead
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
        Feedback.objects.update_or_create(
            generation_id=generation.pk,
            api_key_id=caller.api_key_id,
            category=said.category,
            defaults={"account_id": caller.account_id, "comment": comment},
        )
        return Response({"data": {"success": True}})
