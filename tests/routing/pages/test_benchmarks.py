"""/exacto/{author}/{slug}/benchmarks, .json and .csv: endpoints by suites, for everybody."""

import csv
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from telemetry.models import RequestSet, VerifierRun, VerifierVerdict
from tests.catalog_rows import MODEL, make_allowlist, make_endpoint, make_provider
from tests.routing.api.test_benchmarks import make_run
from tests.routing.curation.measured import make_score

pytestmark = pytest.mark.django_db
PATH = f"/exacto/{MODEL}/benchmarks"
FILES = [PATH, f"{PATH}.json", f"{PATH}.csv"]


def on(day: int) -> datetime:
    return datetime(2026, 11, day, 12, tzinfo=UTC)


def page(client: Client) -> str:
    return client.get(PATH).content.decode()


def suites(client: Client) -> list[dict[str, Any]]:
    data: dict[str, Any] = client.get(f"{PATH}.json").json()["data"]
    assert data["model"] == MODEL
    found: list[dict[str, Any]] = data["suites"]
    return found


def lines(client: Client) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(client.get(f"{PATH}.csv").content.decode())))


def test_shows_endpoints_with_interval_date_and_sample(client: Client) -> None:
    make_run(make_endpoint("amber"), {"accuracy": 0.75}, tool_calls=40, failures=3)

    shown = page(client)

    assert "75.0 % (10.0 % to 90.0 %)" in shown
    assert "20 Nov 2026" in shown
    assert "3 of 40" in shown
    assert "Accuracy, with 95 % intervals" in shown
    assert "accuracy of amber over time. 20 Nov 2026: 75.0 %" in shown


