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
from telemetry.counts import Cell, shift
from telemetry.models import Attempt, Generation, Verdict
from telemetry.recorder import COST, AttemptFact, Fact, GenerationFact, VerdictFact

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Key = tuple[str, int]


class UnknownEndpointError(Exception):
    """The fact names an endpoint that is not in the catalogue."""


class Batch:
    """The facts of one transaction."""

    def __init__(self) -> None:
        self.generations: dict[str, Generation] = {}
        self.attempts: dict[Key, Attempt] = {}
        self.verdicts = 0
        self._late: dict[Key, VerdictFact] = {}
        self._endpoints = set(Endpoint.objects.values_list("pk", flat=True))

    def add(self, fact: Fact) -> None:
        """Take one fact. Raises UnknownEndpointError, ValueError or OverflowError."""
        if isinstance(fact, GenerationFact):
            self._know(fact.endpoint_id)
            self.generations.setdefault(fact.id, _generation(fact))
        elif isinstance(fact, AttemptFact):
            self._know(fact.endpoint_id)
            self.attempts.setdefault((fact.generation_id, fact.ordinal), _attempt(fact))
        else:
            self._late.setdefault((fact.generation_id, fact.ordinal), fact)

    def save(self) -> None:
        """Insert what is new, fill in verdicts that are pending, and move the counts."""
        self._forget_known()
        differences: Counter[Cell] = Counter()
        for key, attempt in self.attempts.items():
            if attempt.verdict == Verdict.PENDING and (fact := self._late.pop(key, None)):
                vars(attempt).update(_judged(fact))
                self.verdicts += 1
        Generation.objects.bulk_create(self.generations.values())
        Attempt.objects.bulk_create(self.attempts.values())
        for attempt in self.attempts.values():
            differences[_cell(attempt)] += 1
        self._fill_in(differences)
        shift(differences)

    def _know(self, endpoint_id: int | None) -> None:
        if endpoint_id is not None and endpoint_id not in self._endpoints:
            raise UnknownEndpointError

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
        columns = ["generation_id", "ordinal", "endpoint_id", "started_at", "verdict"]
        for attempt in pending.only(*columns):
            fact = self._late.get((attempt.generation_id, attempt.ordinal))
            if fact is None:
                continue
            alike.setdefault(replace(fact, generation_id="", ordinal=0), []).append(attempt.pk)
            was = _cell(attempt)
            differences[was] -= 1
            differences[was._replace(verdict=fact.verdict)] += 1
        for fact, keys in alike.items():
            self.verdicts += Attempt.objects.filter(pk__in=keys).update(**_judged(fact))


def _cell(attempt: Attempt) -> Cell:
    return Cell(attempt.endpoint_id, attempt.started_at.date(), attempt.verdict)


def _generation(fact: GenerationFact) -> Generation:
    columns = asdict(fact)
    columns["created_at"] = _moment(fact.created_at)
    columns["cost"] = _dollars(columns.pop("cost_pico"))
    return Generation(**columns)


def _attempt(fact: AttemptFact) -> Attempt:
    columns = asdict(fact)
    columns["started_at"] = _moment(fact.started_at)
    columns["cost"] = _dollars(columns.pop("cost_pico"))
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
