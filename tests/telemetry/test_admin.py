"""Attempts, generations and verdict counts in the admin: read-only, filtered, never all counted."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from providers.models import Endpoint
from routing.models import Account
from telemetry.admin.facts import BoundedPaginator, since
from telemetry.admin.words import OUTCOME_COLOURS, WHY, call_errors
from telemetry.models import Attempt, Generation, Outcome, Verdict, VerdictCount
from tests.admin_people import curator
from tests.catalog_rows import MODEL, make_endpoint
from tests.telemetry_rows import make_generation

pytestmark = pytest.mark.django_db
ATTEMPTS = "/admin/telemetry/attempt/"
GENERATIONS = "/admin/telemetry/generation/"
COUNTS = "/admin/telemetry/verdictcount/"


@pytest.fixture
def alice() -> Account:
    return Account.objects.create(name="Alice")


@pytest.fixture
def cobalt() -> Endpoint:
    return make_endpoint("cobalt")


@pytest.fixture
def zinc() -> Endpoint:
    return make_endpoint("zinc", "acme/other")


def rows_of(client: Client, url: str) -> set[str]:
    """Return the generations whose rows a list shows."""
    answer = client.get(url)
    assert answer.status_code == 200
    return {getattr(row, "generation_id", row.pk) for row in answer.context["cl"].result_list}


@pytest.fixture
def history(alice: Account, cobalt: Endpoint, zinc: Endpoint) -> None:
    make_generation("gen-ok", (cobalt, Outcome.OK), account=alice)
    make_generation("gen-bad", (zinc, Outcome.OK), account=alice, verdict=Verdict.SCHEMA_MISMATCH)
    make_generation("gen-slow", (zinc, Outcome.TIMEOUT_TTFT), account=alice)
    make_generation("gen-plain", (cobalt, Outcome.OK), account=alice, verdict=Verdict.NONE)
    make_generation("gen-old", (cobalt, Outcome.OK), account=alice, at=now() - timedelta(days=40))
    Attempt.objects.filter(generation="gen-bad").update(leaked_tool_text=True)
    Generation.objects.filter(pk="gen-ok").update(auto_exacto="shadow_moved")
    Generation.objects.filter(pk="gen-bad").update(quality_gate="exhausted")


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("outcome=timeout_ttft", {"gen-slow"}),
        ("verdict=schema_mismatch", {"gen-bad"}),
        ("verdict=none", {"gen-plain"}),
        ("verdict=valid&when=30", {"gen-ok"}),
        ("when=hour", {"gen-ok", "gen-bad", "gen-slow", "gen-plain"}),
        ("sign=any", {"gen-bad"}),
        ("sign=leaked_tool_text", {"gen-bad"}),
        ("sign=empty_reply", set()),
        ("model=acme/other", {"gen-bad", "gen-slow"}),
        ("model=acme/other&outcome=ok", {"gen-bad"}),
        ("q=gen-old", {"gen-old"}),
        ("q=gen-%25", set()),
        ("q=gen-_ld", set()),
        ("q=%25", set()),
        ("q=' OR 1=1 --", set()),
    ],
)
def test_filters_attempts(query: str, expected: set[str]) -> None:
    assert rows_of(curator(), f"{ATTEMPTS}?{query}") == expected


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("verdict=judged", {"gen-ok", "gen-bad"}),
        ("counted=callers", {"gen-ok", "gen-bad", "gen-plain", "gen-old"}),
        ("counted=scored", {"gen-bad"}),
        ("counted=benchmarks", {"gen-slow"}),
        ("counted=nonsense&when=hour", {"gen-ok", "gen-bad", "gen-slow", "gen-plain"}),
    ],
)
def test_attempts_are_filtered_by_what_counts_them(query: str, expected: set[str]) -> None:
    Attempt.objects.filter(generation="gen-slow").update(benchmark=True)
    Attempt.objects.filter(generation="gen-bad").update(scored=True)
    Attempt.objects.filter(generation="gen-old").update(verdict="")

    assert rows_of(curator(), f"{ATTEMPTS}?{query}") == expected


@pytest.mark.usefixtures("history")
def test_filters_attempts_by_endpoint(cobalt: Endpoint) -> None:
    client = curator()

    assert rows_of(client, f"{ATTEMPTS}?endpoint={cobalt.pk}&verdict=none") == {"gen-plain"}
    assert len(rows_of(client, f"{ATTEMPTS}?endpoint=nonsense")) == 5


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=503", {"gen-slow"}),
        ("status=200&model=acme/other", {"gen-bad"}),
        ("when=7&model=" + MODEL, {"gen-ok", "gen-plain"}),
        ("auto_exacto=shadow_moved", {"gen-ok"}),
        ("auto_exacto=applied", set()),
        ("quality_gate=exhausted&when=7", {"gen-bad"}),
        ("quality_gate=nonsense&status=503", {"gen-slow"}),
        ("q=gen-ok", {"gen-ok"}),
        ("q=gen", set()),
    ],
)
def test_filters_generations(query: str, expected: set[str]) -> None:
    assert rows_of(curator(), f"{GENERATIONS}?{query}") == expected


def test_a_search_for_a_percent_sign_asks_the_big_table_nothing_vague(alice: Account) -> None:
    client = curator()

    with CaptureQueriesContext(connection) as queries:
        client.get(f"{GENERATIONS}?q=%25%5F%25")

    assert not [q for q in queries if "LIKE" in q["sql"]]


@pytest.mark.usefixtures("history")
def test_a_list_says_what_it_is_filtered_by_and_how_to_undo_it() -> None:
    cl = curator().get(f"{ATTEMPTS}?outcome=ok&verdict=none&when=7").context["cl"]

    assert cl.chosen_filters() == [
        ("time", "Last 7 days", "?outcome=ok&verdict=none"),
        ("outcome", "answered", "?verdict=none&when=7"),
        ("verdict", "no tools offered", "?outcome=ok&when=7"),
    ]


@pytest.mark.parametrize("url", [ATTEMPTS, GENERATIONS])
def test_never_counts_beyond_a_bound(
    url: str, alice: Account, cobalt: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedPaginator, "bound", 3)
    for number in range(5):
        make_generation(f"gen-{number}", (cobalt, Outcome.OK), account=alice)
    client = curator()

    with CaptureQueriesContext(connection) as queries:
        page = client.get(f"{url}?_facets=1").text

    counts = [q["sql"] for q in queries if "COUNT(" in q["sql"]]
    assert counts
    assert all("LIMIT 4" in sql for sql in counts)
    assert "More than 3" in page


@pytest.mark.parametrize("url", [ATTEMPTS, GENERATIONS])
def test_lists_take_as_many_queries_for_many_rows_as_for_few(
    url: str,
    alice: Account,
    cobalt: Endpoint,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_generation("gen-first", (cobalt, Outcome.OK), account=alice)
    client = curator()
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    for number in range(5):
        endpoint = make_endpoint(f"p{number}", f"acme/m{number}")
        make_generation(f"gen-{number}", (endpoint, Outcome.OK), account=alice)

    with django_assert_num_queries(len(few)):
        client.get(url)


def test_a_generations_page_tells_its_tries_in_order_with_why(
    alice: Account, cobalt: Endpoint, zinc: Endpoint
) -> None:
    make_generation("gen-1", (zinc, Outcome.TIMEOUT_TTFT), (cobalt, Outcome.OK), account=alice)

    page = curator().get(f"{GENERATIONS}gen-1/change/").text

    first = page.index("Connected, but no first token within the limit.")
    assert first < page.index("Answered.")
    assert "edition 1 of :exacto" in page
    assert "1,200 → 80" in page


def test_an_attempts_page_says_what_was_wrong_in_words(alice: Account, cobalt: Endpoint) -> None:
    make_generation("gen-1", (cobalt, Outcome.OK), account=alice, verdict=Verdict.SCHEMA_MISMATCH)
    Attempt.objects.update(
        call_errors=[["schema_mismatch", "/city type"], ["unknown_name", ""]],
        tool_choice_violated=True,
        probability=0.25,
    )
    attempt = Attempt.objects.get()

    page = curator().get(f"{ATTEMPTS}{attempt.pk}/change/").text

    assert "schema mismatch: city has the wrong type" in page
    assert "unknown tool" in page
    assert "tool_choice violated" in page
    assert "the router, with probability 25%" in page


@pytest.mark.parametrize("place", ["<b>x</b> type", "/<script> enum"])
def test_what_a_provider_wrote_is_shown_as_text(
    alice: Account, cobalt: Endpoint, place: str
) -> None:
    make_generation("gen-1", (cobalt, Outcome.OK), account=alice, app_title="<script>1</script>")
    Attempt.objects.update(call_errors=[["schema_mismatch", place]], finish_reason="<i>")
    attempt = Attempt.objects.get()
    client = curator()

    pages = [f"{ATTEMPTS}{attempt.pk}/change/", f"{GENERATIONS}gen-1/change/", ATTEMPTS]

    for url in pages:
        page = client.get(url).text
        assert not any(markup in page for markup in ["<b>x", "<script>1", "/<script> ", "<i>"])


def test_facts_are_read_only(alice: Account, cobalt: Endpoint) -> None:
    make_generation("gen-1", (cobalt, Outcome.OK), account=alice)
    client = curator()
    attempt = Attempt.objects.get()

    for page in [f"{GENERATIONS}gen-1/", f"{ATTEMPTS}{attempt.pk}/"]:
        assert client.post(f"{page}change/", {"outcome": "ok"}).status_code == 403
        assert client.post(f"{page}delete/", {"post": "yes"}).status_code == 403
    for page in [ATTEMPTS, GENERATIONS, COUNTS]:
        assert client.get(f"{page}add/").status_code == 403
    assert Generation.objects.count() == 1


def test_every_outcome_has_its_words() -> None:
    assert set(WHY) == set(Outcome)
    assert set(OUTCOME_COLOURS) < set(Outcome)


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ([], []),
        ([["invalid_json", ""]], ["invalid JSON"]),
        ([["schema_mismatch", " type"]],
         ["schema mismatch: the arguments object has the wrong type"]),
        ([["schema_mismatch", "/a~1b/0 enum"]],
         ["schema mismatch: a/b → 0 is none of the allowed values"]),
        ([["schema_mismatch", "/x dependentRequired"]],
         ["schema mismatch: x breaks “dependentRequired”"]),
        ([["invalid_json", "syntax"]], ["invalid JSON: the arguments object cannot be parsed"]),
        ([["from the future"]], []),
    ],
)  # fmt: skip
def test_call_errors_read_as_sentences(errors: list[list[str]], words: list[str]) -> None:
    assert call_errors(errors) == words


def test_periods_are_whole_utc_days_that_include_today() -> None:
    at = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)

    assert since("hour", at) == datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
    assert since("1", at) == datetime(2026, 3, 10, tzinfo=UTC)
    assert since("7", at) == datetime(2026, 3, 4, tzinfo=UTC)
    assert since("all", at) is None


@pytest.fixture
def count(cobalt: Endpoint) -> Callable[..., None]:
    def add(endpoint: Endpoint, verdict: Verdict, attempts: int, days_ago: int = 0) -> None:
        day = now().date() - timedelta(days=days_ago)
        VerdictCount.objects.create(endpoint=endpoint, day=day, verdict=verdict, attempts=attempts)

    return add


def table_of(client: Client, days: str = "7") -> Any:
    [table] = client.get(f"{COUNTS}?days={days}").context["tables"]
    return table


def test_counts_per_endpoint_with_shares_and_a_total(
    cobalt: Endpoint, count: Callable[..., None]
) -> None:
    other = make_endpoint("zinc")
    count(cobalt, Verdict.VALID, 90)
    count(cobalt, Verdict.VALID, 6, days_ago=6)
    count(cobalt, Verdict.VALID, 1000, days_ago=7)
    count(cobalt, Verdict.SCHEMA_MISMATCH, 4)
    count(cobalt, Verdict.NONE, 50)
    count(other, Verdict.INVALID_JSON, 1)

    table = table_of(curator())

    first, second, whole = table.rows
    assert (first.name, first.judged, first.error_rate, first.total) == ("cobalt", 100, 0.04, 150)
    assert [(c.attempts, c.share) for c in first.cells[:4]] == [
        (96, 0.96), (0, 0.0), (0, 0.0), (4, 0.04),
    ]  # fmt: skip
    assert second.error_rate == 1.0
    assert (whole.name, whole.total, whole.judged) == ("All endpoints", 151, 101)


def test_an_endpoint_that_was_never_judged_has_no_rate(
    cobalt: Endpoint, count: Callable[..., None]
) -> None:
    count(cobalt, Verdict.NONE, 3)
    client = curator()

    [row] = table_of(client).rows

    assert row.error_rate is None
    assert "0 judged" in client.get(COUNTS).text


def test_a_count_leads_to_as_many_attempts(
    cobalt: Endpoint, alice: Account, count: Callable[..., None]
) -> None:
    for number in range(2):
        make_generation(f"gen-{number}", (cobalt, Outcome.OK), account=alice)
    make_generation("gen-none", (cobalt, Outcome.OK), account=alice, verdict=Verdict.NONE)
    count(cobalt, Verdict.VALID, 2)
    count(cobalt, Verdict.NONE, 1)
    client = curator()

    [row] = table_of(client, "1").rows

    for cell in row.cells:
        assert len(rows_of(client, cell.url)) == cell.attempts


@pytest.mark.parametrize("days", ["1", "7", "30", "", "-1", "x' OR 1=1"])
def test_the_counts_open_for_any_period(days: str) -> None:
    page = curator().get(COUNTS, {"days": days}).text

    assert "No attempts in this time" in page


def test_the_counts_never_read_attempts(cobalt: Endpoint, count: Callable[..., None]) -> None:
    count(cobalt, Verdict.VALID, 1)
    client = curator()

    with CaptureQueriesContext(connection) as queries:
        client.get(COUNTS)

    assert not [q for q in queries if "telemetry_attempt" in q["sql"]]
