"""The files of one run, opened: plain, gzipped, or many in one zip; always within bounds.

Owns unpacking: deflate and zstd entries of a zip, gzip, and what a hostile one may try (bombs,
names that climb out, duplicates, passwords). Nothing is ever written to disk. It knows no format.
The rule others rely on: everything wrong is `Unreadable`, and at most MAX_EXPANDED bytes are ever
unpacked from one import.
"""

import copy
import hashlib
import io
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from telemetry.benchmarks.errors import Unreadable

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

MAX_GIVEN = 64 * 1024 * 1024  # bytes handed in, all files together
MAX_EXPANDED = 512 * 1024 * 1024  # bytes unpacked, all files together
MAX_FILE = 128 * 1024 * 1024  # bytes of one file, unpacked
MAX_FILES = 20_000
_MAX_NAME = 500
_ZSTD = 93  # a zip entry's method, which zipfile knows from Python 3.14 on

# All that zipfile, zlib and zstd raise on damaged input.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, ZstdError, struct.error, EOFError, OSError, ValueError,
    RuntimeError, LookupError, OverflowError, MemoryError,
)  # fmt: skip
_CURE = "Copy or export it again."


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a file's bytes are: themselves, or an entry of a zip."""

    content: bytes = b""
    packed: tuple[zipfile.ZipFile, zipfile.ZipInfo] | None = None


@dataclass(slots=True)
class Bundle:
    """Files by name, in the order given. `read` unpacks one, each time it is asked."""

    label: str
    sources: Mapping[str, _Source]
    spent: int = field(default=0, init=False)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.sources)

    def read(self, name: str) -> bytes:
        """Return a file's bytes, without the gzip around them. Raises Unreadable."""
        source = self.sources[name]
        try:
            content = _entry(*source.packed) if source.packed else source.content
            content = _gunzip(content) if content[:2] == b"\x1f\x8b" else content
        except _TooLarge:
            raise self._too_large(name, MAX_FILE) from None
        except _DAMAGE as error:
            problem = f"damaged or cut short ({type(error).__name__})"
            raise Unreadable(self._shown(name), "the file", problem, _CURE) from None
        self.spent += len(content)
        if self.spent > MAX_EXPANDED:
            raise self._too_large(name, MAX_EXPANDED)
        return content

    def identity(self) -> str:
        """Return a SHA-256 over the files' contents, whatever they are called or packed in."""
        hashes = sorted(hashlib.sha256(self.read(name)).hexdigest() for name in self.names)
        return hashlib.sha256("".join(hashes).encode()).hexdigest()

    def _shown(self, name: str) -> str:
        return name if name == self.label else f"{self.label}/{name}"

    def _too_large(self, name: str, limit: int) -> Unreadable:
        problem = f"larger than {limit // 1024 // 1024} MiB when unpacked"
        return Unreadable(self._shown(name), "the file", problem, "Import fewer files at a time.")


def open_bundle(given: Iterable[tuple[str, bytes]]) -> Bundle:
    """Return the files of a run from (name, content) pairs; zips give their entries. Raises
    Unreadable."""
    given = list(given)
    label = given[0][0] if len(given) == 1 else f"{len(given)} files"
    if not given:
        raise Unreadable("nothing", "the files", "no file was given", "Name at least one.")
    if sum(len(content) for _, content in given) > MAX_GIVEN:
        limit = f"more than {MAX_GIVEN // 1024 // 1024} MiB in all"
        raise Unreadable(label, "the files", limit, "Compress them, or import fewer at a time.")
    sources: dict[str, _Source] = {}
    for name, content in given:
        found = _unzip(name, content) if content[:4] == b"PK\x03\x04" else {name: _Source(content)}
        if doubled := sources.keys() & found.keys():
            raise _twice(name, min(doubled))
        sources |= found
    return Bundle(label, sources)


def _unzip(label: str, content: bytes) -> dict[str, _Source]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except _DAMAGE:
        raise Unreadable(label, "the zip's directory", "damaged or cut short", _CURE) from None
    if len(entries) > MAX_FILES:
        raise Unreadable(label, "the zip", f"more than {MAX_FILES} entries", "Import a part of it.")
    sources: dict[str, _Source] = {}
    for entry in entries:
        _check_name(label, entry.filename)
        if entry.filename in sources:
            raise _twice(label, entry.filename)
        sources[entry.filename] = _Source(packed=(archive, entry))
    return sources


def _check_name(label: str, name: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or len(name) > _MAX_NAME:
        raise Unreadable(label, "the zip", "an entry's name leads out of it", "Zip the run again.")


def _twice(label: str, name: str) -> Unreadable:
    shown = name[:100].encode("ascii", "replace").decode()
    return Unreadable(label, "the files", f"{shown} is there twice", "Give each file once.")


class _TooLarge(Exception):
    """More bytes come out than one file may have."""


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return an entry unpacked. Not by zipfile: it has no bound on what one read may unpack."""
    packed = copy.copy(entry)
    packed.compress_type, packed.file_size = zipfile.ZIP_STORED, packed.compress_size
    del packed.CRC  # it is that of the unpacked bytes
    with archive.open(packed) as stream:
        content = _unpack(stream.read(), entry.compress_type)
    if zlib.crc32(content) != entry.CRC:
        raise zipfile.BadZipFile
    return content


def _unpack(packed: bytes, method: int) -> bytes:
    if method == zipfile.ZIP_STORED:
        return packed
    if method == zipfile.ZIP_DEFLATED:
        return _inflate(packed, -zlib.MAX_WBITS)
    if method != _ZSTD:
        raise NotImplementedError
    unpacker = ZstdDecompressor()
    content = unpacker.decompress(packed, MAX_FILE + 1)
    return _whole(content, ended=unpacker.eof and not unpacker.unused_data)


def _gunzip(content: bytes) -> bytes:
    return _inflate(content, zlib.MAX_WBITS + 16)


def _inflate(packed: bytes, wbits: int) -> bytes:
    unpacker = zlib.decompressobj(wbits)
    content = unpacker.decompress(packed, MAX_FILE + 1)
    return _whole(content, ended=unpacker.eof and not unpacker.unused_data)


def _whole(content: bytes, *, ended: bool) -> bytes:
    if len(content) > MAX_FILE:
        raise _TooLarge
    if not ended:
        raise EOFError
    return content
