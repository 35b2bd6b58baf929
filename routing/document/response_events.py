"""What is said of the events of a Responses stream.

Owns one struct per type of event, with exactly the keys that type has (`shapes.responses.items`
and `.stream` make them). The rule others rely on: an event of a type that is not here is an error
of the document; `tests/test_real_document.py` compares streams with it.
"""

from typing import Any

from msgspec import Struct

from routing.document.chat import UpstreamEcho
from routing.document.response import (
    OutputItem,
    OutputRefusal,
    OutputText,
    ReasoningText,
    Response,
    SummaryText,
)


class _Event(Struct, tag_field="type", kw_only=True):
    sequence_number: int


class _Whole(_Event, kw_only=True):
    response: Response


class _OfItem(_Event, kw_only=True):
    output_index: int
    item: OutputItem


class _Within(_Event, kw_only=True):
    """Of something within one item."""

    item_id: str
    output_index: int


class _OfContent(_Within, kw_only=True):
    content_index: int


class _OfSummary(_Within, kw_only=True):
    summary_index: int


# The Response -----------------------------------------------------------------------------


class ResponseCreated(_Whole, tag="response.created"):
    pass


class ResponseInProgress(_Whole, tag="response.in_progress"):
    pass


class ResponseCompleted(_Whole, tag="response.completed"):
    """Ends a stream."""


class ResponseIncomplete(_Whole, tag="response.incomplete"):
    """Ends a stream whose text was cut off; `incomplete_details` says why."""


class ResponseFailed(_Whole, tag="response.failed"):
    """Ends a stream that broke; `error` says why."""


class ResponseDebug(_Event, tag="response.debug", kw_only=True):
    """With `debug.echo_upstream_body`: what one provider was sent."""

    debug: UpstreamEcho


# Items and their parts --------------------------------------------------------------------


class OutputItemAdded(_OfItem, tag="response.output_item.added"):
    pass


class OutputItemDone(_OfItem, tag="response.output_item.done"):
    pass


class ContentPartAdded(_OfContent, tag="response.content_part.added", kw_only=True):
    part: OutputText | OutputRefusal | ReasoningText


class ContentPartDone(_OfContent, tag="response.content_part.done", kw_only=True):
    part: OutputText | OutputRefusal | ReasoningText


class SummaryPartAdded(_OfSummary, tag="response.reasoning_summary_part.added", kw_only=True):
    part: SummaryText


class SummaryPartDone(_OfSummary, tag="response.reasoning_summary_part.done", kw_only=True):
    part: SummaryText


# Texts ------------------------------------------------------------------------------------


class OutputTextDelta(_OfContent, tag="response.output_text.delta", kw_only=True):
    delta: str
    logprobs: list[dict[str, Any]]


class OutputTextDone(_OfContent, tag="response.output_text.done", kw_only=True):
    text: str
    logprobs: list[dict[str, Any]]


class AnnotationAdded(_OfContent, tag="response.output_text.annotation.added", kw_only=True):
    annotation_index: int
    annotation: dict[str, Any]


class RefusalDelta(_OfContent, tag="response.refusal.delta", kw_only=True):
    delta: str


class RefusalDone(_OfContent, tag="response.refusal.done", kw_only=True):
    refusal: str


class ReasoningTextDelta(_OfContent, tag="response.reasoning_text.delta", kw_only=True):
    delta: str


class ReasoningTextDone(_OfContent, tag="response.reasoning_text.done", kw_only=True):
    text: str


class SummaryTextDelta(_OfSummary, tag="response.reasoning_summary_text.delta", kw_only=True):
    delta: str


class SummaryTextDone(_OfSummary, tag="response.reasoning_summary_text.done", kw_only=True):
    text: str


# Calls of tools ---------------------------------------------------------------------------


class ArgumentsDelta(_Within, tag="response.function_call_arguments.delta", kw_only=True):
    delta: str


class ArgumentsDone(_Within, tag="response.function_call_arguments.done", kw_only=True):
    name: str
    arguments: str


class CustomInputDelta(_Within, tag="response.custom_tool_call_input.delta", kw_only=True):
    delta: str


class CustomInputDone(_Within, tag="response.custom_tool_call_input.done", kw_only=True):
    input: str


ResponseEvent = (
    ResponseCreated
    | ResponseInProgress
    | ResponseCompleted
    | ResponseIncomplete
    | ResponseFailed
    | ResponseDebug
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | SummaryPartAdded
    | SummaryPartDone
    | OutputTextDelta
    | OutputTextDone
    | AnnotationAdded
    | RefusalDelta
    | RefusalDone
    | ReasoningTextDelta
    | ReasoningTextDone
    | SummaryTextDelta
    | SummaryTextDone
    | ArgumentsDelta
    | ArgumentsDone
    | CustomInputDelta
    | CustomInputDone
)
