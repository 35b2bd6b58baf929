"""What a model's endpoints did in the last days: shares of traffic, failures by kind, prices.

Owns reading the daily counters into the third table of a model's page. The rules others rely on:
attempts are never read; counts and costs are of the same whole UTC days; a price is of replies
whose tool calls were all valid, and is not told where there are none.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Sum
from django.utils.safestring import SafeString

from providers.models import Endpoint
from routing.admin.workplace.doors import Doors
from routing.admin.workplace.evidence import Evidence
from routing.templatetags.routing_words import dollars_per_thousand, percent
from routing.timelines import Share, stack, swatch
from telemetry.admin.words import SIGNS
from telemetry.models import BenchmarkResult, EndpointScore, OwnerUse, Verdict, VerdictCount

BAD = (Verdict.INVALID_JSON, Verdict.UNKNOWN_NAME, Verdict.SCHEMA_MISMATCH)
_PICODOLLARS = 10**12
_VERIFIED_WITHIN = timedelta(days=30)
_MOST_RESULTS = 500


@dataclass(frozen=True, slots=True)
class Line:
    """One endpoint's counters, each leading to what was counted."""

    tag: str
    attempts: SafeString
    share: SafeString
    judged: SafeString  # replies whose tool calls were found good or bad
    kinds: Sequence[SafeString]  # of BAD, in order
    plot: SafeString
    signs: Sequence[SafeString]
    price: SafeString
    verified_price: SafeString


@dataclass(frozen=True, slots=True)
class Traffic:
    lines: Sequence[Line]
    kinds: Sequence[tuple[SafeString, str]]  # swatch and label of each of BAD
    scale: str
    total: int


def read_traffic(
    endpoints: Sequence[Endpoint], evidence: Evidence, days: int, at: datetime, doors: Doors
) -> Traffic:
    """Read the counters of whole UTC days that end today; three queries."""
    since = at.date() - timedelta(days=days - 1)
    counts = _counts(endpoints, since)
    costs = _costs(endpoints, since)
    verified = _verified_prices(endpoints, at, doors)
    total = sum(sum(by_verdict.values()) for by_verdict in counts.values())
    most = max((_error(counts[one.pk]) for one in endpoints), default=0.0)
    lines = []
    for row in evidence.rows:
        pk = row.endpoint.pk
        teller = _Teller(row.endpoint, counts[pk], days, doors)
        lines.append(
            Line(
                tag=row.endpoint.tag,
                attempts=teller.attempts(),
                share=teller.share(total),
                judged=teller.judged(),
                kinds=[teller.kind(verdict) for verdict in BAD],
                plot=teller.plot(most),
                signs=teller.signs(evidence.scores.get(pk)),
                price=teller.price(costs.get(pk)),
                verified_price=verified.get(pk, SafeString("-")),
            )
        )
    kinds = [(swatch(number), str(verdict.label)) for number, verdict in enumerate(BAD)]
    return Traffic(lines, kinds, f"0 to {percent(most)}" if most else "no bad calls", total)


@dataclass(frozen=True, slots=True)
class _Teller:
    """Says one endpoint's counts."""

    endpoint: Endpoint
    counts: Mapping[str, int]
    days: int
    doors: Doors

    def _link(self, text: object, **query: str) -> SafeString:
        asked = {"when": self.days, "endpoint": self.endpoint.pk, **query}
        return self.doors.attempts(text, "callers", **asked)

    def attempts(self) -> SafeString:
        number = sum(self.counts.values())
        return self._link(f"{number:,}") if number else SafeString("0")

    def share(self, total: int) -> SafeString:
        """Tell its part of the model's attempts, which are the rows behind it."""
        if not total:
            return SafeString("-")
        told = percent(sum(self.counts.values()) / total)
        asked = {"when": self.days, "model": self.endpoint.model.slug}
        return self.doors.attempts(told, "callers", **asked)

    def judged(self) -> SafeString:
        number = _judged(self.counts)
        return self._link(f"{number:,}", verdict="judged") if number else SafeString("0")

    def kind(self, verdict: Verdict) -> SafeString:
        number = self.counts.get(verdict, 0)
        return self._link(f"{number:,}", verdict=verdict) if number else SafeString("0")

    def plot(self, most: float) -> SafeString:
        judged = _judged(self.counts)
        if not judged:
            return SafeString("nothing judged")
        shares = [Share(str(one.label), self.counts.get(one, 0) / judged) for one in BAD]
        return stack(shares, most, title=f"Bad tool calls of {self.endpoint.tag} by kind")

    def signs(self, score: EndpointScore | None) -> list[SafeString]:
        """Tell the other kinds that its score counts, most frequent first."""
        failures = (score.failures or {}) if score else {}
        found = [(name, failures.get(name) or 0) for name in SIGNS]
        return [
            self.doors.attempts(
                f"{SIGNS[name]}: {number:,.0f}", "scored", endpoint=self.endpoint.pk, sign=name
            )
            for name, number in sorted(found, key=lambda one: -one[1])
            if number
        ]

    def price(self, cost: int | None) -> SafeString:
        valid = self.counts.get(Verdict.VALID, 0)
        if not valid or not cost:
            return SafeString("not known")
        return self._link(dollars_per_thousand(cost / _PICODOLLARS / valid), verdict="valid")


def _counts(endpoints: Sequence[Endpoint], since: date) -> defaultdict[int, dict[str, int]]:
    rows = VerdictCount.objects.filter(endpoint__in=endpoints, day__gte=since)
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    sums = rows.values_list("endpoint_id", "verdict").annotate(n=Sum("attempts"))
    for pk, verdict, number in sums:
        found[pk][verdict] = number
    return found


def _costs(endpoints: Sequence[Endpoint], since: date) -> dict[int, int]:
    """Return what requests that offered tools cost at each endpoint, in picodollars."""
    rows = OwnerUse.objects.filter(endpoint__in=endpoints, day__gte=since)
    return dict(rows.values_list("endpoint_id").annotate(n=Sum("cost_pico")))


def _verified_prices(
    endpoints: Sequence[Endpoint], at: datetime, doors: Doors
) -> dict[int, SafeString]:
    """Return what a valid call cost the verifier when it last asked, leading to that run."""
    results = BenchmarkResult.objects.filter(
        run__endpoint__in=endpoints,
        run__measured_at__gte=at - _VERIFIED_WITHIN,
        metric="cost_usd_per_valid_call",
    )
    rows = results.order_by("-run__measured_at").values_list("run__endpoint_id", "run_id", "value")
    found: dict[int, SafeString] = {}
    for pk, run, value in rows[:_MOST_RESULTS]:
        if pk not in found:
            found[pk] = doors.run(dollars_per_thousand(value), run)
    return found


def _judged(counts: Mapping[str, int]) -> int:
    return sum(counts.get(verdict, 0) for verdict in (Verdict.VALID, *BAD))


def _error(counts: Mapping[str, int]) -> float:
    judged = _judged(counts)
    return sum(counts.get(verdict, 0) for verdict in BAD) / judged if judged else 0.0
