"""Facts to rows: what one batch adds to the tables, given what they hold already.

Owns the translation of a fact into a row and the rule for facts that come twice: the first one
counts, later ones change nothing. It knows nothing of files. The caller holds
`counts.facts_lock` from before the first `add` until after `save`.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import asdict, replace

from providers.models import Endpoint
from telemetry import service, tally
from telemetry.counters import Differences
from telemetry.counts import Cell, shift
from telemetry.models import Attempt, FactsKept, Generation, Verdict
from telemetry.recorder import COST, MAX_NAMED, AttemptFact, Fact, GenerationFact, VerdictFact
from telemetry.slots import SlotBook
from telemetry.spending import Spent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Key = tuple[str, int]


class UnknownEndpointError(Exception):
    """The fact names an endpoint that is not in the catalogue."""


class TooOldError(Exception):
    """The fact is of a day whose facts have been removed: it may have been counted."""


class Batch:
    """The facts of one transaction."""

    def __init__(self) -> None:
        self.generations: dict[str, Generation] = {}
        self.attempts: dict[Key, Attempt] = {}
        self.verdicts = 0
        self._late: dict[Key, VerdictFact] = {}
        self._model_of = dict(Endpoint.objects.values_list("pk", "model_id"))
        self._kept_since = FactsKept.first_day()
        self._counters = Differences()
        self._service = service.Differences()
        self._spent = Spent()

    def add(self, fact: Fact) -> None:
        """Take one fact. Raises UnknownEndpointError, TooOldError, ValueError or OverflowError."""
        if isinstance(fact, GenerationFact):
            self._know(fact.endpoint_id)
            self._is_kept(fact.created_at)
            self.generations.setdefault(fact.id, self._generation(fact))
        elif isinstance(fact, AttemptFact):
            self._know(fact.endpoint_id)
            self._is_kept(fact.started_at)
            self.attempts.setdefault((fact.generation_id, fact.ordinal), _attempt(fact))
        else:
            self._late.setdefault((fact.generation_id, fact.ordinal), fact)

    def save(self) -> None:
        """Insert what is new, fill in verdicts that are pending, and move the counts."""
        self._forget_known()
        self._assign_slots()
        differences: Counter[Cell] = Counter()
        for key, attempt in self.attempts.items():
            if attempt.verdict == Verdict.PENDING and (fact := self._late.pop(key, None)):
                vars(attempt).update(_judged(fact))
                self.verdicts += 1
        Generation.objects.bulk_create(self.generations.values())
        Attempt.objects.bulk_create(self.attempts.values())
        for generation in self.generations.values():
            self._counters.add_preferences(generation)
            self._spent.add(generation)
        for attempt in self.attempts.values():
            _shift(differences, attempt, 1)
            self._counters.add(attempt)
            self._service.add(attempt)
        self._fill_in(differences)
        shift(differences)
        self._counters.save()
        self._service.save()
        self._spent.save()

    def _know(self, endpoint_id: int | None) -> None:
        if endpoint_id is not None and endpoint_id not in self._model_of:
            raise UnknownEndpointError

    def _is_kept(self, seconds: float) -> None:
        if _moment(seconds).date() < self._kept_since:
            raise TooOldError

    def _generation(self, fact: GenerationFact) -> Generation:
        generation = _generation(fact)
        # A name that the catalogue has lost is no reason to lose the record.
        for named in ("ignored_endpoints", "pinned_endpoints"):
            known = [pk for pk in getattr(generation, named) if pk in self._model_of]
            setattr(generation, named, known[:MAX_NAMED])
        return generation

    def _assign_slots(self) -> None:
        """Say of each new attempt in whose slot it counts, and whether scores count it."""
        owned = [attempt for attempt in self.attempts.values() if attempt.stratum is not None]
        if not owned:
            return
        owners = {(self._model_of[one.endpoint_id], one.account_id) for one in owned}
        book = SlotBook(owners)
        for attempt in owned:
            attempt.slot = book.slot(self._model_of[attempt.endpoint_id], attempt.account_id)
            attempt.scored = tally.may_score(attempt)

    def _forget_known(self) -> None:
        """Drop what the tables hold already: it came before."""
        ids = Generation.objects.filter(pk__in=self.generations).values_list("pk", flat=True)
        for known in list(ids):
            del self.generations[known]
        stored = Attempt.objects.filter(generation_id__in={key[0] for key in self.attempts})
        for key in stored.values_list("generation_id", "ordinal"):
            self.attempts.pop(key, None)

    def _fill_in(self, differences: Counter[Cell]) -> None:
        """Apply the verdicts of attempts that came in earlier batches."""
        pending = Attempt.objects.filter(
            verdict=Verdict.PENDING, generation_id__in={key[0] for key in self._late}
        )
        alike: dict[VerdictFact, list[int]] = {}
        for attempt in pending:
            fact = self._late.get((attempt.generation_id, attempt.ordinal))
            if fact is None:
                continue
            alike.setdefault(replace(fact, generation_id="", ordinal=0), []).append(attempt.pk)
            _shift(differences, attempt, -1)
            self._counters.add(attempt, -1)
            vars(attempt).update(_judged(fact))
            _shift(differences, attempt, 1)
            self._counters.add(attempt)
        for fact, keys in alike.items():
            self.verdicts += Attempt.objects.filter(pk__in=keys).update(**_judged(fact))


def _shift(differences: Counter[Cell], attempt: Attempt, by: int) -> None:
    if not attempt.benchmark:
        cell = Cell(attempt.endpoint_id, attempt.started_at.date(), attempt.verdict)
        differences[cell] += by


def _generation(fact: GenerationFact) -> Generation:
    columns = asdict(fact)
    columns["created_at"] = _moment(fact.created_at)
    columns["cost"] = _dollars(columns.pop("cost_pico"))
    columns["upstream_cost"] = _dollars(columns.pop("upstream_cost_pico"))
    return Generation(**columns)


def _attempt(fact: AttemptFact) -> Attempt:
    columns = asdict(fact)
    columns["started_at"] = _moment(fact.started_at)
    columns["cost"] = _dollars(columns.pop("cost_pico"))
    del columns["turn"]
    columns["stratum"] = tally.stratum(fact)
    if not fact.tools_offered:
        columns["verdict_reason"] = ""
    else:
        columns["verdict"] = Verdict.UNJUDGED if fact.verdict_reason else Verdict.PENDING
    return Attempt(**columns)


def _judged(fact: VerdictFact) -> dict[str, Any]:
    """Return the columns that a verdict fills in."""
    columns = asdict(fact)
    del columns["generation_id"], columns["ordinal"]
    return columns


def _moment(seconds: float) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)


def _dollars(picodollars: int | None) -> Decimal | None:
    if picodollars is None:
        return None
    if picodollars > COST:
        raise OverflowError  # SQLite would take it, and fail when it is read
    return Decimal(picodollars).scaleb(-12)
