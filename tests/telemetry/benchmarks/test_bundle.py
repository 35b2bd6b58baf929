"""Opening a run's files: whatever is inside, within bounds and with a name on every fault."""

import gzip
import io
import zipfile

import pytest

from telemetry.benchmarks import bundle as opening
from telemetry.benchmarks.bundle import open_bundle
from telemetry.benchmarks.errors import Unreadable
from tests.telemetry.benchmarks.made_up import zipped


def test_plain_and_gzipped_files_and_the_entries_of_a_zip_are_the_same_files() -> None:
    plain = open_bundle([("a.json", b"{}"), ("b.json", b"[]")])
    packed = open_bundle([("run.zip", zipped({"x/a": gzip.compress(b"{}"), "x/b": b"[]"}))])

    assert [plain.read(name) for name in plain.names] == [b"{}", b"[]"]
    assert [packed.read(name) for name in packed.names] == [b"{}", b"[]"]
    assert plain.identity() == packed.identity()


def test_a_stored_entry_is_read() -> None:
    files = open_bundle([("run.zip", zipped({"a": b"abc"}, zipfile.ZIP_STORED))])

    assert files.read("a") == b"abc"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(gzip.compress(b"x" * 5_000), id="gzip"),
        pytest.param(zipped({"bomb": b"x" * 5_000}), id="deflate in a zip"),
        pytest.param(zipped({"bomb": gzip.compress(b"x" * 5_000)}), id="gzip in a zip"),
    ],
)
def test_what_unpacks_to_too_much_is_refused(
    monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(opening, "MAX_FILE", 4_000)
    files = open_bundle([("bomb", content)])

    with pytest.raises(Unreadable, match="MiB when unpacked"):
        files.read(files.names[0])


def test_a_real_bomb_costs_no_more_than_the_bound() -> None:
    bomb = gzip.compress(bytes(opening.MAX_FILE + 1), compresslevel=1)
    assert len(bomb) < 1024 * 1024
    files = open_bundle([("bomb.gz", bomb)])

    with pytest.raises(Unreadable, match=r"bomb\.gz: .*larger than 128 MiB"):
        files.read("bomb.gz")


def test_many_files_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MAX_EXPANDED", 1_500)
    files = open_bundle([("run.zip", zipped({"a": b"x" * 1_000, "b": b"x" * 1_000}))])
    files.read("a")

    with pytest.raises(Unreadable, match=r"run\.zip/b: "):
        files.read("b")


def test_too_much_is_not_even_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MAX_GIVEN", 10)

    with pytest.raises(Unreadable, match="MiB in all"):
        open_bundle([("a", b"123456"), ("b", b"123456")])


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MAX_FILES", 1)

    with pytest.raises(Unreadable, match="more than 1 entries"):
        open_bundle([("run.zip", zipped({"a": b"", "b": b""}))])


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/../../up", "C:/x", "..\\up", "\\x"])
def test_names_that_lead_out_of_the_zip_are_refused(name: str) -> None:
    with pytest.raises(Unreadable, match="leads out of it"):
        open_bundle([("run.zip", zipped({name: b"{}"}))])


def test_the_same_name_twice_is_refused() -> None:
    with pytest.raises(Unreadable, match="a is there twice"):
        open_bundle([("a", b"{}"), ("a", b"[]")])

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    with pytest.raises(Unreadable, match="a is there twice"):
        open_bundle([("run.zip", buffer.getvalue())])


def test_nothing_is_refused() -> None:
    with pytest.raises(Unreadable, match="no file was given"):
        open_bundle([])


ZIP = zipped({"a.json": b'{"a": 1}' * 100})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(ZIP[:-40], id="cut short"),
        pytest.param(ZIP[:30] + b"\xff\xff" + ZIP[32:], id="another name inside"),
        pytest.param(ZIP.replace(b"\x08\x00", b"\x0e\x00"), id="another method: LZMA"),
        pytest.param(ZIP[:45] + bytes([ZIP[45] ^ 0xFF]) + ZIP[46:], id="a byte changed"),
        pytest.param(gzip.compress(b"{}" * 99)[:-12], id="gzip cut short"),
        pytest.param(gzip.compress(b"{}") + gzip.compress(b"{}"), id="two gzips"),
        pytest.param(gzip.compress(b"{}") + b"more", id="gzip with more behind it"),
    ],
)
def test_damage_is_named(content: bytes) -> None:
    with pytest.raises(Unreadable, match=r"run: .*damaged or cut short|run/a\.json: .*damaged"):
        open_bundle([("run", content)]).identity()  # reads every file


def test_an_entry_with_a_password_is_refused() -> None:
    locked = bytearray(ZIP)
    locked[6] |= 1  # the flag in the entry's own header
    locked[ZIP.index(b"PK\x01\x02") + 8] |= 1  # and in the directory

    files = open_bundle([("run.zip", bytes(locked))])
    with pytest.raises(Unreadable, match=r"RuntimeError"):
        files.read("a.json")
