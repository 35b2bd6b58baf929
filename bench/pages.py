"""`python -m bench.pages`: how long each page takes on a million attempts and 10,000 editions.

Fills a database of its own, on the PostgreSQL server that DATABASE_URL names, with the demo
catalogue, ATTEMPTS requests of one attempt each, their daily counts and scores, and EDITIONS past
editions; then asks for every page in turns, in this process, and prints median and 95th percentile
of each. Exit status 0 if every 95th percentile is below WITHIN_MS, else 1. What uvicorn and a
network add is not in it.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.counters import own_database

if TYPE_CHECKING:
    from django.db.models import Model as Row
    from django.test import Client

ATTEMPTS, EDITIONS = 1_000_000, 10_000
DAYS, ACCOUNTS = 30, 40
ROUNDS = 40
WITHIN_MS = 300.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--attempts", type=int, default=ATTEMPTS)
    parser.add_argument("--editions", type=int, default=EDITIONS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        parser.error("set DATABASE_URL to a PostgreSQL server where it may create a database")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, own_database(Path(folder)) as name:
        started = time.perf_counter()
        fill(arguments.attempts, arguments.editions)
        print(
            f"## {name}: {arguments.attempts:,} attempts, {arguments.editions:,} editions", end=""
        )
        print(f", made in {time.perf_counter() - started:.0f} s", flush=True)
        return 0 if measure(arguments.rounds) else 1


# What there is -----------------------------------------------------------------------------


def fill(attempts: int, editions: int) -> None:
    """Make the rows. Half of the attempts are one model's, and a fiftieth of them bad."""
    from django.core.management import call_command
    from django.db import connection

    from routing.demo import CATALOG

    call_command("load_catalog", str(CATALOG), verbosity=0)
    at = datetime.now(UTC)
    fill_attempts(attempts, at)
    fill_counts(at)
    fill_editions(editions, at)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def fill_attempts(number: int, at: datetime) -> None:
    from providers.models import Endpoint
    from routing.models import Account
    from telemetry.models import Attempt, Generation

    Account.objects.bulk_create(Account(name=f"owner-{one}") for one in range(ACCOUNTS))
    first = Account.objects.order_by("pk").values_list("pk", flat=True)[0]
    endpoint = Endpoint.objects.select_related("model").order_by("pk")[0]
    both: dict[str, Any] = {
        "account_id": 0, "streamed": True, "pinned": False, "tools_offered": 2,
        "duration_ms": 1500, "latency_ms": 400, "finish_reason": "tool_calls",
        "prompt_tokens": 1200, "completion_tokens": 80, "cost": "0.0009",
    }  # fmt: skip
    # i: 1 to number. Half of all go to the first endpoint's model, by ids that lie together.
    shared = {
        "account_id": f"{first} + i % {ACCOUNTS}",
        "endpoint_id": f"(ARRAY{_endpoints()})[1 + (i * 7919) % {Endpoint.objects.count()}]",
    }
    moment = f"timestamptz '{at.isoformat()}' - i * interval '{DAYS * 86400 / number} s'"
    _insert(
        Generation(
            id="", created_at=at, api_key_id=1, requested_model=f"{endpoint.model.slug}:exacto",
            model_slug=endpoint.model.slug, variant="exacto", allowlist_version=1,
            attempts=1, status=200, cancelled=False, **both,
        ),
        number,
        {**shared, "id": "'gen-' || i", "created_at": moment,
         "status": "CASE WHEN i % 50 = 0 THEN 503 ELSE 200 END"},
    )  # fmt: skip
    _insert(
        Attempt(
            ordinal=1, started_at=at, outcome="ok", http_status=200, router_assigned=True,
            verdict="valid", tool_calls=1, endpoint=endpoint, **both,
        ),
        number,
        {**shared, "generation_id": "'gen-' || i", "started_at": moment,
         "outcome": "CASE WHEN i % 50 = 0 THEN 'http_5xx' ELSE 'ok' END",
         "verdict": "CASE WHEN i % 51 = 0 THEN 'schema_mismatch' ELSE 'valid' END"},
    )  # fmt: skip


