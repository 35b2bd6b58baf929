"""The delivery faults acted out: each turns a healthy program into what goes wrong. Pure.

An actor gets the speech (what would be said) and the fault's number. Where a fault means nothing
without streaming, the plain answer is sent.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat

import orjson

from providers.simulator import bodies, programs
from providers.simulator.bodies import Speech
from providers.simulator.faults import Injected
from providers.simulator.programs import (
    EVENTS,
    HTML,
    JSON,
    HangUp,
    Head,
    Program,
    Send,
    SendRaw,
    Step,
    Wait,
)

STALL_AFTER_TOKENS = 3
SHORTEST_PAUSE = 0.002  # seconds between endless chunks of an endpoint without a token rate
UPSTREAM_ERROR = bodies.error("The worker died.", "server_error", 500)


@dataclass(frozen=True)
class Delivery:
    speech: Speech
    value: float

    @property
    def stream(self) -> bool:
        return self.speech.request.stream

    @property
    def content_type(self) -> str:
        return EVENTS if self.stream else JSON

    def counted(self) -> Program:
        """Return the healthy program with steps in which tokens can be counted."""
        program = programs.healthy(self.speech)
        return program if self.stream else replace(program, steps=_slices(program.steps))

    def all_bytes(self) -> bytes:
        steps = programs.healthy(self.speech).steps
        return b"".join(step.data for step in steps if isinstance(step, Send))


def misdeliver(injected: Injected, speech: Speech) -> Program:
    """Return the program of an answer that suffers this delivery fault."""
    return ACTORS[injected.name](Delivery(speech, injected.value))


def _instead(payload: object) -> Callable[[Delivery], Program]:
    """Send this one object, as body or as event, and end."""

    def act(delivery: Delivery) -> Program:
        if delivery.stream:
            data = programs.event(delivery.speech, payload)
            return Program(Head(200, EVENTS), [Send(data)])
        return programs.document(payload)

    return act


def _html(delivery: Delivery) -> Program:
    return programs.whole(b"<html><body>Sign in to continue.</body></html>\n", HTML)


def _empty_body(delivery: Delivery) -> Program:
    return programs.whole(b"", delivery.content_type)


def _cut_json(delivery: Delivery) -> Program:
    data = delivery.all_bytes()
    if delivery.stream:
        data = data.partition(b"\n")[0]
    return programs.whole(data[: len(data) // 2], delivery.content_type)


def _error_mid_stream(delivery: Delivery) -> Program:
    if not delivery.stream:
        return _instead(UPSTREAM_ERROR)(delivery)
    last = Send(programs.event(delivery.speech, UPSTREAM_ERROR))
    end = Send(programs.done(delivery.speech))
    return _until(delivery, delivery.value, last, end)


def _error_event(delivery: Delivery) -> Program:
    data = b"event: error" + programs.line_end(delivery.speech)
    last = Send(data + programs.event(delivery.speech, UPSTREAM_ERROR["error"]))
    return _until(delivery, delivery.value, last)


def _empty_stream(delivery: Delivery) -> Program:
    data = programs.done(delivery.speech) if delivery.stream else b""
    return programs.whole(data, delivery.content_type)


def _cut_after_tokens(delivery: Delivery) -> Program:
    return _until(delivery, delivery.value, HangUp())


def _end_after_tokens(delivery: Delivery) -> Program:
    return _until(delivery, delivery.value)


def _stall(delivery: Delivery) -> Program:
    return replace(programs.healthy(delivery.speech), delay=delivery.value)


def _stall_after_head(delivery: Delivery) -> Program:
    program = programs.healthy(delivery.speech)
    return replace(program, steps=_chain([Wait(delivery.value)], program.steps))


def _stall_mid_stream(delivery: Delivery) -> Program:
    return _inserting(delivery, STALL_AFTER_TOKENS, Wait(delivery.value))


def _comments_forever(delivery: Delivery) -> Program:
    comment = b": keep-alive" + programs.line_end(delivery.speech) * 2 if delivery.stream else b"\n"
    steps = (step for _ in repeat(None) for step in (Send(comment), Wait(delivery.value)))
    return Program(Head(200, delivery.content_type), steps)


def _bad_sse(delivery: Delivery) -> Program:
    broken = b'data: {"id": "chatcmpl-broken", "choices": [{"delta": {' + b"\n\n"
    return _inserting(delivery, 2, Send(broken))


def _bad_utf8(delivery: Delivery) -> Program:
    marker = "<not-utf-8>"
    speech = delivery.speech
    if delivery.stream:
        data = programs.event(speech, bodies.text_chunk(speech, marker))
        return _inserting(delivery, 1, Send(_unreadable(data, marker)))
    reply = replace(speech.reply, text=speech.reply.text + marker)
    body = orjson.dumps(bodies.completion(replace(speech, reply=reply)))
    return programs.whole(_unreadable(body, marker))


def _unreadable(data: bytes, marker: str) -> bytes:
    return data.replace(marker.encode(), b"\xff\xfe\xc3\x28")


def _redirect(delivery: Delivery) -> Program:
    return programs.whole(b"", HTML, int(delivery.value), {"Location": "/_canary"})


def _gzip(delivery: Delivery) -> Program:
    body = gzip.compress(delivery.all_bytes(), mtime=0)
    return programs.whole(body, delivery.content_type, extra={"Content-Encoding": "gzip"})


def _wrong_content_length(delivery: Delivery) -> Program:
    body = delivery.all_bytes()
    length = max(0, len(body) + int(delivery.value))
    return _raw(delivery, body, f"Content-Length: {length}\r\n")


def _length_and_chunked(delivery: Delivery) -> Program:
    body = delivery.all_bytes()
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    framing = f"Content-Length: {len(body) // 2}\r\nTransfer-Encoding: chunked\r\n"
    return _raw(delivery, chunked, framing)


def _raw(delivery: Delivery, body: bytes, framing: str) -> Program:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {delivery.content_type}\r\n{framing}\r\n"
    return Program(None, [SendRaw(head.encode() + body), HangUp()])


def _garbage_after_body(delivery: Delivery) -> Program:
    program = programs.whole(delivery.all_bytes(), delivery.content_type)
    payload = b'{"garbage":true}'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\nContent-Length: {len(payload)}\r\n\r\n"
    return replace(program, steps=_chain(program.steps, [SendRaw(head.encode() + payload)]))


def _bad_chunking(delivery: Delivery) -> Program:
    first = delivery.all_bytes()[:64]
    steps: list[Step] = [Send(first), SendRaw(b"zz\r\nnot a chunk\r\n"), HangUp()]
    return Program(Head(200, delivery.content_type), steps)


def _reset(delivery: Delivery) -> Program:
    if not delivery.value:
        return Program(None, [HangUp(reset=True)])
    return _until(delivery, delivery.value, HangUp(reset=True))


def _oversize_event(delivery: Delivery) -> Program:
    speech = delivery.speech
    size = int(delivery.value)
    if not delivery.stream:
        reply = replace(speech.reply, text="x" * size)
        return programs.document(bodies.completion(replace(speech, reply=reply)))
    frame = len(programs.event(speech, bodies.text_chunk(speech, "")))
    text = "x" * max(1, size - frame)
    return _inserting(delivery, 1, Send(programs.event(speech, bodies.text_chunk(speech, text))))


def _slow_drip(delivery: Delivery) -> Program:
    program = programs.healthy(delivery.speech)
    pause = Wait(1 / delivery.value)
    sent = (step.data for step in program.steps if isinstance(step, Send))
    bytewise = (bytes([byte]) for data in sent for byte in data)
    return replace(program, steps=(step for byte in bytewise for step in (Send(byte), pause)))


def _endless(delivery: Delivery) -> Program:
    if not delivery.stream:
        return programs.healthy(delivery.speech)
    speech = delivery.speech
    pause = Wait(max(programs.seconds_per_token(speech), SHORTEST_PAUSE))
    word = Send(programs.event(speech, bodies.text_chunk(speech, " more")), tokens=1)
    return Program(Head(200, EVENTS), (s for _ in repeat(None) for s in (word, pause)))


def _no_done(delivery: Delivery) -> Program:
    quirks = delivery.speech.endpoint.quirks | {"no_done"}
    endpoint = replace(delivery.speech.endpoint, quirks=quirks)
    return programs.healthy(replace(delivery.speech, endpoint=endpoint))


def _data_after_done(delivery: Delivery) -> Program:
    speech = delivery.speech
    late = Send(programs.event(speech, bodies.text_chunk(speech, " late")))
    return _appending(delivery, late)


def _second_finish(delivery: Delivery) -> Program:
    speech = delivery.speech
    other = "stop" if speech.reply.finish_reason != "stop" else "length"
    again = Send(programs.event(speech, bodies.final_chunk(speech, other)))
    program = _no_done(delivery)
    if not delivery.stream:
        return program
    return replace(program, steps=_chain(program.steps, [again, Send(programs.done(speech))]))


def _until(delivery: Delivery, tokens: float, *last: Step) -> Program:
    """Send the answer up to this many tokens, then these steps instead of the rest."""
    program = delivery.counted()
    return replace(program, steps=_chain(_first_tokens(program.steps, tokens), last))


def _inserting(delivery: Delivery, tokens: float, *steps: Step) -> Program:
    """Send the answer with these steps after so many tokens."""
    program = delivery.counted()
    rest = iter(program.steps)
    return replace(program, steps=_chain(_first_tokens(rest, tokens), steps, rest))


def _appending(delivery: Delivery, *steps: Step) -> Program:
    program = programs.healthy(delivery.speech)
    return replace(program, steps=_chain(program.steps, steps)) if delivery.stream else program


def _first_tokens(steps: Iterable[Step], tokens: float) -> Iterator[Step]:
    """Yield steps until so many tokens are sent; at the latest, all."""
    sent = 0
    if tokens < 1:
        return
    for step in steps:
        yield step
        sent += step.tokens if isinstance(step, Send) else 0
        if sent >= tokens:
            return


def _slices(steps: Iterable[Step]) -> Iterator[Step]:
    """Cut a whole body into slices of a token each."""
    for step in steps:
        if isinstance(step, Send):
            for start in range(0, len(step.data), 4):
                yield Send(step.data[start : start + 4], tokens=1)
        else:
            yield step


def _chain(*parts: Iterable[Step]) -> Iterator[Step]:
    for part in parts:
        yield from part


ACTORS: dict[str, Callable[[Delivery], Program]] = {
    "html_200": _html,
    "empty_body": _empty_body,
    "cut_json": _cut_json,
    "wrong_object": _instead({"object": "list", "data": []}),
    "no_choices": _instead({"id": "chatcmpl-none", "object": "chat.completion", "choices": []}),
    "error_in_200": _instead(UPSTREAM_ERROR),
    "error_mid_stream": _error_mid_stream,
    "error_event": _error_event,
    "empty_stream": _empty_stream,
    "cut_after_tokens": _cut_after_tokens,
    "end_after_tokens": _end_after_tokens,
    "stall": _stall,
    "stall_after_head": _stall_after_head,
    "stall_mid_stream": _stall_mid_stream,
    "comments_forever": _comments_forever,
    "bad_sse": _bad_sse,
    "bad_utf8": _bad_utf8,
    "redirect": _redirect,
    "gzip": _gzip,
    "wrong_content_length": _wrong_content_length,
    "garbage_after_body": _garbage_after_body,
    "bad_chunking": _bad_chunking,
    "length_and_chunked": _length_and_chunked,
    "reset": _reset,
    "oversize_event": _oversize_event,
    "slow_drip": _slow_drip,
    "endless": _endless,
    "no_done": _no_done,
    "data_after_done": _data_after_done,
    "second_finish": _second_finish,
}
