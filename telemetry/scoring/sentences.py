"""The sentences curators read: one per criterion, in plain words and figures.

Owns wording and number formats. It computes no estimate. The rule others rely on: a sentence
starts in lower case and holds no full stop at its end, so that reasons can be joined.
"""

from collections.abc import Mapping
from typing import Final

NOUNS: Final = {
    "invalid_json": ("reply with broken JSON", "replies with broken JSON"),
    "unknown_name": ("unknown tool name", "unknown tool names"),
    "schema_mismatch": ("schema mismatch", "schema mismatches"),
    "leaked_tool_text": ("call written as text", "calls written as text"),
    "empty_reply": ("empty reply", "empty replies"),
    "tool_choice_violated": ("forced call not made", "forced calls not made"),
    "truncated_arguments": ("truncated call", "truncated calls"),
    "duplicate_ids": ("reply with duplicate ids", "replies with duplicate ids"),
}
SHOWN: Final = 3  # kinds of failure named in one sentence


def percent(share: float) -> str:
    """Return a share as a percentage: one decimal, two below 1 %.

    >>> percent(0.0314), percent(0.0044), percent(0.0)
    ('3.1 %', '0.44 %', '0.00 %')
    """
    return f"{_figure(share)} %"


def interval(low: float, high: float) -> str:
    r"""Return the bounds of an interval of shares, in percent.

    >>> interval(0.026, 0.037) == "(2.6\N{EN DASH}3.7)"
    True
    """
    return f"({_figure(low)}\N{EN DASH}{_figure(high)})"


def count(number: float, one: str, many: str) -> str:
    """Return a count with thousands separators and its noun.

    >>> count(9870, "request", "requests"), count(1, "owner", "owners")
    ('9,870 requests', '1 owner')
    """
    return f"{number:,.0f} {one if round(number) == 1 else many}"


def sample(requests: int, owners: int) -> str:
    """Return the words for a sample; owners only where any are known (benchmarks have none)."""
    words = f"in {count(requests, 'request', 'requests')}"
    return f"{words} from {count(owners, 'owner', 'owners')}" if owners else words


def failures(kinds: Mapping[str, int]) -> str:
    """Return the most frequent kinds of failure, in words; how many others there are.

    >>> failures({"schema_mismatch": 312, "empty_reply": 1})
    '312 schema mismatches, 1 empty reply'
    """
    named = sorted(((number, kind) for kind, number in kinds.items() if number), reverse=True)
    parts = [count(number, *NOUNS[kind]) for number, kind in named[:SHOWN]]
    if rest := sum(number for number, _ in named[SHOWN:]):
        parts.append(f"{rest:,} others")
    return ", ".join(parts) or "no failure"


def _figure(share: float) -> str:
    value = 100.0 * share
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}"
