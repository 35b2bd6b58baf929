"""Counters hour by hour, as change detection reads them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class HourlyCounts:
    """Counters of K endpoints in H hours.

    `hours` are Unix times of each hour's start, ascending; the last may be partial. `counts` has
    shape (K, H, STRATA, SLOTS, len(FIELDS)), in the order of `endpoint_ids` and `hours`.
    """

    endpoint_ids: tuple[int, ...]
    hours: tuple[float, ...]
    counts: NDArray[np.float64]
