"""Spool to rows, exactly once.

Owns the way of a fact from a segment file into `Attempt`, `Generation` and `VerdictCount`. It
decides nothing about facts: what cannot become a row goes to `<spool>/dead` with the reason's
type. The rules others rely on: rows, counts and the position in the file change in one
transaction; a fact that comes again, by whatever way, changes nothing; a segment is removed
only after the commit of its last record, and only when nobody can append to it any more.
"""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import msgspec
from django.db import DataError, IntegrityError, connection

from telemetry.counts import expire_pending, facts_lock
from telemetry.models import SpoolPosition
from telemetry.recorder import Fact
from telemetry.rows import Batch, TooOldError, UnknownEndpointError
from telemetry.spool import (
    DEAD,
    Chunk,
    Frame,
    is_alive,
    process_directories,
    read_frames,
    segments,
)

logger = logging.getLogger(__name__)

BATCH = 2_000
# SQLite's other writers only look now and then whether the lock is free: leave them a gap, or
# some would give up ("database is locked") while a long backlog is read.
BREATH_S = 0.02

# What a record itself can cause. Anything else (the database is away, a table is missing) is
# not the record's fault: it stays in the spool and is tried again.
_POISON = (
    DataError, IntegrityError, UnknownEndpointError, TooOldError, ValueError, TypeError,
    OverflowError,
)  # fmt: skip

_decode = msgspec.json.Decoder(Fact).decode


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one run did: rows made, verdicts applied, damage met, files removed."""

    generations: int = 0
    attempts: int = 0
    verdicts: int = 0
    bad_frames: int = 0
    dead: int = 0
    segments_deleted: int = 0

    def __add__(self, other: "IngestReport") -> "IngestReport":
        return IngestReport(
            *(getattr(self, field.name) + getattr(other, field.name) for field in fields(self))
        )


@dataclass(frozen=True, slots=True)
class _Segment:
    """One segment file; `closed` means that nobody will append to it any more."""

    path: Path
    closed: bool

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def dead_letters(self) -> Path:
        return self.path.parent.parent / DEAD / self.name.replace("/", "-")


def ingest_all(spool: Path) -> IngestReport:
    """Ingest all that the spool holds now; return at once if somebody else is at it.

    Raises OperationalError if the database is away; nothing is lost by that.
    """
    with _only_one(spool) as alone:
        return _ingest_directories(spool) if alone else IngestReport()


def expire_verdicts(spool: Path, *, now: float) -> int:
    """Close verdicts that will never come, at the Unix time `now`; return how many."""
    with _only_one(spool) as alone:
        if not alone:
            return 0
        # A verdict that still waits in the spool is not lost.
        _ingest_directories(spool)
        return expire_pending(now=now)


@contextmanager
def _only_one(spool: Path) -> Iterator[bool]:
    """Tell whether we alone ingest this spool. It spares double work; safety is `facts_lock`."""
    spool.mkdir(parents=True, exist_ok=True)
    lock = os.open(spool / "ingest.lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        yield alone
    finally:
        os.close(lock)


def _ingest_directories(spool: Path) -> IngestReport:
    report = IngestReport()
    for directory in process_directories(spool):
        # Asked before reading: what is closed now has been written to its end.
        alive = is_alive(directory)
        paths = segments(directory)
        for path in paths:
            segment = _Segment(path, closed=not alive or path != paths[-1])
            report += _ingest_segment(segment)
        if not alive:
            _remove_directory(directory)
    return report


def _ingest_segment(segment: _Segment) -> IngestReport:
    report = IngestReport()
    try:
        size = segment.path.stat().st_size
        offset = _position(segment).offset
        # A living process may append as fast as we read: `size` is where this run ends.
        while offset < size:
            chunk = read_frames(segment.path, offset, closed=segment.closed, limit=BATCH)
            if chunk.end == offset:
                break
            report += _store(segment, chunk)
            offset = _position(segment).offset
            if offset < size and connection.vendor == "sqlite":
                time.sleep(BREATH_S)
    except FileNotFoundError:
        return report  # another ingester was faster
    if segment.closed and offset >= size:
        _remove_segment(segment)
        report += IngestReport(segments_deleted=1)
    return report


def _position(segment: _Segment) -> SpoolPosition:
    return SpoolPosition.objects.filter(segment=segment.name).first() or SpoolPosition(
        segment=segment.name
    )


def _store(segment: _Segment, chunk: Chunk) -> IngestReport:
    """Commit one chunk; where a record prevents that, find it by halving and bury it."""
    try:
        return _commit(segment, chunk)
    except _POISON as error:
        if len(chunk.frames) <= 1:
            return _commit(segment, chunk, poison=error)
    middle = len(chunk.frames) // 2
    first, second = chunk.frames[:middle], chunk.frames[middle:]
    report = _store(segment, Chunk(chunk.start, first, first[-1].end, 0))
    return report + _store(segment, Chunk(first[-1].end, second, chunk.end, chunk.bad))


def _commit(segment: _Segment, chunk: Chunk, *, poison: Exception | None = None) -> IngestReport:
    """Store a chunk's facts and the position after it, in one transaction."""
    with facts_lock():
        position = _position(segment)
        if position.offset != chunk.start:
            return IngestReport()  # another ingester has been here
        batch = Batch()
        dead = 0
        for frame in chunk.frames:
            try:
                if poison:
                    raise poison
                batch.add(_decode(frame.payload))
            except _POISON as error:
                _bury(segment, frame, error)
                dead += 1
        batch.save()
        position.offset = chunk.end
        position.bad_frames += chunk.bad
        position.save()
    return IngestReport(
        generations=len(batch.generations),
        attempts=len(batch.attempts),
        verdicts=batch.verdicts,
        bad_frames=chunk.bad,
        dead=dead,
    )


def _bury(segment: _Segment, frame: Frame, error: Exception) -> None:
    """Keep a record that cannot become a row. The error's text may quote it: type only."""
    reason = type(error).__name__
    logger.error("record of %s at %d not stored: %s", segment.name, frame.end, reason)
    letters = segment.dead_letters.with_suffix(".jsonl")
    letters.parent.mkdir(exist_ok=True)
    line = {
        "end": frame.end,
        "reason": reason,
        "record": frame.payload.decode(errors="backslashreplace"),
    }
    with letters.open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")


def _remove_segment(segment: _Segment) -> None:
    """Remove a finished segment, or set it aside for a look if it was damaged."""
    position = _position(segment)
    # The row goes first: a crash in between has the file read again, which changes nothing.
    SpoolPosition.objects.filter(segment=segment.name).delete()
    if position.bad_frames:
        aside = segment.dead_letters.with_suffix(".seg")
        aside.parent.mkdir(exist_ok=True)
        segment.path.replace(aside)
    else:
        segment.path.unlink(missing_ok=True)


def _remove_directory(directory: Path) -> None:
    """Remove what a dead process left, if all of it has been ingested."""
    if not segments(directory):
        (directory / "lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            directory.rmdir()  # not empty: somebody put a file there, which is theirs
