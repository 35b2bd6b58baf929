"""The sentences curators read: one per criterion, in plain words and figures.

Owns wording and number formats. It computes no estimate. The rule others rely on: a sentence
starts in lower case and holds no full stop at its end, so that reasons can be joined.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Verdict = Literal["pass", "fail", "insufficient"]

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
    """Return the words for a sample of traffic; owners only where any are known."""
    words = f"in {count(requests, 'request', 'requests')}"
    return f"{words} from {count(owners, 'owner', 'owners')}" if owners else words


def parts(requests: float, owners: float, of_benchmarks: float) -> tuple[str, str]:
    """Return a sample in words: what callers sent, and what of `requests` benchmarks asked.

    >>> parts(292, 16, 183), parts(1, 1, 0)
    (('109 requests, 16 owners', ', and 183 in benchmarks'), ('1 request, 1 owner', ''))
    """
    traffic = count(requests - of_benchmarks, "request", "requests")
    beside = f", and {of_benchmarks:,.0f} in benchmarks" if of_benchmarks else ""
    return f"{traffic}, {count(owners, 'owner', 'owners')}", beside


def and_benchmarks(seen: str, traffic: float, of_benchmarks: str) -> str:
    """Add what benchmarks saw to what traffic did, which is left out if there is no `traffic`.

    >>> and_benchmarks("no failure in 9 requests", 9, "3 of 200 calls bad")
    'no failure in 9 requests; 3 of 200 calls bad in benchmarks'
    >>> and_benchmarks("no failure in 0 requests", 0, "3 of 200 calls bad")
    '3 of 200 calls bad in benchmarks, no traffic'
    """
    said = f"{of_benchmarks} in benchmarks"
    return f"{seen}; {said}" if traffic else f"{said}, no traffic"


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


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share of 1, or an odds ratio, with its 90 % interval."""

    value: float
    low: float
    high: float

    def as_percent(self) -> str:
        return f"{percent(self.value)} {interval(self.low, self.high)}"

    def as_odds(self) -> str:
        bounds = f"({self.low:.2f}\N{EN DASH}{self.high:.2f})"
        return f"odds \N{MULTIPLICATION SIGN}{self.value:.2f} {bounds}"


def accuracy(verdict: Verdict, rate: Estimate, best: float, margin: float, seen: str) -> str:
    """Say how often tool calls are bad, against the best; `margin` is a share of 1."""
    if verdict == "insufficient":
        return f"too few tool calls to tell: {seen}"
    error = f"tool-call error {rate.as_percent()}"
    if verdict == "fail":
        return f"{error} against {percent(best)} for the best; {seen}"
    return f"{error}, within {100 * margin:.1f} points of the best ({percent(best)}); {seen}"


def propensity(verdict: Verdict, odds: Estimate, seen: str) -> str:
    """Say whether tools are called as often as normal."""
    if verdict == "insufficient":
        return f"too few requests to tell how often it calls tools: {seen}"
    word = "as" if verdict == "pass" else "more" if odds.value > 1.0 else "less"
    return f"calls tools {word} often {_THAN[word]} normal: {odds.as_odds()}; {seen}"


def ignores(verdict: Verdict, share: Estimate, votes: tuple[int, int], ceiling: float) -> str:
    """Say how many of those who could ignore it do; `votes` are (ignoring, at risk)."""
    seen = f"ignored by {votes[0]:,} of {count(votes[1], 'owner', 'owners')}"
    if verdict == "insufficient":
        return f"too few owners to tell: {seen}"
    frequent = f"{percent(ceiling)} or more is frequent"
    return f"{seen}, {share.as_percent()}; {frequent}"


def losses(verdict: Verdict, share: Estimate, ceiling: float, seen: str) -> str:
    """Say how many replies broke off or timed out."""
    if verdict == "insufficient":
        return f"too few replies to tell how many it loses: {seen}"
    above = f", above the ceiling of {percent(ceiling)}" if verdict == "fail" else ""
    return f"loses {share.as_percent()} of its replies{above}; {seen}"


_THAN: Final = {"as": "as", "more": "than", "less": "than"}


def _figure(share: float) -> str:
    value = 100.0 * share
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}"
