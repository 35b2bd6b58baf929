"""The delivery faults acted out below HTTP: broken framing and broken connections. Pure.

What their programs send raw is exactly what a client's HTTP parser gets to read.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from providers.simulator import programs
from providers.simulator.delivery import Delivery, chain, until
from providers.simulator.programs import JSON, HangUp, Head, Program, Send, SendRaw, Step, Wait

SEPARATE_PACKETS = 0.05  # seconds; lets a client read what came before the garbage


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
    return replace(program, steps=chain(program.steps, [SendRaw(head.encode() + payload)]))


def _bad_chunking(delivery: Delivery) -> Program:
    first = delivery.all_bytes()[:64]
    garbage = SendRaw(b"zz\r\nnot a chunk\r\n")
    steps: list[Step] = [Send(first), Wait(SEPARATE_PACKETS), garbage, HangUp()]
    return Program(Head(200, delivery.content_type), steps)


def _reset(delivery: Delivery) -> Program:
    if not delivery.value:
        return Program(None, [HangUp(reset=True)])
    return until(delivery, delivery.value, HangUp(reset=True))


def _cut_after_tokens(delivery: Delivery) -> Program:
    return until(delivery, delivery.value, HangUp())


ACTORS: Mapping[str, Callable[[Delivery], Program]] = {
    "wrong_content_length": _wrong_content_length,
    "length_and_chunked": _length_and_chunked,
    "garbage_after_body": _garbage_after_body,
    "bad_chunking": _bad_chunking,
    "reset": _reset,
    "cut_after_tokens": _cut_after_tokens,
}