def _endpoints() -> list[int]:
    from providers.models import Endpoint

    return list(Endpoint.objects.order_by("pk").values_list("pk", flat=True))


def _insert(like: "Row", number: int, varied: Mapping[str, str]) -> None:
    """Insert rows like one that is not saved; `varied` has SQL over i by column."""
    from django.db import connection

    columns, values, constants = [], [], []
    for field in like._meta.concrete_fields:
        if field.primary_key and str(field.column) not in varied:
            continue  # numbered by the database
        column = str(field.column)
        columns.append(connection.ops.quote_name(column))
        if column in varied:
            values.append(varied[column].replace("%", "%%"))
        else:
            values.append("%s")
            value = getattr(like, field.attname)
            constants.append(field.get_db_prep_save(value, connection))
    table = connection.ops.quote_name(like._meta.db_table)
    sql = (
        f"INSERT INTO {table} ({', '.join(columns)}) "  # names of ours
        f"SELECT {', '.join(values)} FROM generate_series(1::bigint, {number}) AS i"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, constants)


def fill_counts(at: datetime) -> None:
    """Make what pages read in place of attempts: counts, use, scores and their history."""
    from providers.models import Endpoint
    from telemetry.models import EndpointScore, OwnerUse, ScorePoint, VerdictCount

    days = [(at - timedelta(days=back)).date() for back in range(DAYS)]
    hour = at.replace(minute=0, second=0, microsecond=0)
    one = {
        "verdict": "pass", "estimate": 0.02, "low": 0.01, "high": 0.04, "probability": 0.99,
        "requests": 900, "owners": 30, "sentence": "Measured.", "bound": [None, 0.05],
    }  # fmt: skip
    for endpoint in Endpoint.objects.all():
        VerdictCount.objects.bulk_create(
            VerdictCount(endpoint=endpoint, day=day, verdict=verdict, attempts=number)
            for day in days
            for verdict, number in (("valid", 900), ("schema_mismatch", 12), ("invalid_json", 5))
        )
        OwnerUse.objects.bulk_create(
            OwnerUse(
                endpoint=endpoint, account_id=account, day=day, requests=9, tool_calls=5,
                cost_pico=10**9,
            )
            for account in range(1, ACCOUNTS + 1)
            for day in days
        )  # fmt: skip
        ScorePoint.objects.bulk_create(
            ScorePoint(
                endpoint=endpoint, hour=hour - timedelta(hours=back), standing="verified",
                error_rate=0.02, error_low=0.01, error_high=0.04, propensity=1.0, ignore_rate=0.02,
            )
            for back in range(24 * DAYS)
        )  # fmt: skip
        EndpointScore.objects.create(
            endpoint=endpoint, computed_at=at, method="assay-1", inputs_hash="a",
            standing="verified", standing_since=at, eligible=True, sentence="Measured.",
            criteria=dict.fromkeys(("accuracy", "propensity", "ignores", "losses"), one),
            failures={"schema_mismatch": 12},
        )  # fmt: skip


def fill_editions(number: int, at: datetime) -> None:
    """Make past editions of all models in turns, and a draft of each."""
    from providers.models import Endpoint, Model
    from routing.models import Allowlist, AllowlistEntry

    models = list(Model.objects.filter(endpoints__isnull=False).distinct())
    past = Allowlist.objects.bulk_create(
        Allowlist(
            model=models[one % len(models)], version=2 + one // len(models), reason="Measured.",
            published_at=at, retired_at=at, retired_reason="Replaced.",
        )
        for one in range(number)
    )  # fmt: skip
    members = {model.pk: list(Endpoint.objects.filter(model=model)) for model in models}
    AllowlistEntry.objects.bulk_create(
        [
            AllowlistEntry(allowlist=edition, endpoint=endpoint)
            for edition in past
            for endpoint in members[edition.model_id]
        ],
        batch_size=5_000,
    )
    # Only now: what is no draft takes no entries.
    Allowlist.objects.filter(status="draft").update(status="retired")
    for model in models:
        Allowlist.draft(model)


# How long pages take -----------------------------------------------------------------------


