"""The thresholds of OpenRouter's published live rule; the rule itself is `openrouter_rule`.

Owns the numbers only, apart from the rule so that web processes tell them without loading numpy.
"""

from dataclasses import dataclass
from typing import Final

NORMAL: Final = 1.4826  # the standard deviation of a normal distribution, in MADs
HOURS: Final = 2  # of counters, as the published rule says; the one that runs comes on top


@dataclass(frozen=True, slots=True)
class OpenRouterRule:
    """The rule's thresholds, as published unless said otherwise."""

    peers: int = 4  # endpoints with data; with fewer a signal deprioritises nobody
    general_requests: float = 100.0  # in 30 minutes; fewer are insufficient data
    tool_requests: float = 200.0  # in 2 hours
    success_deviations: float = 2.0
    throughput_deviations: float = 1.5
    benchmark_deviations: float = 2.0
    # Ours: where all peers are alike the MAD is 0, and trifles would be outliers.
    least_deviation: float = 0.005  # of success and benchmark scores, shares of 1
    least_spread: float = 0.05  # of throughput, share of the median
    missing_benchmark_fails: bool = False  # published: true; too harsh without a benchmark budget


DEFAULT_RULE: Final = OpenRouterRule()
