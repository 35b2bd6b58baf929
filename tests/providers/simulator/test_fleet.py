from pathlib import Path
from typing import Any

import pytest
import yaml

from providers.simulator.fleet import DEMO_FLEET, Fleet, FleetError, load, parse
from tests.providers.simulator.rehearsal import endpoint


def with_endpoint(**fields: Any) -> Fleet:
    return parse({"providers": {"cobalt": {"endpoints": [{"model": "m", **fields}]}}})


def test_the_demo_fleet_hosts_what_the_demo_catalogue_expects() -> None:
    fleet = load(DEMO_FLEET)

    hosted = {slug: set(provider.endpoints) for slug, provider in fleet.providers.items()}

    everything = {
        "kimi-k2-0905",
        "deepseek-v3.1-terminus",
        "glm-4.6",
        "gpt-oss-120b",
        "qwen3-coder",
    }
    assert hosted == {
        "cobalt": everything | {"qwen3-embedding-8b"},
        "larkspur": everything | {"qwen3-embedding-8b"},
        "meridian": everything,
        "tallow": everything,
        "quillstone": everything - {"qwen3-coder"},
        "brindle": everything - {"glm-4.6"},
    }


def test_an_endpoint_overrides_its_providers_defaults() -> None:
    entry = {
        "defaults": {"ttft_ms": 80, "propensity": 0.5},
        "endpoints": ["plain", {"model": "own", "propensity": 0.7}],
    }

    endpoints = parse({"providers": {"cobalt": entry}}).providers["cobalt"].endpoints

    assert [endpoints["plain"].propensity, endpoints["own"].propensity] == [0.5, 0.7]
    assert endpoints["own"].ttft_median_ms == 80


def test_a_fault_may_carry_its_parameter() -> None:
    [(injected, probability)] = endpoint(faults={"http_429:7": 0.25}).faults

    assert (str(injected), probability) == ("http_429:7", 0.25)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"faults": {"bogus": 0.1}}, "faults.bogus: unknown fault; known: arguments_as_object,"),
        ({"faults": {"http_429:soon": 1}}, "faults.http_429:soon: http_429 wants a number (sec"),
        ({"faults": {"html_200:3": 1}}, "faults.html_200:3: html_200 takes no parameter"),
        ({"faults": {"stall": 1.5}}, "faults.stall: a number from 0 to 1 is needed"),
        ({"faults": {"stall": 0.6}, "error_rate": 0.6}, "faults: the probabilities and error_rat"),
        ({"faults": ["stall"]}, "faults: a mapping is needed"),
        ({"faults": {500: 1}}, "faults: the key 500 must be text"),
        ({"quirks": ["odd"]}, "quirks[0]: unknown quirk 'odd'; known: "),
        ({"quirks": [{}]}, "quirks[0]: unknown quirk {}; known: "),
        ({"quirks": "odd"}, "quirks: a list is needed"),
        ({"ttft_ms": {"mean": 3}}, "ttft_ms.mean: unknown key; known: median, spread"),
        ({"ttft_ms": -1}, "ttft_ms.median: a number from 0 to 1e+06 is needed"),
        ({"tokens_per_second": "fast"}, "tokens_per_second: a number from 0"),
        ({"propensity": True}, "propensity: a number from 0 to 1 is needed"),
        ({"usage": "no"}, "usage: true or false is needed"),
        ({"model": ""}, "model: text is needed"),
        ({"speed": 3}, "speed: unknown key; known: dimensions, error_rate, "),
    ],
)
def test_a_complaint_names_the_path(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(FleetError) as caught:
        with_endpoint(**fields)

    assert str(caught.value).startswith(f"providers.cobalt.endpoints[0].{complaint}")


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (None, "fleet: a mapping is needed"),
        ({}, "providers: a mapping is needed"),
        ({"providers": {}}, "providers: at least one is needed"),
        ({"provider": {}}, "fleet.provider: unknown key; known: providers"),
        ({"providers": {"Cobalt": {}}}, "providers.Cobalt: a slug has small letters"),
        ({"providers": {"cobalt": {}}}, "providers.cobalt.endpoints: a list with at least one"),
        ({"providers": {"a": {"endpoints": ["m", "m"]}}}, "providers.a.endpoints[1].model: m is l"),
        ({"providers": {"a": {"endpoints": [3]}}}, "providers.a.endpoints[0]: a mapping is needed"),
        ({"providers": {"a": {"api_key": 3, "endpoints": ["m"]}}}, "providers.a.api_key: text is"),
    ],
)
def test_a_document_of_another_shape_is_refused(document: Any, complaint: str) -> None:
    with pytest.raises(FleetError) as caught:
        parse(document)

    assert str(caught.value).startswith(complaint)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "fleet.yaml"
    broken.write_text("providers:\n  - [\n")

    with pytest.raises(FleetError, match=r"missing\.yaml: No such file"):
        load(tmp_path / "missing.yaml")
    with pytest.raises(FleetError, match=r"fleet\.yaml, line 3: not a YAML file"):
        load(broken)


def test_a_key_never_shows_in_a_fleets_repr() -> None:
    fleet = parse({"providers": {"a": {"api_key": "sk-hidden", "endpoints": ["m"]}}})

    assert "sk-hidden" not in repr(fleet)


def test_every_demo_number_is_pleasant() -> None:
    endpoints = [e for p in load(DEMO_FLEET).providers.values() for e in p.endpoints.values()]

    assert all(80 <= endpoint.ttft_median_ms <= 400 for endpoint in endpoints)
    assert all(60 <= endpoint.tokens_per_second <= 200 for endpoint in endpoints)
    assert yaml.safe_load(DEMO_FLEET.read_text())["providers"]["cobalt"]["name"]
