"""The child process that judges, and the frames it speaks: `python -m telemetry.judge.worker`.

Reads jobs from stdin and writes one judgement for each, in order, to stdout; an empty frame at the
start says it is ready. It knows nothing of Django, sockets or files and holds nothing but compiled
schemas, so that the parent may kill it at any moment. It bounds its own memory and, should its
parent die, its own life: it ends at end of file, and no job outlives LAST_RESORT_S.
"""

import os
import resource
import signal
import struct
import sys
from collections.abc import Iterator

import orjson

from providers.chat import ToolCall
from telemetry.judge.limits import JudgeLimits, decode_options
from telemetry.judge.rules import Judgement, ToolExchange, judge, without_surrogates
from telemetry.judge.validators import ValidatorCache

LAST_RESORT_S = 10.0
_READ_BYTES = 1024 * 1024
_LENGTHS = struct.Struct("<II")  # of the exchange, of the tools


def encode_job(exchange: ToolExchange, owner: int, lenient: bool) -> bytes:
    """Frame one job. The tools go along as the bytes they are: the cache is keyed by them."""
    fields = [
        owner,
        lenient,
        exchange.tool_choice,
        [_sent(call) for call in exchange.calls],
        exchange.finish_reason,
        exchange.native_finish_reason,
        exchange.content,
        exchange.completed,
    ]
    try:
        body = orjson.dumps(fields)
    except orjson.JSONEncodeError:
        body = orjson.dumps(_encodable(fields))
    return b"".join((_LENGTHS.pack(len(body), len(exchange.tools)), body, exchange.tools))


def _sent(call: ToolCall) -> list[object]:
    # Arguments that are not text are wrong whatever they are.
    text = call.arguments if isinstance(call.arguments, str) else None
    return [call.id, call.name, text, call.oversized]


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return without_surrogates(value)
    return [_encodable(item) for item in value] if isinstance(value, list) else value


def decode_job(body: bytes, tools: bytes) -> tuple[ToolExchange, int, bool]:
    owner, lenient, choice, calls, finish, native, content, completed = orjson.loads(body)
    exchange = ToolExchange(
        tools=tools,
        tool_choice=choice,
        calls=tuple(ToolCall(*call) for call in calls),
        finish_reason=finish,
        native_finish_reason=native,
        content=content,
        completed=completed,
    )
    return exchange, owner, lenient


def encode_judgement(judgement: Judgement) -> bytes:
    body = orjson.dumps(judgement)
    return _LENGTHS.pack(len(body), 0) + body


def decode_judgement(body: bytes) -> Judgement:
    fields = orjson.loads(body)
    fields["errors"] = tuple((kind, place) for kind, place in fields["errors"])
    return Judgement(**fields)


def split_frames(buffer: bytearray) -> Iterator[tuple[bytes, bytes]]:
    """Take the whole frames off the front of a buffer."""
    start = 0
    while len(buffer) - start >= _LENGTHS.size:
        first, second = _LENGTHS.unpack_from(buffer, start)
        middle = start + _LENGTHS.size + first
        if len(buffer) < middle + second:
            break
        yield bytes(buffer[middle - first : middle]), bytes(buffer[middle : middle + second])
        start = middle + second
    del buffer[:start]


def main() -> None:
    """Judge until end of file."""
    for stop in (signal.SIGINT, signal.SIGTERM):  # sent to a whole group: the parent's to handle
        signal.signal(stop, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    limits, formats = decode_options(sys.argv[1]) if sys.argv[1:] else (JudgeLimits(), False)
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold arguments
    validators = ValidatorCache(limits, formats=formats)
    buffer = bytearray()
    _write(_LENGTHS.pack(0, 0))
    while chunk := os.read(0, _READ_BYTES):
        buffer += chunk
        for body, tools in split_frames(buffer):
            # Unhandled, the alarm ends the process, even in the midst of native code.
            signal.setitimer(signal.ITIMER_REAL, LAST_RESORT_S)
            exchange, owner, lenient = decode_job(body, tools)
            judgement = judge(exchange, validators, owner=owner, lenient=lenient)
            signal.setitimer(signal.ITIMER_REAL, 0)
            _write(encode_judgement(judgement))


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