def test_an_endpoint_without_a_run_is_unknown_everywhere(client: Client) -> None:
    make_run(make_endpoint("zinc"), {"accuracy": 0.75})
    make_endpoint("amber")

    shown = page(client)

    assert "1 of 2 endpoints measured" in shown
    assert shown.count("unknown: not measured") == 1
    [suite] = suites(client)
    assert [(one["endpoint"], one["state"]) for one in suite["endpoints"]] == [
        ("zinc", "measured"), ("amber", "unknown"),
    ]  # fmt: skip
    assert [(one["endpoint"], one["state"], one["value"]) for one in lines(client)] == [
        ("zinc", "measured", "0.75"), ("amber", "unknown", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        {"suite": "tau2"}, {"suite_version": "2"}, {"judge": "another"}, {"request_set": "b" * 64},
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_in_tables_of_its_own(
    client: Client, other: dict[str, str]
) -> None:
    make_run(make_endpoint("amber"), {"accuracy": 0.9})
    make_run(make_endpoint("zinc"), {"accuracy": 0.5}, **other)

    told = [
        [row["endpoint"] for row in suite["endpoints"] if row["runs"]] for suite in suites(client)
    ]

    assert sorted(told) == [["amber"], ["zinc"]]
    assert page(client).count("<h2 id=") == 2


def test_runs_that_do_not_tell_what_was_asked_stand_alone(client: Client) -> None:
    endpoint = make_endpoint("amber")
    for value in (0.9, 0.5):
        make_run(endpoint, {"accuracy": value}, request_set="")

    assert [suite["request_set"] for suite in suites(client)] == [None, None]
    assert "compared with no other" in page(client)


def test_runs_of_one_endpoint_are_told_over_time_the_latest_first(client: Client) -> None:
    endpoint = make_endpoint("amber")
    for day, value in ((10, 0.5), (20, 0.7), (15, 0.6)):
        make_run(endpoint, {"accuracy": value}, measured_at=on(day))

    [suite] = suites(client)

    values = [run["figures"][0]["value"] for run in suite["endpoints"][0]["runs"]]
    assert values == [0.7, 0.6, 0.5]
    shown = page(client)
    assert "10 Nov 2026: 50.0 %; 15 Nov 2026: 60.0 %; 20 Nov 2026: 70.0 %" in shown
    assert shown.count("<circle") == 3


def test_what_was_left_out_is_counted_and_said(client: Client) -> None:
    excluded = {"no answer": 4, "judge failed": 1}
    make_run(make_endpoint("amber"), {"accuracy": 0.9}, excluded=excluded)

    assert "5 in all: 4 x no answer, 1 x judge failed" in page(client)
    assert suites(client)[0]["endpoints"][0]["runs"][0]["left_out"] == excluded
    [line] = lines(client)
    assert (line["left_out"], line["left_out_reasons"]) == ("5", "4 x no answer; 1 x judge failed")


def test_a_verifier_run_without_evidence_says_why(client: Client) -> None:
    endpoint = make_endpoint("amber")
    asked = RequestSet.objects.create(digest="a" * 64, name="mine", requests=20)
    run = VerifierRun.objects.create(
        model=endpoint.model, request_set=asked, cause=VerifierRun.Cause.PERSON
    )
    VerifierVerdict.objects.create(run=run, endpoint=endpoint, why_none="20 of 20 unreachable")

    shown = page(client)

    assert "20 of 20 unreachable" in shown
    assert "All of them are unknown, none is bad" in shown
    told = client.get(f"{PATH}.json").json()["data"]["without_evidence"]
    assert [(one["endpoint"], one["why"]) for one in told] == [("amber", "20 of 20 unreachable")]


@pytest.mark.parametrize("path", FILES)
def test_what_a_reader_has_is_not_sent_again(client: Client, path: str) -> None:
    make_run(make_endpoint("amber"), {"accuracy": 0.9})
    first = client.get(path)

    again = client.get(path, headers={"If-None-Match": first["ETag"]})

    assert first["Cache-Control"] == "public, max-age=30"
    assert not first.cookies
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", FILES)
def test_hidden_where_the_scoreboard_is_switched_off(
    client: Client, settings: LazySettings, path: str
) -> None:
    make_run(make_endpoint("amber"), {"accuracy": 0.9})
    settings.PUBLIC_SCOREBOARD = False

    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", FILES)
def test_an_unknown_model_is_said_to_be(client: Client, path: str) -> None:
    answer = client.get(path.replace(MODEL, "acme/none"))

    assert answer.status_code == 404
    assert "There is no model acme/none here." in answer.content.decode()


@pytest.mark.parametrize("path", FILES)
def test_silent_about_stopped_endpoints_and_who_ran_it(client: Client, path: str) -> None:
    make_run(make_endpoint("amber"), {"accuracy": 0.9})
    make_run(make_endpoint("zinc", enabled=False), {"accuracy": 0.9})

    told = client.get(path).content.decode()

    assert "amber" in told
    assert "zinc" not in told
    assert "Contoso" not in told


def test_names_are_text_and_no_formula(client: Client) -> None:
    provider = make_provider("amber", name="=HYPERLINK(1)")
    make_run(
        make_endpoint(provider), {"@accuracy": 0.9}, suite="<script>x</script>", judge="-1+1"
    )  # fmt: skip

    assert "<script" not in page(client)
    [line] = lines(client)
    assert (line["provider"], line["judge"], line["metric"]) == (
        "'=HYPERLINK(1)", "'-1+1", "'@accuracy",
    )  # fmt: skip


def test_the_models_page_leads_here(client: Client) -> None:
    make_allowlist(make_endpoint("amber"))

    assert f'href="{PATH}"' in client.get(f"/exacto/{MODEL}").content.decode()
    assert f'href="/exacto/{MODEL}"' in page(client)


def test_many_runs_cost_no_more_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(8):
        make_run(make_endpoint("amber", tag=f"amber/{number}"), {"accuracy": 0.9})

    with django_assert_num_queries(5):
        client.get(f"{PATH}.json")


def test_only_the_latest_runs_are_told(client: Client) -> None:
    endpoint = make_endpoint("amber")
    for number in range(32):
        make_run(endpoint, {"accuracy": 0.9}, measured_at=on(1 + number % 28))

    [suite] = suites(client)

    assert len(suite["endpoints"][0]["runs"]) == 30


def test_the_models_page_tells_whether_a_benchmark_is_asked_for(
    client: Client, settings: LazySettings
) -> None:
    make_score(make_endpoint("amber"))
    make_allowlist(make_endpoint("amber", tag="amber/2"))
    settings.BENCHMARK_REQUIRED = True

    told = client.get(f"/exacto/{MODEL}.json").json()["data"]["thresholds"]

    assert told["benchmark_required"] is True
