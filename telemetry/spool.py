"""The local spool: facts as CRC-framed records in append-only segment files.

Owns the bytes between a process that observes and the worker that ingests. It knows nothing of
what a record means, only that it is UTF-8 text (0xFF never occurs in it, so a frame cannot be
imitated inside another). The rules others rely on: a record that `append` answered True for
survives the death of its process; a damaged frame costs itself only, never its neighbours; one
process writes one directory and locks it while it lives, so nobody else ever appends there.
"""

import contextlib
import fcntl
import os
import re
import struct
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_PAYLOAD = 64 * 1024
# Read at once: many frames, and always more than one of the largest.
WINDOW = 2 * 1024 * 1024
PROBE_S = 1.0
DEAD = "dead"  # in a spool: what could not become a row

_PROCESS = re.compile(r"[0-9a-f]{32}")
_MAGIC = b"\xffAy\xff"
_HEADER = struct.Struct("<4sII")  # magic, length of the payload, crc32 seeded with that length


@dataclass(frozen=True, slots=True)
class Frame:
    """One intact record and the offset just after it."""

    payload: bytes
    end: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one read of a segment found between the offsets `start` and `end`."""

    start: int
    frames: list[Frame]
    end: int
    bad: int


def encode(payload: bytes) -> bytes:
    """Return the payload as one frame."""
    size = len(payload)
    return _HEADER.pack(_MAGIC, size, zlib.crc32(payload, size)) + payload


def read_frames(path: Path, offset: int, *, closed: bool, limit: int = 2_000) -> Chunk:
    """Read up to `limit` intact frames from `offset`, at most WINDOW bytes at once.

    A stretch that is no intact frame is skipped up to the next one and counted as one bad frame.
    At the end of a segment that is not `closed` it may be a frame still being written: it is
    left for the next read. Raises OSError if the file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(WINDOW)
    return _scan(data, offset, last=len(data) < WINDOW, closed=closed, limit=limit)


def _scan(data: bytes, offset: int, *, last: bool, closed: bool, limit: int) -> Chunk:
    frames: list[Frame] = []
    at = bad = 0
    while at < len(data) and len(frames) < limit:
        payload = _payload_at(data, at)
        if payload is None:
            found = _next_frame(data, at + 1)
            if found < 0:
                skip = _hopeless(len(data) - at, last=last, closed=closed)
                at += skip
                bad += skip > 0
                break
            at = found
            bad += 1
            continue
        at += _HEADER.size + len(payload)
        frames.append(Frame(payload, offset + at))
    return Chunk(offset, frames, offset + at, bad)


def _hopeless(rest: int, *, last: bool, closed: bool) -> int:
    """Of `rest` bytes without any intact frame, return how many can never become one."""
    if last:
        return rest if closed else 0
    # The window's end may cut a frame, but not one that started longer ago than this.
    return max(0, rest - _HEADER.size - MAX_PAYLOAD)


def _payload_at(data: bytes, at: int) -> bytes | None:
    if at + _HEADER.size > len(data):
        return None
    magic, size, crc = _HEADER.unpack_from(data, at)
    if magic != _MAGIC or size > MAX_PAYLOAD:
        return None
    payload = data[at + _HEADER.size : at + _HEADER.size + size]
    if len(payload) != size or zlib.crc32(payload, size) != crc:
        return None
    return payload


def _next_frame(data: bytes, at: int) -> int:
    """Return where the next intact frame starts, or -1."""
    while (at := data.find(_MAGIC, at)) >= 0 and _payload_at(data, at) is None:
        at += 1
    return at


def process_directories(spool: Path) -> Iterator[Path]:
    """Yield the directory of each process that has written here, dead or alive."""
    if spool.is_dir():
        yield from sorted(path for path in spool.iterdir() if _PROCESS.fullmatch(path.name))


