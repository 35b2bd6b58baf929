"""`python -m bench.counters`: what counters cost to keep, and what they save when scores are made.

Prints two things on a database of its own, SQLite or the server that DATABASE_URL names: how long
a model's evidence takes to load and score where its counters stand for 1e5 requests, and for up
to a million times as many; and how many records per second are ingested with counters kept and
without. Exit status 0 if scores take less than SCORED_S and MANY requests no more than
MOST_GROWTH times as long as FEW, else 1.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

if TYPE_CHECKING:
    import numpy as np

    from telemetry.scoring.cells import Cells

ENDPOINTS, DAYS = 25, 30
FEW, MANY = 10**5, 10**9
SIZES = (FEW, 10**7, MANY, 10**11)  # from 10**7 on, all cells are in use
SCORED_S, MOST_GROWTH = 2.0, 1.5
ROUNDS = 5
RECOMPUTATIONS = 11  # of each size, in turns
GENERATIONS = 5_000  # three records each


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.counters", description=__doc__)
    parser.add_argument("--without-ingestion", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, own_database(Path(folder)) as name:
        print(f"## {name}", flush=True)
        met = measure_scores()
        if not arguments.without_ingestion:
            measure_ingestion(Path(folder))
    return 0 if met else 1


@contextmanager
def own_database(folder: Path) -> Iterator[str]:
    """Make an empty database with our tables, and drop it in the end."""
    os.environ |= {"ASSAY_HOME": str(folder), "DJANGO_SETTINGS_MODULE": "routing.settings"}
    if "DATABASE_URL" in os.environ:  # a deployment, which must have secrets
        for secret in ("SECRET_KEY", "API_KEY_PEPPER", "CREDENTIAL_KEYS"):
            os.environ.setdefault(secret, "of a bench")
    import django

    django.setup()
    from django.db import connection

    test = connection.settings_dict["TEST"]
    if connection.vendor == "sqlite":
        test["NAME"] = str(folder / "bench.sqlite3")
    else:
        test |= {"NAME": f"bench_{os.getpid()}", "TEMPLATE": "template0", "CHARSET": "UTF8"}
    previous = str(connection.settings_dict["NAME"])
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield connection.display_name
    finally:
        connection.creation.destroy_test_db(previous, verbosity=0)


# Scores ------------------------------------------------------------------------------------


def measure_scores() -> bool:
    """Print how long evidence takes to load and to score; tell whether that is fast enough."""
    at = datetime.now(UTC)
    models = {requests: fill(requests, at) for requests in SIZES}
    analyse()
    runs: dict[int, list[Recomputation]] = {requests: [] for requests in SIZES}
    for number in range(RECOMPUTATIONS):
        # Back and forth, so that what else the machine does falls on all alike.
        for requests in SIZES if number % 2 == 0 else reversed(SIZES):
            runs[requests].append(recompute(models[requests], at))
    for requests in SIZES:
        print(f"{requests:.0e} requests, {kept(models[requests])}: {_medians(runs[requests])}")
    for fewer, more in pairwise(SIZES):
        print(f"{more:.0e} against {fewer:.0e}: {_growth(runs, fewer, more)[1]}")
    growth, told = _growth(runs, FEW, MANY)
    print(f"{MANY // FEW:,} times the requests take {told} as long (wanted: <= {MOST_GROWTH})")
    slowest = max(statistics.median(run.wall for run in of_size) for of_size in runs.values())
    return slowest < SCORED_S and growth <= MOST_GROWTH


@dataclass(frozen=True, slots=True)
class Recomputation:
    """Seconds of one: on the clock, of this process's CPU, and the clock's for scoring alone."""

    wall: float
    cpu: float
    score: float


def recompute(model_id: int, at: datetime) -> Recomputation:
    from telemetry.evidence import load_evidence
    from telemetry.scoring.score import score_pool

    cpu, started = time.process_time(), time.perf_counter()
    evidence = load_evidence(model_id, at)
    loaded = time.perf_counter()
    score_pool(evidence)
    ended = time.perf_counter()
    return Recomputation(ended - started, time.process_time() - cpu, ended - loaded)


def _medians(runs: list[Recomputation]) -> str:
    wall, cpu, score = (
        statistics.median(getattr(run, name) for run in runs) for name in ("wall", "cpu", "score")
    )
    return f"{wall:.3f} s, of which scoring {score:.3f} s; CPU without the server's {cpu:.3f} s"


def _growth(runs: dict[int, list[Recomputation]], fewer: int, more: int) -> tuple[float, str]:
    """Return the median of the paired ratios of wall time, and the words for it."""
    pairs = list(zip(runs[fewer], runs[more], strict=True))
    walls = [b.wall / a.wall for a, b in pairs]
    cpu = statistics.median(b.cpu / a.cpu for a, b in pairs)
    wall = statistics.median(walls)
    return wall, f"{wall:.2f} [{min(walls):.2f} to {max(walls):.2f}] times (CPU {cpu:.2f})"


def fill(requests: int, at: datetime) -> int:
    """Fill every kept period of a pool with `requests` in all, over all cells; return its model."""
    import numpy as np

    from providers.models import Endpoint, Model, Provider
    from telemetry.models import OwnerSlot, OwnerUse, Rollup
    from telemetry.scoring import cells

    slug = f"bench/of-{requests}"
    model = Model.objects.create(slug=slug, name=slug, context_length=1000)
    provider, _ = Provider.objects.get_or_create(
        slug="bench", defaults={"name": "Bench", "base_url": "http://bench.test/v1"}
    )
    rng = np.random.default_rng(7)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    periods = [("hour", at - timedelta(hours=back), 1 / 24) for back in range(84)]
    periods += [("day", midnight - timedelta(days=back), 1.0) for back in range(4, DAYS)]
    weight = sum(share for *_, share in periods)
    for number in range(ENDPOINTS):
        endpoint = Endpoint.objects.create(
            model=model, provider=provider, tag=f"bench/{number}", upstream_model="x",
            context_length=1000,
        )  # fmt: skip
        Rollup.objects.bulk_create(
            Rollup(
                endpoint=endpoint,
                period=period,
                starts_at=start.replace(minute=0, second=0, microsecond=0),
                cells=cells.pack(_cells(rng, requests / ENDPOINTS * share / weight)),
            )
            for period, start, share in periods
        )
        OwnerUse.objects.bulk_create(
            OwnerUse(
                endpoint=endpoint, account_id=account, day=(at - timedelta(days=back)).date(),
                requests=9, tool_calls=5, cost_pico=10**6,
            )
            for account in range(30)
            for back in range(DAYS)
        )  # fmt: skip
    OwnerSlot.objects.bulk_create(
        OwnerSlot(model=model, account_id=account, slot=account) for account in range(30)
    )
    return model.pk


def _cells(rng: "np.random.Generator", requests: float) -> "Cells":
    """Draw one period's counters, spread over all cells: as many as there are with many owners."""
    import numpy as np

    from telemetry.scoring import cells
    from telemetry.scoring.evidence import ATTEMPTS, FIRST_KIND, LOST, REQUESTS, SLOTS, STRATA

    counters = np.zeros(cells.SHAPE, np.int64)
    asked = rng.poisson(requests / (STRATA * SLOTS), (STRATA, SLOTS))
    counters[..., REQUESTS] = asked
    counters[..., ATTEMPTS] = rng.binomial(asked, 0.7)
    counters[..., LOST] = rng.binomial(asked, 0.005)
    counters[..., FIRST_KIND] = rng.binomial(counters[..., ATTEMPTS], 0.01)
    counters[..., FIRST_KIND + 2] = rng.binomial(counters[..., ATTEMPTS], 0.02)
    return counters


