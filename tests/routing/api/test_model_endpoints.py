"""Endpoints of a model, those that keep no data, and what they take: from facts to figures."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils.timezone import now
from openrouter import OpenRouter

from telemetry.ingest import ingest_all
from tests.catalog_rows import MODEL, make_allowlist, make_endpoint, make_provider
from tests.routing.api.test_exacto import CRITERION
from tests.routing.gateway.test_snapshot import make_score, set_aside
from tests.telemetry.spooled import attempt_fact, leave_segment
from tests.telemetry_rows import make_service

pytestmark = pytest.mark.django_db


def get_endpoints(client: Client, name: str = MODEL) -> list[dict[str, Any]]:
    response = client.get(f"/api/v1/models/{name}/endpoints")
    assert response.status_code == 200
    rows: list[dict[str, Any]] = response.json()["data"]["endpoints"]
    return rows


def test_the_official_client_reads_the_endpoints(sdk: Callable[[str], OpenRouter]) -> None:
    listed = make_endpoint("cobalt", tag="cobalt/fp8", quantization="fp8", tool_choices=["auto"])
    make_endpoint("zinc", supported_parameters=["seed"])
    make_allowlist(listed)

    data = sdk("any").endpoints.list(author="acme", slug="falcon-1").data

    assert data.id == MODEL
    cobalt, zinc = data.endpoints
    assert (cobalt.tag, cobalt.quantization, cobalt.provider_name) == (
        "cobalt/fp8",
        "fp8",
        "Cobalt",
    )
    assert cobalt.name == f"Cobalt | {MODEL}"
    assert (cobalt.supports_tool_choice.auto, cobalt.supports_tool_choice.required) == (True, False)
    assert not zinc.supports_tool_choice.auto


# Live figures ------------------------------------------------------------------------------


def test_facts_become_figures(
    client: Client, sdk: Callable[[str], OpenRouter], tmp_path: Path
) -> None:
    endpoint = make_endpoint("cobalt")
    at = now().timestamp() - 60
    facts = [
        attempt_fact(
            f"gen-{number}", endpoint_id=endpoint.pk, started_at=at, duration_ms=2000,
            latency_ms=400, completion_tokens=100, outcome="http_5xx" if number < 2 else "ok",
        )
        for number in range(25)
    ]  # fmt: skip
    leave_segment(tmp_path, facts)
    ingest_all(tmp_path)

    [row] = get_endpoints(client)

    assert row["uptime_last_5m"] == row["uptime_last_30m"] == row["uptime_last_1d"] == 92.0
    assert row["latency_last_30m"] == pytest.approx(dict.fromkeys(PERCENTILES, 400), rel=0.03)
    assert row["throughput_last_30m"] == pytest.approx(dict.fromkeys(PERCENTILES, 50), rel=0.03)
    # 92 % is less than UPTIME_NORMAL.
    assert row["status"] == -1
    [read] = sdk("any").endpoints.list(author="acme", slug="falcon-1").data.endpoints
    assert read.latency_last_30m is not None
    assert read.latency_last_30m.p99 == row["latency_last_30m"]["p99"]
    assert read.uptime_last_1d == 92.0


PERCENTILES = ("p50", "p75", "p90", "p99")


def test_what_is_not_known_is_null(client: Client) -> None:
    make_endpoint("cobalt")

    [row] = get_endpoints(client)

    live = [name for name in row if "_last_" in name]
    assert len(live) == 5
    assert {row[name] for name in live} == {None}
    assert row["status"] == 0
    assert row["exacto"] == {
        "listed": False,
        "serves": False,
        "edition": None,
        "standing": "insufficient_data",
        "error_rate": None,
        "propensity": None,
        "sample": None,
    }


def test_no_uptime_of_too_few_requests(client: Client, settings: LazySettings) -> None:
    make_service(make_endpoint("cobalt"), ok=settings.LIMITS.uptime_told_requests - 1, speeds=[9])

    [row] = get_endpoints(client)

    assert row["uptime_last_5m"] is row["uptime_last_1d"] is None
    assert row["throughput_last_30m"]["p50"] == pytest.approx(9, rel=0.03)


@pytest.mark.parametrize(
    ("ok", "failed", "status"), [(95, 5, 0), (94, 6, -1), (80, 20, -1), (79, 21, -2), (0, 100, -2)]
)
def test_status_follows_the_last_half_hour(
    client: Client, ok: int, failed: int, status: int
) -> None:
    make_service(make_endpoint("cobalt"), ok=ok, failed=failed, ago=timedelta(minutes=10))

    [row] = get_endpoints(client)

    assert (row["status"], row["uptime_last_30m"], row["uptime_last_5m"]) == (status, ok, None)


# Exacto ------------------------------------------------------------------------------------


def test_tells_standing_error_rate_propensity_and_sample(client: Client) -> None:
    endpoint = make_endpoint("cobalt")
    make_allowlist(endpoint)
    edition = make_allowlist(endpoint)
    propensity = CRITERION | {"estimate": 1.1, "low": 0.9, "high": 1.3}
    make_score(endpoint, criteria={"accuracy": CRITERION, "propensity": propensity})

    [row] = get_endpoints(client)

    assert row["exacto"] == {
        "listed": True,
        "serves": True,
        "edition": edition.version,
        "standing": "verified",
        "error_rate": {"estimate": 0.004, "low": 0.003, "high": 0.006},
        "propensity": {"estimate": 1.1, "low": 0.9, "high": 1.3},
        "sample": {"requests": 9870, "owners": 41},
    }


def test_too_little_evidence_has_no_rate(client: Client) -> None:
    endpoint = make_endpoint("cobalt")
    unknown = CRITERION | {"estimate": None, "low": None, "high": None, "requests": 7, "owners": 5}
    make_score(endpoint, "insufficient_data", criteria={"accuracy": unknown})

    [row] = get_endpoints(client)

    assert (row["exacto"]["error_rate"], row["exacto"]["propensity"]) == (None, None)
    assert row["exacto"]["sample"] == {"requests": 7, "owners": 5}


def test_no_figure_of_few_owners_is_told(client: Client) -> None:
    few = CRITERION | {"owners": 4}
    make_score(make_endpoint("cobalt"), criteria={"accuracy": few, "propensity": few})

    [row] = get_endpoints(client)

    assert row["exacto"]["standing"] == "verified"
    assert [row["exacto"][name] for name in ("error_rate", "propensity", "sample")] == [None] * 3


def test_says_of_each_endpoint_whether_exacto_lists_and_uses_it(client: Client) -> None:
    listed, broken = make_endpoint("cobalt"), make_endpoint("iron")
    make_endpoint("zinc")
    make_allowlist(listed, broken)
    make_score(broken)
    set_aside(broken)

    rows = {row["tag"]: row["exacto"] for row in get_endpoints(client)}

    assert {tag: (row["listed"], row["serves"], row["edition"]) for tag, row in rows.items()} == {
        "cobalt": (True, True, 1),
        "iron": (True, False, 1),
        "zinc": (False, False, 1),
    }
    assert rows["iron"]["standing"] == "quarantined"


# Variants ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [":exacto", "%3Aexacto", ":exacto:floor", ":online:exacto"])
def test_with_exacto_shows_only_the_pool(client: Client, suffix: str) -> None:
    listed, broken = make_endpoint("cobalt"), make_endpoint("iron")
    make_endpoint("zinc")
    make_allowlist(listed, broken)
    set_aside(broken)

    assert [row["tag"] for row in get_endpoints(client, MODEL + suffix)] == ["cobalt"]


def test_the_official_client_asks_for_the_pool(sdk: Callable[[str], OpenRouter]) -> None:
    listed = make_endpoint("cobalt")
    make_endpoint("zinc")
    make_allowlist(listed)

    data = sdk("any").endpoints.list(author="acme", slug="falcon-1:exacto").data

    assert (data.id, [e.tag for e in data.endpoints]) == (MODEL, ["cobalt"])


def test_a_draft_and_a_withdrawn_edition_are_no_pool(client: Client) -> None:
    endpoint = make_endpoint("cobalt")
    make_allowlist(endpoint).retire(by=None, reason="Gone.")
    make_allowlist(endpoint, published=False)

    assert get_endpoints(client, f"{MODEL}:exacto") == []


@pytest.mark.parametrize("suffix", [":nitro", ":floor", ":online"])
def test_a_sorting_variant_shows_every_endpoint(client: Client, suffix: str) -> None:
    make_endpoint("cobalt")
    make_endpoint("zinc")

    assert len(get_endpoints(client, MODEL + suffix)) == 2


@pytest.mark.parametrize("suffix", [":free", ":batch", ":thinking", ":extended:nitro"])
def test_a_catalogue_variant_that_is_none_has_no_endpoints(client: Client, suffix: str) -> None:
    make_endpoint("cobalt")

    assert get_endpoints(client, MODEL + suffix) == []


@pytest.mark.parametrize(
    "name",
    [
        "acme/unknown",
        "acme/unknown:free",
        f"{MODEL}:free:batch",
        f"{MODEL}:nope",
        f"{MODEL}:exacto:exacto",
        "acme/%00",
        "acme/' OR 1=1 --",
    ],
)
@pytest.mark.parametrize("path", ["models/{}/endpoints", "parameters/{}"])
def test_an_unknown_model_is_404_in_json(client: Client, name: str, path: str) -> None:
    make_endpoint("cobalt")

    answer = client.get(f"/api/v1/{path.format(name)}")

    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["code"] == 404
    assert error["availability"]["code"] == "model_not_found"


def test_a_provider_of_any_name_is_data_not_markup(client: Client) -> None:
    provider = make_provider("cobalt", name="Cöbalt & Söhne \U0001f680")
    make_endpoint(provider)

    [row] = get_endpoints(client, MODEL)

    assert row["provider_name"] == provider.name


@pytest.mark.parametrize(
    ("parameters", "choices", "supported"),
    [
        (["tools", "tool_choice"], [], {"none", "auto", "required", "function"}),
        (["tools", "tool_choice"], ["none", "auto"], {"none", "auto"}),
        (["tools"], [], {"none", "auto"}),
        (["tool_choice"], [], set()),
    ],
)
def test_says_which_tool_choices_the_router_would_send(
    client: Client, parameters: list[str], choices: list[str], supported: set[str]
) -> None:
    make_endpoint("cobalt", supported_parameters=parameters, tool_choices=choices)

    [row] = get_endpoints(client)

    assert {name for name, can in row["supports_tool_choice"].items() if can} == supported


# Elsewhere ---------------------------------------------------------------------------------


def test_the_official_client_reads_who_keeps_no_data(sdk: Callable[[str], OpenRouter]) -> None:
    forgetful = make_provider("zinc", zero_data_retention=True)
    make_endpoint("cobalt")
    make_endpoint("cobalt", "acme/other", zero_data_retention=True)
    make_endpoint(forgetful)
    make_endpoint(forgetful, "acme/other", zero_data_retention=False)
    make_endpoint(forgetful, "acme/off", enabled=False)

    rows = sdk("any").endpoints.list_zdr_endpoints().data

    assert [(row.model_id, row.tag) for row in rows] == [(MODEL, "zinc"), ("acme/other", "cobalt")]


def test_tells_what_a_models_endpoints_take(client: Client) -> None:
    listed = make_endpoint("cobalt", supported_parameters=["tools", "seed"])
    make_endpoint("zinc", tag="zinc/fp8", supported_parameters=["top_k"])
    make_allowlist(listed)

    def taken(asked: str) -> Any:
        return client.get(f"/api/v1/parameters/{asked}").json()["data"]

    assert taken(MODEL) == {"model": MODEL, "supported_parameters": ["seed", "tools", "top_k"]}
    for name in ("zinc", "Zinc", "zinc/fp8"):
        assert taken(f"{MODEL}?provider={name}")["supported_parameters"] == ["top_k"]
    assert taken(f"{MODEL}:exacto")["supported_parameters"] == ["seed", "tools"]
    refused = client.get(f"/api/v1/parameters/{MODEL}?provider=iron")
    assert refused.status_code == 404
    assert refused.json()["error"]["metadata"]["path"] == "provider"


def test_the_cheapest_comes_first(client: Client) -> None:
    make_endpoint("cobalt", price_prompt=Decimal("0.0000009"))
    make_endpoint("zinc", price_prompt=Decimal("0.0000003"))

    assert [row["tag"] for row in get_endpoints(client)] == ["zinc", "cobalt"]
