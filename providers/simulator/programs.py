"""What goes over the wire and when, as data: a head and steps, for `performing` to carry out.

Owns healthy answers and HTTP refusals; the delivery faults in `misdelivery` rework them. Pure:
a program holds bytes and seconds, and no connection.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from providers.simulator import bodies
from providers.simulator.bodies import Speech
from providers.simulator.faults import Injected

JSON = "application/json"
EVENTS = "text/event-stream"
HTML = "text/html; charset=utf-8"
DONE = b"[DONE]"

PROXY_PAGE = b"<html><head><title>502</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"

_REFUSALS: Mapping[int, tuple[str, str]] = {  # status: (error type, message)
    400: ("invalid_request_error", "The request is invalid."),
    402: ("insufficient_quota", "The balance is used up."),
    403: ("permission_error", "This key may not use this model."),
    404: ("not_found_error", "The model does not exist."),
    408: ("timeout_error", "The request took too long."),
    413: ("invalid_request_error", "The context is longer than the model allows."),
    429: ("rate_limit_error", "Too many requests."),
    500: ("server_error", "Internal error."),
    503: ("overloaded_error", "No worker is free."),
    504: ("timeout_error", "The worker took too long."),
    529: ("overloaded_error", "Overloaded."),
}


@dataclass(frozen=True)
class Send:
    data: bytes
    tokens: int = 0  # of the model's output, so that faults can count


@dataclass(frozen=True)
class SendRaw:
    data: bytes  # past the HTTP framing


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class HangUp:
    reset: bool = False  # RST instead of FIN


Step = Send | SendRaw | Wait | HangUp


@dataclass(frozen=True)
class Head:
    status: int
    content_type: str
    length: int | None = None  # None: chunked
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        length = {} if self.length is None else {"Content-Length": str(self.length)}
        return {"Content-Type": self.content_type, **length, **self.extra}


@dataclass(frozen=True)
class Program:
    head: Head | None  # None: the steps send the head themselves, if at all
    steps: Iterable[Step]
    delay: float = 0.0  # seconds before the head


def whole(
    body: bytes,
    content_type: str = JSON,
    status: int = 200,
    extra: Mapping[str, str] | None = None,
) -> Program:
    """Return a program that sends one body with its length."""
    return Program(Head(status, content_type, len(body), extra or {}), [Send(body)])


def document(payload: Any, status: int = 200) -> Program:
    return whole(orjson.dumps(payload), status=status)


def refusal(injected: Injected, received_key: str) -> Program:
    """Return the answer of a status fault."""
    status = int(injected.name.removeprefix("http_"))
    if status == 502:
        return whole(PROXY_PAGE, HTML, status)
    if status == 401:
        kind, message = "authentication_error", f"Incorrect API key provided: {received_key}"
    else:
        kind, message = _REFUSALS[status]
    if status == 400:
        message += " x" * round(injected.value * 512)
    body = orjson.dumps(bodies.error(message, kind, status))
    extra = {"Retry-After": str(round(injected.value))} if status == 429 else {}
    return whole(body, JSON, status, extra)


def healthy(speech: Speech) -> Program:
    """Return the program of an answer without any fault in its delivery."""
    if speech.request.stream:
        return Program(Head(200, EVENTS), stream_steps(speech))
    body = orjson.dumps(bodies.completion(speech))
    seconds = seconds_per_token(speech) * max(speech.reply.completion_tokens, 0)
    return Program(Head(200, JSON, len(body)), [Wait(seconds), Send(body)])


def stream_steps(speech: Speech) -> Iterator[Step]:
    quirks = speech.endpoint.quirks
    if "keep_alives" in quirks:
        yield Send(b": keep-alive" + line_end(speech) * 2)
    pause = seconds_per_token(speech)
    for chunk in bodies.chunks(speech):
        if chunk.tokens and pause:
            yield Wait(chunk.tokens * pause)
        yield Send(event(speech, chunk.payload), chunk.tokens)
    if "no_done" not in quirks:
        yield Send(done(speech))


def event(speech: Speech, payload: Any) -> bytes:
    return b"data: " + orjson.dumps(payload) + line_end(speech) * 2


def done(speech: Speech) -> bytes:
    return b"data: " + DONE + line_end(speech) * 2


def line_end(speech: Speech) -> bytes:
    return b"\r\n" if "crlf" in speech.endpoint.quirks else b"\n"


def seconds_per_token(speech: Speech) -> float:
    rate = speech.endpoint.tokens_per_second
    return 1 / rate if rate else 0.0