def segments(directory: Path) -> list[Path]:
    """Return the segments of one process, oldest first."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []  # ingested and removed meanwhile
    return sorted(directory / name for name in names if name.endswith(".seg"))


def is_alive(directory: Path) -> bool:
    """Tell whether the process that writes this directory still runs."""
    try:
        lock = os.open(directory / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared: two readers that look at once do not take each other for the writer.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


class SpoolWriter:
    """Appends frames to this process's own segments; usable from several threads, not forks."""

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int,
        segment_s: float,
        sync_s: float,
        max_bytes: int,
        min_free_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.written = 0
        self.dropped = 0
        self.sync_failures = 0
        self._segment_bytes = segment_bytes
        self._segment_s = segment_s
        self._sync_s = sync_s
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._clock = clock
        self._spool = directory
        self.directory, self._claim = _claim(directory)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._fd = -1
        self._number = 0
        self._size = 0
        self._opened_at = 0.0
        self._retired: list[int] = []
        self._room = 0
        self._probe()
        self._appended = threading.Event()
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="spool", daemon=True)
        self._keeper.start()

    def append(self, payloads: Sequence[bytes]) -> bool:
        """Write all payloads in one call and tell whether every one is now safe from kill -9.

        Never raises and never waits for the disk. What does not fit is counted in `dropped`.
        """
        frames = [encode(payload) for payload in payloads]
        stored = 0
        with self._lock:
            if all(len(payload) <= MAX_PAYLOAD for payload in payloads):
                with contextlib.suppress(OSError):
                    stored = self._store(frames)
            self.written += stored
            self.dropped += len(frames) - stored
        if not self._appended.is_set():
            self._appended.set()
        return stored == len(frames)

    def close(self) -> None:
        """Sync, release the directory to its readers, and refuse what comes later."""
        self._closing.set()
        self._appended.set()
        self._keeper.join()
        with self._lock:
            if self._claim >= 0:
                os.close(self._claim)
                self._claim = -1

    def _store(self, frames: list[bytes]) -> int:
        """Write the frames; return how many are complete in the file. May raise OSError."""
        data = b"".join(frames)
        # A forked child shares our file: its frames would be torn into ours.
        if len(data) > self._room or self._closing.is_set() or os.getpid() != self._pid:
            return 0
        self._open_segment(len(data))
        done = self._write(data)
        self._room -= done
        if done == len(data):
            self._size += done
            return len(frames)
        return self._cut(frames, done)

    def _write(self, data: bytes) -> int:
        done = 0
        with contextlib.suppress(OSError):
            while done < len(data):
                done += os.write(self._fd, data[done:] if done else data)
        return done

    def _cut(self, frames: list[bytes], done: int) -> int:
        """Drop the torn end of a short write; return how many frames before it are complete.

        Complete frames stay: a reader may have taken them already.
        """
        complete = whole = 0
        while whole + len(frames[complete]) <= done:
            whole += len(frames[complete])
            complete += 1
        self._size += whole
        # Where even this fails, readers skip the torn frame.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self._size)
        return complete

    def _open_segment(self, size: int) -> None:
        """Make sure a segment with room for `size` bytes is open. May raise OSError."""
        now = self._clock()
        fits = self._size + size <= self._segment_bytes or self._size == 0
        if self._fd >= 0 and fits and now - self._opened_at < self._segment_s:
            return
        path = self.directory / f"{self._number + 1:08}.seg"
        try:
            fresh = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except OSError:
            if self._fd < 0:
                raise
            return  # no new file now: the old one still takes frames
        if self._fd >= 0:
            self._retired.append(self._fd)
        self._fd, self._number, self._size, self._opened_at = fresh, self._number + 1, 0, now

    def _keep(self) -> None:
        """In the background: sync what was appended, and look how much room is left."""
        probe_at = self._clock() + PROBE_S
        closing = False
        while not closing:
            self._appended.wait()
            self._appended.clear()
            closing = self._closing.wait(self._sync_s)
            self._sync(closing=closing)
            if self._clock() >= probe_at:
                self._probe()
                probe_at = self._clock() + PROBE_S

    def _sync(self, *, closing: bool) -> None:
        with self._lock:
            retired, self._retired = self._retired, []
            current = self._fd
            if closing and current >= 0:
                retired.append(current)
                current = self._fd = -1
        # Only this thread closes segments, so no descriptor here is somebody else's by now.
        for fd in [*retired, current]:
            try:
                if fd >= 0:
                    os.fdatasync(fd)
            except OSError:
                self.sync_failures += 1
        for fd in retired:
            os.close(fd)

    def _probe(self) -> None:
        """Find out how many bytes may still be written before a cap is reached."""
        try:
            disk = os.statvfs(self.directory)
            free = disk.f_bavail * disk.f_frsize - self._min_free_bytes
            room = min(free, self._max_bytes - _used(self._spool))
        except OSError:
            room = 0
        with self._lock:
            self._room = room


def _claim(spool: Path) -> tuple[Path, int]:
    """Make and lock a new directory under `spool`; it gets its name only once it is locked.

    Otherwise a reader could see it unlocked, take its process for dead and remove it.
    """
    name = uuid.uuid4().hex
    unnamed = spool / f".{name}"
    unnamed.mkdir(parents=True, mode=0o700)
    lock = os.open(unnamed / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return unnamed.rename(spool / name), lock


def _used(spool: Path) -> int:
    """Return the bytes of all processes' segments; one may vanish while we look."""
    total = 0
    for directory in process_directories(spool):
        with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    total += entry.stat().st_size
    return total