def measure(rounds: int) -> bool:
    """Ask for every page in turns; print a line for each, and tell whether all are fast enough."""
    pages = dict(addresses())
    clients = people()
    times: dict[str, list[float]] = {name: [] for name in pages}
    for number in range(rounds + 1):
        for name, (who, address) in pages.items():
            started = time.perf_counter()
            answer = clients[who].get(address)
            spent = 1000 * (time.perf_counter() - started)
            if answer.status_code != 200:
                raise SystemExit(f"{address} answers {answer.status_code}")
            if number:  # the first time, code and plans are loaded
                times[name].append(spent)
    print("| page | median, ms | 95 %, ms |\n|---|---|---|")
    slowest = 0.0
    for name, found in times.items():
        p95 = statistics.quantiles(found, n=20)[-1]
        slowest = max(slowest, p95)
        print(f"| {name} | {statistics.median(found):.0f} | {p95:.0f} |")
    print(f"The slowest: {slowest:.0f} ms (wanted: < {WITHIN_MS:.0f})")
    return slowest < WITHIN_MS


def people() -> "dict[str, Client]":
    """Return a visitor, an operator, and who signed in with a management key."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    from routing.models import Account, ApiKey

    settings.ALLOWED_HOSTS = ["testserver"]
    operator, owner = Client(), Client()
    operator.force_login(User.objects.create_superuser("bench"))
    _, key = ApiKey.issue(Account.objects.order_by("pk")[0], "bench", management=True)
    owner.post("/account/", {"key": key})
    return {"visitor": Client(), "operator": operator, "owner": owner}


def addresses() -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield (page, (who asks, address)) of everything that has much to read."""
    from providers.models import Endpoint, Model
    from routing.models import Allowlist
    from telemetry.models import Attempt

    endpoint = Endpoint.objects.order_by("pk")[0]
    model = Model.objects.get(pk=endpoint.model_id)
    draft = Allowlist.objects.filter(model=model, status="draft").latest("pk")
    past = Allowlist.objects.filter(model=model, status="retired").latest("pk")
    attempt = Attempt.objects.order_by("-started_at")[0]
    board, admin = f"/exacto/{model.slug}", "/admin/"
    docs = ("", "selection", "quickstart/curl", "reference/chat")
    for page in (
        "/exacto/", board, f"{board}/benchmarks", f"{board}.json", "/exacto/feedback/",
        *(f"/docs/{one}" for one in docs),
    ):  # fmt: skip
        yield page, ("visitor", page)
    lists = (
        "routing/allowlist/", "routing/allowlist/?status__exact=retired", "routing/quarantine/",
        "routing/notice/", "routing/auditentry/", "telemetry/attempt/",
        f"telemetry/attempt/?endpoint={endpoint.pk}", "telemetry/attempt/?verdict=schema_mismatch",
        f"telemetry/attempt/?counted=callers&endpoint={endpoint.pk}&verdict=judged",
        "telemetry/attempt/?counted=benchmarks&verdict=schema_mismatch",
        "telemetry/generation/", "telemetry/generation/?status=503", "telemetry/verdictcount/",
        "telemetry/feedback/", "telemetry/benchmarkrun/", "providers/endpoint/", "routing/account/",
        "routing/apikey/", "providers/model/workplaces/",
    )  # fmt: skip
    for page in ("", *lists):
        yield admin + page, ("operator", admin + page)
    for words, page in (
        ("a model to curate", f"providers/model/{model.pk}/workplace/"),
        ("a draft, reviewed and simulated", f"routing/allowlist/{draft.pk}/change/"),
        ("a past edition", f"routing/allowlist/{past.pk}/change/"),
        ("an endpoint of a draft", f"routing/allowlist/{draft.pk}/endpoint/{endpoint.pk}/"),
        ("an attempt", f"telemetry/attempt/{attempt.pk}/change/"),
    ):
        yield words, ("operator", admin + page)
    for page in ("/account/", "/account/keys/", "/account/preferences/", "/account/generations/"):
        yield page, ("owner", page)


if __name__ == "__main__":
    raise SystemExit(main())
