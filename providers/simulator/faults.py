"""The named faults a simulated endpoint can show, each described once.

Owns the names, their parameters and what they mean; the table in docs/simulator.md is made from it.
How a fault is acted out lives elsewhere: answer faults in `spoiling`, status and delivery faults in
`programs`. Every name here has exactly one actor there (a test compares the tables).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

LARGEST_PARAMETER = 16 * 2**20


class Stage(Enum):
    ANSWER = "answer"  # what the model says
    STATUS = "status"  # an HTTP error instead of an answer
    DELIVERY = "delivery"  # how the answer travels


@dataclass(frozen=True)
class Fault:
    name: str
    stage: Stage
    summary: str
    parameter: str = ""  # meaning and unit of the number after the colon
    default: float = 0
    minimum: float = 0
    maximum: float = LARGEST_PARAMETER
    stream_only: bool = False
    needs_call: bool = False  # shows only on an answer that calls tools


@dataclass(frozen=True)
class Injected:
    """A fault with its parameter, as drawn from a fleet or forced by a message."""

    name: str
    value: float

    @property
    def fault(self) -> Fault:
        return KNOWN[self.name]

    def __str__(self) -> str:
        return f"{self.name}:{plain(self.value)}" if self.fault.parameter else self.name


class UnknownFault(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(f"unknown fault; known: {', '.join(sorted(KNOWN))}")
        self.name = name


def parse(text: str) -> Injected:
    """Read `name` or `name:number`; raise ValueError saying what is wrong."""
    name, colon, number = text.strip().partition(":")
    fault = KNOWN.get(name)
    if fault is None:
        raise UnknownFault(name)
    if not colon:
        return Injected(name, fault.default)
    if not fault.parameter:
        raise ValueError(f"{name} takes no parameter")
    try:
        value = float(number)
    except ValueError:
        raise ValueError(f"{name} wants a number ({fault.parameter})") from None
    if not fault.minimum <= value <= fault.maximum:
        limits = f"{plain(fault.minimum)} to {plain(fault.maximum)}"
        raise ValueError(f"{name} wants a number from {limits}")
    return Injected(name, value)


def plain(number: float) -> str:
    """Spell a number without an exponent or a needless fraction."""
    return str(int(number)) if number == int(number) else str(number)


def as_markdown() -> str:
    """Return the table of faults for the docs."""
    rows = ["| fault | parameter (default) | what happens |", "|---|---|---|"]
    for fault in KNOWN.values():
        parameter = f"{fault.parameter} ({plain(fault.default)})" if fault.parameter else ""
        only = " Streams only." if fault.stream_only else ""
        rows.append(f"| `{fault.name}` | {parameter} | {fault.summary}{only} |")
    return "\n".join(rows)


def _call(name: str, summary: str) -> Fault:
    return Fault(name, Stage.ANSWER, summary, needs_call=True)


def _answer(name: str, summary: str) -> Fault:
    return Fault(name, Stage.ANSWER, summary)


def _status(status: int, summary: str, parameter: str = "", default: float = 0) -> Fault:
    return Fault(f"http_{status}", Stage.STATUS, summary, parameter, default)


def _delivery(
    name: str,
    summary: str,
    parameter: str = "",
    default: float = 0,
    *,
    minimum: float = 0,
    maximum: float = LARGEST_PARAMETER,
    stream_only: bool = False,
) -> Fault:
    return Fault(name, Stage.DELIVERY, summary, parameter, default, minimum, maximum, stream_only)


_ANSWER_FAULTS: Iterable[Fault] = (
    _call("invalid_json", "Arguments are no JSON (single quotes, a trailing comma)."),
    _call("unknown_name", "The call names a function nobody offered."),
    _call("schema_mismatch", "Arguments are JSON but break the tool's schema."),
    _call("leaked_tool_text", "The call is written into `content`, with finish_reason `stop`."),
    _answer(
        "tool_choice_violated",
        "`none` gets a call; `required` gets text; a named tool gets another one, or text.",
    ),
    _call("truncated_arguments", "Arguments stop half-way, with finish_reason `length`."),
    _call("silent_truncation", "Arguments stop half-way; finish_reason is still `tool_calls`."),
    _answer("empty_reply", "No text, no call, finish_reason `stop`."),
    _call("duplicate_ids", "Two parallel calls share one id."),
    _call("arguments_as_object", "Arguments are a JSON object where a string belongs."),
    _call("interleaved_calls", "Two calls; in a stream their deltas alternate by index."),
    _call("missing_calls", "finish_reason `tool_calls` without any call."),
    _call("split_name", "In a stream, the function's name arrives in two deltas."),
    _call("missing_index", "In a stream, tool-call deltas carry no `index`."),
    _call("reused_index", "In a stream, two calls with different ids share index 0."),
    _answer("usage_absurd", "Usage claims 10^18 prompt and -5 completion tokens."),
)

_STATUS_FAULTS: Iterable[Fault] = (
    _status(400, "400, with this much padding in the body.", "kB"),
    _status(401, "401 whose message echoes the received key, as some providers do."),
    _status(402, "402 payment required."),
    _status(403, "403 forbidden."),
    _status(404, "404 model not found."),
    _status(408, "408 request time-out."),
    _status(413, "413 context too long."),
    _status(429, "429 with `Retry-After`.", "seconds", 5),
    _status(500, "500 internal error."),
    _status(502, "502 with a proxy's HTML page."),
    _status(503, "503 overloaded."),
    _status(504, "504 gateway time-out."),
    _status(529, "529 overloaded."),
)

_DELIVERY_FAULTS: Iterable[Fault] = (
    _delivery("html_200", "200 with an HTML page."),
    _delivery("empty_body", "200 with no bytes at all."),
    _delivery("cut_json", "200 whose JSON ends in the middle, cleanly."),
    _delivery("wrong_object", "200 with JSON of another kind (`object: list`)."),
    _delivery("no_choices", "200 with `choices: []` and nothing else."),
    _delivery("error_in_200", "200 whose body, or first event, is an `error` object."),
    _delivery("error_mid_stream", "An `error` object after this many tokens.", "tokens", 3),
    _delivery(
        "error_event", "`event: error` after this many tokens.", "tokens", 3, stream_only=True
    ),
    _delivery("empty_stream", "Only `[DONE]`; without streaming, an empty body."),
    _delivery("cut_after_tokens", "The connection is closed after this many tokens.", "tokens", 5),
    _delivery(
        "end_after_tokens",
        "The stream ends cleanly after this many tokens: no finish_reason, no `[DONE]`.",
        "tokens",
        5,
        stream_only=True,
    ),
    _delivery("stall", "Silence before the first byte, then a normal answer.", "seconds", 3600),
    _delivery("stall_after_head", "Status and headers at once, then silence.", "seconds", 3600),
    _delivery("stall_mid_stream", "Silence after three tokens.", "seconds", 3600),
    _delivery(
        "comments_forever",
        "Keep-alives only: SSE comments, or blank lines without streaming; one per interval.",
        "seconds",
        0.5,
        minimum=0.01,
    ),
    _delivery("bad_sse", "One event in mid-stream is broken JSON.", stream_only=True),
    _delivery("bad_utf8", "Bytes that are no UTF-8 inside the text."),
    _delivery(
        "redirect",
        "A redirect to `/_canary`, with this status.",
        "status",
        307,
        minimum=301,
        maximum=308,
    ),
    _delivery("gzip", "A compressed body nobody asked for."),
    _delivery(
        "wrong_content_length",
        "Content-Length is off by this much: more than sent, or (negative) less.",
        "bytes",
        64,
        minimum=-1024,
    ),
    _delivery("garbage_after_body", "A second, unasked-for HTTP answer follows the first."),
    _delivery("bad_chunking", "A chunk size that is no number, in mid-body."),
    _delivery("length_and_chunked", "Both Content-Length and Transfer-Encoding."),
    _delivery("reset", "TCP reset after this many tokens (0: before the head).", "tokens", 0),
    _delivery(
        "oversize_event",
        "One event's data, or one text, is of this size.",
        "bytes",
        2**20 + 1,
        maximum=4 * LARGEST_PARAMETER,
    ),
    _delivery("slow_drip", "The answer dribbles at this rate.", "bytes/s", 1, minimum=0.1),
    _delivery("endless", "Text without end.", stream_only=True),
    _delivery("no_done", "finish_reason, but no `[DONE]`.", stream_only=True),
    _delivery("data_after_done", "More text after `[DONE]`.", stream_only=True),
    _delivery("second_finish", "A second, different finish_reason.", stream_only=True),
)

KNOWN = {fault.name: fault for fault in (*_ANSWER_FAULTS, *_STATUS_FAULTS, *_DELIVERY_FAULTS)}