def analyse() -> None:
    """Let the planner know the tables as it does on a server that has run for a while."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def kept(model_id: int) -> str:
    """Say how many bytes of counters a model has."""
    from telemetry.models import Rollup

    rows = Rollup.objects.filter(endpoint__model=model_id).values_list("cells", flat=True)
    return f"{sum(map(len, rows)) / 1e6:.1f} MB of counters"


# Ingestion ---------------------------------------------------------------------------------


def measure_ingestion(folder: Path) -> None:
    """Print records per second with and without counters, and the median of the paired ratios."""
    from providers.models import Endpoint

    endpoints = list(Endpoint.objects.values_list("pk", flat=True)[:ENDPOINTS])
    ratios, rates = [], []
    for number in range(ROUNDS):
        without = ingest(folder, f"{number}-without", endpoints, counted=False)
        kept = ingest(folder, f"{number}-with", endpoints, counted=True)
        rates.append(kept)
        ratios.append(kept / without)
    print(
        f"ingestion: {statistics.median(rates):,.0f} records/s with counters, "
        f"{statistics.median(ratios):.2f} of the rate without "
        f"({min(ratios):.2f} to {max(ratios):.2f} in {ROUNDS} pairs)"
    )


def ingest(folder: Path, name: str, endpoints: list[int], *, counted: bool) -> float:
    """Return the records per second of one ingestion of GENERATIONS, each with its verdict."""
    from telemetry.counters import Differences
    from telemetry.ingest import ingest_all
    from telemetry.slots import SlotBook

    write_segment(folder / name, name, endpoints)
    with contextlib.ExitStack() as stack:
        if not counted:
            for place, method in [(Differences, "add"), (Differences, "save")]:
                stack.enter_context(mock.patch.object(place, method))
            stack.enter_context(mock.patch.object(SlotBook, "__init__", return_value=None))
            stack.enter_context(mock.patch.object(SlotBook, "slot", return_value=0))
        started = time.perf_counter()
        report = ingest_all(folder / name)
        seconds = time.perf_counter() - started
    if report.attempts != GENERATIONS or report.dead:
        sys.exit(f"ingested {report}, not {GENERATIONS} attempts")
    return 3 * GENERATIONS / seconds


def write_segment(spool: Path, name: str, endpoints: list[int]) -> None:
    """Leave what a dead process would: attempts, generations, and verdicts a little later."""
    import msgspec

    from telemetry.recorder import AttemptFact, Fact, GenerationFact, VerdictFact
    from telemetry.spool import encode

    directory = spool / ("0" * 32)
    directory.mkdir(parents=True)
    (directory / "lock").touch()
    at = time.time()
    facts: list[Fact] = []
    for number in range(GENERATIONS):
        gen, account = f"gen-{name}-{number}", number % 300
        facts.append(
            AttemptFact(
                generation_id=gen, ordinal=1, endpoint_id=endpoints[number % len(endpoints)],
                account_id=account, started_at=at, outcome="ok", duration_ms=900, streamed=True,
                pinned=False, router_assigned=True, tools_offered=1 + number % 20,
                latency_ms=200, finish_reason="tool_calls", cost_pico=10**6 + number,
            )
        )  # fmt: skip
        facts.append(
            GenerationFact(
                id=gen, created_at=at, account_id=account, api_key_id=1, requested_model="a/b",
                attempts=1, status=200, streamed=True, cancelled=False, pinned=False,
                tools_offered=2, duration_ms=900,
            )
        )  # fmt: skip
        if number >= 50:
            judged = f"gen-{name}-{number - 50}"
            facts.append(
                VerdictFact(generation_id=judged, ordinal=1, verdict="valid", tool_calls=1)
            )
    facts += [
        VerdictFact(generation_id=f"gen-{name}-{n}", ordinal=1, verdict="valid", tool_calls=1)
        for n in range(GENERATIONS - 50, GENERATIONS)
    ]
    frames = b"".join(encode(msgspec.json.encode(fact)) for fact in facts)
    (directory / "00000001.seg").write_bytes(frames)


if __name__ == "__main__":
    sys.exit(main())
