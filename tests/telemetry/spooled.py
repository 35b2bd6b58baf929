"""Facts and spools for tests: plain facts, and segments as a process that has ended left them."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from telemetry.judge.rules import Judgement
from telemetry.recorder import AttemptFact, Fact, GenerationFact, Recorder, VerdictFact
from telemetry.spool import SpoolWriter, encode

if TYPE_CHECKING:
    from providers.models import Endpoint  # not at run time: the writing process has no Django

VALID = Judgement("valid", calls=1)
DEAD_PROCESS = "0" * 32


def make_writer(spool: Path, **limits: Any) -> SpoolWriter:
    defaults: dict[str, Any] = {
        "segment_bytes": 16 * 1024 * 1024,
        "segment_s": 60.0,
        "sync_s": 0.001,
        "max_bytes": 1024 * 1024 * 1024,
        "min_free_bytes": 0,
    }
    return SpoolWriter(spool, **{**defaults, **limits})


def make_recorder(spool: Path) -> Recorder:
    return Recorder(make_writer(spool))


def attempt_fact(generation_id: str = "gen-1", **fields: Any) -> AttemptFact:
    """Make an attempt that answered with tool calls, not judged yet."""
    defaults: dict[str, Any] = {
        "ordinal": 1,
        "endpoint_id": 1,
        "account_id": 1,
        "started_at": time.time(),
        "outcome": "ok",
        "duration_ms": 1500,
        "streamed": True,
        "pinned": False,
        "router_assigned": True,
        "tools_offered": 2,
        "finish_reason": "tool_calls",
    }
    return AttemptFact(generation_id=generation_id, **{**defaults, **fields})


def generation_fact(id: str = "gen-1", **fields: Any) -> GenerationFact:
    defaults: dict[str, Any] = {
        "created_at": time.time(),
        "account_id": 1,
        "api_key_id": 1,
        "requested_model": "acme/falcon-1:exacto",
        "attempts": 1,
        "status": 200,
        "streamed": True,
        "cancelled": False,
        "pinned": False,
        "tools_offered": 2,
        "duration_ms": 1500,
    }
    return GenerationFact(id=id, **{**defaults, **fields})


def verdict_fact(
    generation_id: str = "gen-1", verdict: str = "valid", **fields: Any
) -> VerdictFact:
    return VerdictFact(
        **{"generation_id": generation_id, "ordinal": 1, "verdict": verdict, **fields}
    )


def three_facts(endpoint: "Endpoint", name: str = "gen-1", verdict: str = "valid") -> list[Fact]:
    """Return all that one judged generation leaves in the spool."""
    return [
        attempt_fact(name, endpoint_id=endpoint.pk),
        generation_fact(name, endpoint_id=endpoint.pk),
        verdict_fact(name, verdict),
    ]


def leave_segment(
    spool: Path, records: Iterable[Fact | bytes], *, process: str = DEAD_PROCESS, number: int = 1
) -> Path:
    """Write a segment as a process that has ended left it; a record may be bytes of any kind."""
    directory = spool / process
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "lock").touch()
    path = directory / f"{number:08}.seg"
    path.write_bytes(b"".join(encode(_payload(record)) for record in records))
    return path


def _payload(record: Fact | bytes) -> bytes:
    return record if isinstance(record, bytes) else msgspec.json.encode(record)
