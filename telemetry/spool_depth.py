"""How much of a spool waits to be ingested, since when, and how much was refused.

Owns that measurement and nothing else: it reads directory entries and the positions, never a
record. The rule others rely on: what is told is at most a segment's length (SPOOL_SEGMENT_S)
short of the truth, as the age of waiting facts is that of the last append to their segment.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from telemetry.models import SpoolPosition
from telemetry.spool import DEAD, process_directories, segments


@dataclass(frozen=True, slots=True)
class SpoolDepth:
    """What waits: segment files, bytes, and the age of the oldest in seconds (0: nothing waits).

    `refused_bytes` lie in `dead`: what could not become rows.
    """

    files: int = 0
    bytes: int = 0
    oldest_s: float = 0.0
    refused_bytes: int = 0


def spool_depth(spool: Path, *, now: float) -> SpoolDepth:
    """Return what waits in the spool at the Unix time `now`.

    Raises OperationalError if the database is away.
    """
    read = dict(SpoolPosition.objects.values_list("segment", "offset"))
    waiting: list[tuple[int, float]] = []
    for directory in process_directories(spool):
        for path in segments(directory):
            with suppress(FileNotFoundError):  # ingested meanwhile
                found = path.stat()
                left = found.st_size - read.get(f"{directory.name}/{path.stem}", 0)
                if left > 0:
                    waiting.append((left, found.st_mtime))
    refused = _refused(spool / DEAD)
    if not waiting:
        return SpoolDepth(refused_bytes=refused)
    oldest_s = max(0.0, now - min(written for _, written in waiting))
    return SpoolDepth(len(waiting), sum(left for left, _ in waiting), oldest_s, refused)


def _refused(dead: Path) -> int:
    return sum(path.stat().st_size for path in dead.iterdir()) if dead.is_dir() else 0
