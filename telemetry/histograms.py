"""How often values of each size were seen, in so few bytes that a row of a database can keep it.

Owns the buckets and their bytes. Pure. The rules others rely on: histograms are sums, so merging
two gives that of all their values; a percentile read from one is within ERROR of the true one.
Source: the logarithmic buckets of DDSketch (Masson, Rim and Lee 2019).
"""

from collections.abc import Mapping
from math import ceil, log
from typing import Final

import msgspec

_RATIO: Final = 1.05  # of a bucket's bounds
ERROR: Final = (_RATIO - 1) / (_RATIO + 1)
# Beyond these a value counts as the nearest of them.
LOWEST, HIGHEST = 1e-3, 1e9
PERCENTILES: Final = (50, 75, 90, 99)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(dict[int, int])


def bucket(value: float) -> int:
    """Return the number of the bucket that a value falls into."""
    return ceil(log(min(max(value, LOWEST), HIGHEST)) / log(_RATIO) - 1e-9)


def pack(histogram: Mapping[int, int]) -> bytes:
    """Return {bucket: times} as bytes: the same for equal histograms, none for nothing."""
    seen = {number: times for number, times in sorted(histogram.items()) if times}
    return _encoder.encode(seen) if seen else b""


def unpack(packed: bytes) -> dict[int, int]:
    """Return what `pack` was given. Raises ValueError for anything else."""
    try:
        return _decoder.decode(packed) if packed else {}
    except msgspec.MsgspecError:
        raise ValueError("not a histogram") from None


def percentiles(
    histogram: Mapping[int, int], *, low_is_worse: bool = False
) -> dict[str, float] | None:
    """Return p50 to p99, or None for nothing; p99 is what 99 % are at least as good as.

    >>> percentiles({bucket(value): 1 for value in (100.0, 200.0, 300.0, 400.0)})
    {'p50': 200.0, 'p75': 298.0, 'p90': 396.0, 'p99': 396.0}
    """
    total = sum(histogram.values())
    if not total:
        return None
    best_first = sorted(histogram.items(), reverse=low_is_worse)
    found: dict[str, float] = {}
    reached = 0
    wanted = iter(PERCENTILES)
    percent = next(wanted)
    for number, times in best_first:
        reached += times
        while reached * 100 >= total * percent:
            found[f"p{percent}"] = _value(number)
            percent = next(wanted, 101)
    return found


def _value(number: int) -> float:
    """Return the value that is nearest to all of a bucket, to three digits."""
    return float(f"{2 * _RATIO**number / (1 + _RATIO):.3g}")
