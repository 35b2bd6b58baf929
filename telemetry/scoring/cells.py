"""One endpoint's counters of one period as bytes, and back.

Owns the layout of `Rollup.cells`. Pure. The rules others rely on: packing what was unpacked gives
the same bytes; adding two packs is packing the sum of their arrays; damage is an error that says
what is wrong, never a wrong number.

Layout, little-endian: the letters AC, version, width of a counter in bytes (1, 2, 4 or 8: the
narrowest that holds the largest), the number of counters (4 bytes), the CRC-32 of all the rest
(4 bytes); then the places and the counters in their order. A place is the index into an array of
shape (STRATA, SLOTS, len(FIELDS)), flattened; zeros have none. In version 1 places are numbers
(2 bytes each, ascending), in version 2 a bit each, the highest of a byte first: the shorter wins.
"""

import struct
import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from telemetry.scoring.evidence import FIELDS, SLOTS, STRATA

SHAPE: Final = (STRATA, SLOTS, len(FIELDS))
SIZE: Final = STRATA * SLOTS * len(FIELDS)

_HEADER = struct.Struct("<2sBBI")
_CHECKSUM = struct.Struct("<I")
_START = _HEADER.size + _CHECKSUM.size
_MAGIC, _LIST, _BITMAP = b"AC", 1, 2
_BITMAP_SIZE = SIZE // 8
_WIDTHS = (1, 2, 4, 8)
_LARGEST = 2**63 - 1

Cells = NDArray[np.int64]  # of SHAPE, none below 0


class DamagedCellsError(ValueError):
    """Bytes that are not counters as `pack` writes them; the text says why."""


def place(stratum: int, slot: int, field: int) -> int:
    """Return where one counter is in the flattened array."""
    return (stratum * SLOTS + slot) * len(FIELDS) + field


def pack(cells: Cells) -> bytes:
    """Return the bytes of counters of SHAPE. Raises ValueError if one is below 0."""
    if cells.shape != SHAPE:
        raise ValueError(f"counters have shape {cells.shape}, not {SHAPE}")
    flat = cells.reshape(-1)
    used = flat != 0
    counters = flat[used]
    if counters.size and int(counters.min()) < 0:
        raise ValueError("a counter is below 0")
    largest = int(counters.max()) if counters.size else 0
    width = next(width for width in _WIDTHS if largest < 1 << (8 * width))
    version = _LIST if 2 * counters.size <= _BITMAP_SIZE else _BITMAP
    places: NDArray[np.unsignedinteger[Any]]
    places = np.flatnonzero(used).astype("<u2") if version == _LIST else np.packbits(used)
    body: bytes = places.tobytes() + counters.astype(f"<u{width}").tobytes()
    header = _HEADER.pack(_MAGIC, version, width, counters.size)
    return header + _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(header))) + body


def unpack(data: bytes) -> Cells:
    """Return the counters, of SHAPE. Raises DamagedCellsError saying what is wrong."""
    version, width, number = _read_header(data)
    places = _listed(data, number) if version == _LIST else _marked(data, number)
    counters = np.frombuffer(data, f"<u{width}", number, len(data) - number * width)
    if number and width == _WIDTHS[-1] and int(counters.max()) > _LARGEST:
        raise DamagedCellsError("a counter is beyond 63 bits")
    flat = np.zeros(SIZE, np.int64)
    flat[places] = counters
    return flat.reshape(SHAPE)


def add(one: bytes, other: bytes) -> bytes:
    """Return the bytes of the sum. Raises DamagedCellsError, or OverflowError beyond 63 bits."""
    first, second = unpack(one), unpack(other)
    if bool((first > _LARGEST - second).any()):
        raise OverflowError("a counter would go beyond 63 bits")
    return pack(first + second)


def _listed(data: bytes, number: int) -> NDArray[np.uint16]:
    places = np.frombuffer(data, "<u2", number, _START)
    if number and (int(places[-1]) >= SIZE or bool((places[1:] <= places[:-1]).any())):
        raise DamagedCellsError("places are out of order or out of range")
    return places


def _marked(data: bytes, number: int) -> NDArray[np.bool_]:
    places = np.unpackbits(np.frombuffer(data, np.uint8, _BITMAP_SIZE, _START)).view(np.bool_)
    if np.count_nonzero(places) != number:
        raise DamagedCellsError(f"there are not {number} places")
    return places


def _read_header(data: bytes) -> tuple[int, int, int]:
    """Return version, width and the number of counters, once all else is found right."""
    if len(data) < _START:
        raise DamagedCellsError(f"{len(data)} bytes are too few for a header")
    magic, version, width, number = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise DamagedCellsError("does not begin with AC")
    if version not in (_LIST, _BITMAP):
        raise DamagedCellsError(f"version {version} is unknown")
    if width not in _WIDTHS:
        raise DamagedCellsError(f"width {width} is unknown")
    places = 2 * number if version == _LIST else _BITMAP_SIZE
    if len(data) != _START + places + number * width:
        raise DamagedCellsError(f"{len(data)} bytes do not hold {number} counters")
    (checksum,) = _CHECKSUM.unpack_from(data, _HEADER.size)
    if zlib.crc32(data[_START:], zlib.crc32(data[: _HEADER.size])) != checksum:
        raise DamagedCellsError("the checksum differs")
    return version, width, number
