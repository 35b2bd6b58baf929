import contextlib
import fcntl
import itertools
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import spool
from telemetry.spool import (
    MAX_PAYLOAD,
    WINDOW,
    encode,
    is_alive,
    process_directories,
    read_frames,
    segments,
)
from tests.telemetry.spooled import make_writer

records = st.lists(st.text().map(str.encode), max_size=12)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for a background thread; the suite's time-out ends a wait in vain."""
    while not condition():
        time.sleep(0.002)


def read_all(path: Path, *, closed: bool = True) -> tuple[list[bytes], int]:
    payloads: list[bytes] = []
    offset = bad = 0
    while (chunk := read_frames(path, offset, closed=closed, limit=7)).end > offset:
        payloads += [frame.payload for frame in chunk.frames]
        bad += chunk.bad
        offset = chunk.end
    return payloads, bad


def is_subsequence(part: list[bytes], whole: list[bytes]) -> bool:
    remaining = iter(whole)
    return all(item in remaining for item in part)


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    return tmp_path / "1.seg"


@given(records=records, data=st.data())
def test_finds_every_whole_frame_of_any_prefix(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "prefix.seg"
    frames = [encode(record) for record in records]
    whole = b"".join(frames)
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])

    ends = list(itertools.accumulate(map(len, frames)))
    complete = sum(end <= cut for end in ends)
    torn = cut not in [0, *ends]

    assert read_all(path) == (records[:complete], torn)
    assert read_all(path, closed=False) == (records[:complete], 0)


@given(records=records.filter(bool), data=st.data())
def test_a_flipped_byte_costs_one_frame_and_invents_none(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "flip.seg"
    damaged = bytearray(b"".join(map(encode, records)))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged)

    kept, bad = read_all(path)

    assert is_subsequence(kept, records)
    assert len(kept) == len(records) - 1
    assert bad == 1


@given(
    records=records,
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6),
    noise=st.binary(max_size=40),
    cut=st.integers(0, 10_000),
)
def test_no_damage_invents_a_record(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[bytes],
    flips: list[tuple[int, int]],
    noise: bytes,
    cut: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "damage.seg"
    data = bytearray(b"".join(map(encode, records)))
    data[cut:cut] = noise
    for at, byte in flips:
        data[at % max(1, len(data)) : at % max(1, len(data)) + 1] = bytes([byte])
    path.write_bytes(data)

    kept, _ = read_all(path)

    assert is_subsequence(kept, records)


def test_reads_on_behind_damage_longer_than_one_read(segment: Path) -> None:
    before, after = b"before", b"after"
    segment.write_bytes(encode(before) + bytes(WINDOW + MAX_PAYLOAD) + encode(after))

    kept, bad = read_all(segment)

    assert kept == [before, after]
    assert bad >= 1


def test_leaves_a_frame_being_written_for_the_next_read(segment: Path) -> None:
    frame = encode(b"second")
    segment.write_bytes(encode(b"first") + frame[:-1])

    first = read_frames(segment, 0, closed=False)
    segment.write_bytes(encode(b"first") + frame)
    second = read_frames(segment, first.end, closed=False)

    assert [frame.payload for frame in first.frames] == [b"first"]
    assert [frame.payload for frame in second.frames] == [b"second"]
    assert first.bad == second.bad == 0


def test_starts_a_segment_when_one_is_full_or_old(tmp_path: Path) -> None:
    now = [0.0]
    writer = make_writer(tmp_path, segment_bytes=100, segment_s=5.0, clock=lambda: now[0])

    for payload in (b"a" * 50, b"b" * 50, b"c"):
        assert writer.append([payload])
    now[0] = 5.0
    assert writer.append([b"d"])
    writer.close()

    paths = segments(writer.directory)
    assert [path.name for path in paths] == ["00000001.seg", "00000002.seg", "00000003.seg"]
    assert [read_all(path) for path in paths] == [
        ([b"a" * 50], 0),
        ([b"b" * 50, b"c"], 0),
        ([b"d"], 0),
    ]


def test_a_directory_is_alive_until_its_writer_is_closed(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    assert list(process_directories(tmp_path)) == [writer.directory]
    assert is_alive(writer.directory)

    writer.close()

    assert not is_alive(writer.directory)
    assert not writer.append([b"too late"])
    assert writer.dropped == 1


def test_two_readers_do_not_take_each_other_for_the_writer(tmp_path: Path) -> None:
    make_writer(tmp_path).close()
    (directory,) = process_directories(tmp_path)

    with (directory / "lock").open() as other_reader:
        fcntl.flock(other_reader, fcntl.LOCK_SH)

        assert not is_alive(directory)


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let no file of this process grow beyond 1,000 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    yield
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files")
def test_a_short_write_costs_only_what_it_cut(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)

    assert not writer.append([b"x" * 600, b"y" * 600])
    assert writer.append([b"z" * 100])
    writer.close()

    (path,) = segments(writer.directory)
    assert read_all(path) == ([b"x" * 600, b"z" * 100], 0)
    assert (writer.written, writer.dropped) == (2, 1)


def test_drops_on_a_full_disk_and_recovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "PROBE_S", 0.0)
    writer = make_writer(tmp_path)
    real = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([*real[:4], 0, *real[5:]]))

    wait_for(lambda: not writer.append([b"lost"]))
    monkeypatch.undo()
    monkeypatch.setattr(spool, "PROBE_S", 0.0)
    wait_for(lambda: writer.append([b"kept"]))
    sent = writer.written + writer.dropped
    writer.close()

    (path,) = segments(writer.directory)
    payloads, bad = read_all(path)
    assert len(payloads) == writer.written == sent - writer.dropped
    assert payloads[-1] == b"kept"
    assert bad == 0


