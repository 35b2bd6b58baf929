"""The delivery faults acted out inside HTTP: a sound answer whose body or timing is wrong. Pure.

An actor gets the delivery (what would be said, and the fault's number) and returns the program.
Those of stream-only faults are never called without a stream. `miswiring` has the rest.
"""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import repeat

import orjson

from providers.simulator import bodies, miswiring, programs
from providers.simulator.bodies import Speech
from providers.simulator.delivery import Delivery, chain, inserting, until
from providers.simulator.faults import Injected
from providers.simulator.programs import EVENTS, HTML, Head, Program, Send, Wait

STALL_AFTER_TOKENS = 3
SHORTEST_PAUSE = 0.002  # seconds between endless chunks of an endpoint without a token rate
UPSTREAM_ERROR = bodies.error("The worker died.", "server_error", 500)


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
    return until(delivery, delivery.value, last, end)


def _error_event(delivery: Delivery) -> Program:
    data = b"event: error" + programs.line_end(delivery.speech)
    last = Send(data + programs.event(delivery.speech, UPSTREAM_ERROR["error"]))
    return until(delivery, delivery.value, last)


def _empty_stream(delivery: Delivery) -> Program:
    data = programs.done(delivery.speech) if delivery.stream else b""
    return programs.whole(data, delivery.content_type)


def _end_after_tokens(delivery: Delivery) -> Program:
    return until(delivery, delivery.value)


def _stall(delivery: Delivery) -> Program:
    return replace(programs.healthy(delivery.speech), delay=delivery.value)


def _stall_after_head(delivery: Delivery) -> Program:
    program = programs.healthy(delivery.speech)
    return replace(program, steps=chain([Wait(delivery.value)], program.steps))


def _stall_mid_stream(delivery: Delivery) -> Program:
    return inserting(delivery, STALL_AFTER_TOKENS, Wait(delivery.value))


def _comments_forever(delivery: Delivery) -> Program:
    comment = b": keep-alive" + programs.line_end(delivery.speech) * 2 if delivery.stream else b"\n"
    steps = (step for _ in repeat(None) for step in (Send(comment), Wait(delivery.value)))
    return Program(Head(200, delivery.content_type), steps)


def _bad_sse(delivery: Delivery) -> Program:
    broken = b'data: {"id": "chatcmpl-broken", "choices": [{"delta": {'
    return inserting(delivery, 2, Send(broken + programs.line_end(delivery.speech) * 2))


def _bad_utf8(delivery: Delivery) -> Program:
    marker = "<not-utf-8>"
    speech = delivery.speech
    if delivery.stream:
        data = programs.event(speech, bodies.text_chunk(speech, marker))
        return inserting(delivery, 1, Send(_unreadable(data, marker)))
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


def _oversize_event(delivery: Delivery) -> Program:
    speech = delivery.speech
    size = int(delivery.value)
    if not delivery.stream:
        reply = replace(speech.reply, text="x" * size)
        return programs.document(bodies.completion(replace(speech, reply=reply)))
    frame = len(orjson.dumps(bodies.text_chunk(speech, "")))
    text = "x" * max(1, size - frame)
    return inserting(delivery, 1, Send(programs.event(speech, bodies.text_chunk(speech, text))))


def _slow_drip(delivery: Delivery) -> Program:
    program = programs.healthy(delivery.speech)
    pause = Wait(1 / delivery.value)
    sent = (step.data for step in program.steps if isinstance(step, Send))
    bytewise = (bytes([byte]) for data in sent for byte in data)
    return replace(program, steps=(step for byte in bytewise for step in (Send(byte), pause)))


def _endless(delivery: Delivery) -> Program:
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
    program = programs.healthy(speech)
    return replace(program, steps=chain(program.steps, [late]))


def _second_finish(delivery: Delivery) -> Program:
    speech = delivery.speech
    other = "stop" if speech.reply.finish_reason != "stop" else "length"
    again = Send(programs.event(speech, bodies.final_chunk(speech, other)))
    program = _no_done(delivery)
    return replace(program, steps=chain(program.steps, [again, Send(programs.done(speech))]))


ACTORS: Mapping[str, Callable[[Delivery], Program]] = {
    **miswiring.ACTORS,
    "html_200": _html,
    "empty_body": _empty_body,
    "cut_json": _cut_json,
    "wrong_object": _instead({"object": "list", "data": []}),
    "no_choices": _instead({"id": "chatcmpl-none", "object": "chat.completion", "choices": []}),
    "error_in_200": _instead(UPSTREAM_ERROR),
    "error_mid_stream": _error_mid_stream,
    "error_event": _error_event,
    "empty_stream": _empty_stream,
    "end_after_tokens": _end_after_tokens,
    "stall": _stall,
    "stall_after_head": _stall_after_head,
    "stall_mid_stream": _stall_mid_stream,
    "comments_forever": _comments_forever,
    "bad_sse": _bad_sse,
    "bad_utf8": _bad_utf8,
    "redirect": _redirect,
    "gzip": _gzip,
    "oversize_event": _oversize_event,
    "slow_drip": _slow_drip,
    "endless": _endless,
    "no_done": _no_done,
    "data_after_done": _data_after_done,
    "second_finish": _second_finish,
}
