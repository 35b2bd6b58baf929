import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.scoring import cells
from telemetry.scoring.evidence import FIELDS, SLOTS, STRATA

COUNTERS = st.one_of(st.integers(1, 300), st.integers(1, 2**40), st.just(2**62))
SPARSE = st.dictionaries(st.integers(0, cells.SIZE - 1), COUNTERS, max_size=40)
# Nearly all places in use, for the other layout.
DENSE = SPARSE.map(lambda some: dict.fromkeys(range(0, cells.SIZE, 3), 9) | some)
ANY = SPARSE | DENSE


def block(counters: dict[int, int]) -> cells.Cells:
    flat = np.zeros(cells.SIZE, np.int64)
    flat[list(counters)] = list(counters.values())
    return flat.reshape(cells.SHAPE)


@given(ANY)
def test_unpacks_what_it_packed(counters: dict[int, int]) -> None:
    packed = cells.pack(block(counters))

    assert np.array_equal(cells.unpack(packed), block(counters))
    assert cells.pack(cells.unpack(packed)) == packed


@given(ANY, st.dictionaries(st.integers(0, cells.SIZE - 1), st.integers(1, 2**40), max_size=40))
def test_adding_packs_is_packing_the_sum(one: dict[int, int], other: dict[int, int]) -> None:
    packed = cells.pack(block(one)), cells.pack(block(other))

    assert cells.add(*packed) == cells.pack(block(one) + block(other)) == cells.add(*packed[::-1])


def test_a_place_is_the_index_of_the_flattened_array() -> None:
    counters = cells.unpack(cells.pack(block({cells.place(7, 63, 2): 5})))

    assert counters[7, 63, 2] == 5
    assert counters.sum() == 5
    assert cells.place(STRATA - 1, SLOTS - 1, len(FIELDS) - 1) == cells.SIZE - 1


def test_the_layout_is_as_documented() -> None:
    packed = cells.pack(block({3: 1, 258: 300}))

    assert packed[:4] == b"AC\x01\x02"
    assert packed[4:8] == (2).to_bytes(4, "little")
    assert packed[12:] == bytes([3, 0, 2, 1, 1, 0, 44, 1])


def test_many_counters_have_a_bit_for_each_place() -> None:
    used = range(0, 2 * 400, 2)
    packed = cells.pack(block(dict.fromkeys(used, 7)))

    assert packed[:4] == b"AC\x02\x01"
    assert packed[4:8] == (400).to_bytes(4, "little")
    assert packed[12:] == b"\xaa" * 100 + bytes(cells.SIZE // 8 - 100) + b"\x07" * 400


@pytest.mark.parametrize(("number", "version"), [(395, 1), (396, 1), (397, 2), (cells.SIZE, 2)])
def test_takes_the_shorter_layout(number: int, version: int) -> None:
    packed = cells.pack(block(dict.fromkeys(range(number), 1)))

    assert packed[2] == version
    assert len(packed) == 12 + number + min(2 * number, cells.SIZE // 8)


def test_refuses_a_bitmap_with_another_number_of_places() -> None:
    packed = cells.pack(block(dict.fromkeys(range(500), 1)))
    body = b"\x7f" + packed[13:]  # one place fewer
    damaged = packed[:8] + zlib.crc32(body, zlib.crc32(packed[:8])).to_bytes(4, "little") + body

    with pytest.raises(cells.DamagedCellsError, match="there are not 500 places"):
        cells.unpack(damaged)


@given(ANY, st.data())
def test_damage_is_an_error_and_never_a_number(
    counters: dict[int, int], data: st.DataObject
) -> None:
    packed = bytearray(cells.pack(block(counters)))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(cells.DamagedCellsError):
        cells.unpack(bytes(packed))
    with pytest.raises(cells.DamagedCellsError):
        cells.unpack(bytes(packed[:at]))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        pytest.param(b"AC", "2 bytes are too few", id="short"),
        pytest.param(b"XX" + bytes(10), "begin with AC", id="letters"),
        pytest.param(b"AC\x03\x01" + bytes(8), "version 3", id="version"),
        pytest.param(b"AC\x01\x03" + bytes(8), "width 3", id="width"),
        pytest.param(b"AC\x01\x01\x01" + bytes(7), "do not hold 1", id="length"),
        pytest.param(b"AC\x01\x01\x01" + bytes(10), "checksum", id="checksum"),
    ],
)
def test_says_what_is_damaged(data: bytes, what: str) -> None:
    with pytest.raises(cells.DamagedCellsError, match=what):
        cells.unpack(data)


def test_refuses_counters_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="below 0"):
        cells.pack(block({1: -1}))
    with pytest.raises(ValueError, match="shape"):
        cells.pack(np.zeros((1, 2, 3), np.int64))
    full = cells.pack(block({1: 2**63 - 1}))
    with pytest.raises(OverflowError):
        cells.add(full, full)


def with_checksum(places: list[int], counters: list[int]) -> bytes:
    """Make bytes whose only fault is in the places or the counters."""
    body = np.array(places, "<u2").tobytes() + np.array(counters, "<u8").tobytes()
    head = cells.pack(block({0: 1}))[:2] + b"\x01\x08" + len(places).to_bytes(4, "little")
    return head + zlib.crc32(head + body).to_bytes(4, "little") + body


@pytest.mark.parametrize("places", [[2, 1], [1, 1], [1, cells.SIZE]])
def test_refuses_places_that_are_not_ascending_or_beyond_the_array(places: list[int]) -> None:
    with pytest.raises(cells.DamagedCellsError, match="places"):
        cells.unpack(with_checksum(places, [1, 1]))


def test_refuses_a_counter_that_no_database_takes() -> None:
    with pytest.raises(cells.DamagedCellsError, match="63 bits"):
        cells.unpack(with_checksum([1], [2**63]))