def test_drops_beyond_the_cap_and_recovers_when_segments_are_ingested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "PROBE_S", 0.0)
    writer = make_writer(tmp_path, max_bytes=500, segment_bytes=100)
    sent = [b"x" * 80] * 8

    stored = [writer.append([payload]) for payload in sent]
    for path in segments(writer.directory)[:-1]:
        path.unlink()

    assert stored == [True] * 5 + [False] * 3
    assert writer.dropped == 3
    wait_for(lambda: writer.append([b"kept"]))
    writer.close()


def test_drops_while_less_space_is_free_than_wanted(tmp_path: Path) -> None:
    writer = make_writer(tmp_path, min_free_bytes=1 << 60)

    assert not writer.append([b"a", b"b"])
    assert writer.dropped == 2
    writer.close()


def test_refuses_what_no_reader_would_take(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)

    assert not writer.append([b"x" * (MAX_PAYLOAD + 1)])
    assert writer.append([b"x" * MAX_PAYLOAD])
    writer.close()

    (path,) = segments(writer.directory)
    assert read_all(path) == ([b"x" * MAX_PAYLOAD], 0)


def test_a_directory_taken_away_does_not_raise(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    (writer.directory / "lock").unlink()
    writer.directory.rmdir()

    assert not writer.append([b"a"])
    assert writer.dropped == 1
    writer.close()


def test_syncs_what_was_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fdatasync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}"))
    )
    writer = make_writer(tmp_path)

    writer.append([b"a"])
    wait_for(lambda: bool(synced))
    writer.close()

    assert set(synced) == {str(writer.directory / "00000001.seg")}


def test_a_forked_child_writes_nothing(tmp_path: Path) -> None:
    script = (
        "import os, sys, pathlib; from tests.telemetry.spooled import make_writer\n"
        "writer = make_writer(pathlib.Path(sys.argv[1])); writer.append([b'parent'])\n"
        "pid = os.fork()\n"
        "stored = writer.append([b'one of them'])\n"
        "if not pid: os._exit(stored)\n"
        "print(os.waitpid(pid, 0)[1], stored)\n"
    )

    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert run.stdout.split() == ["0", "True"]
    (directory,) = process_directories(tmp_path)
    (path,) = segments(directory)
    assert read_all(path) == ([b"parent", b"one of them"], 0)
