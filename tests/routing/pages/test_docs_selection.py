"""/docs/selection: how providers are selected, with the numbers this server decides by."""

import doctest
import re
from dataclasses import asdict, fields, replace
from html import unescape
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest
from django.conf import LazySettings
from django.test import Client

from routing.gateway import admission
from routing.gateway import selection as gateway
from routing.gateway.admission import Prices
from routing.gateway.preferences import Preferences
from routing.gateway.selection import choose
from routing.models import ModelPolicy
from routing.pages.docs import selection
from routing.pages.docs.selection import MODELS_TOLD
from routing.pages.docs.thresholds import meanings
from routing.templatetags import prose
from telemetry.scoring.method import DEFAULT, Method
from telemetry.scoring.openrouter_thresholds import DEFAULT_RULE
from tests.catalog_rows import MODEL, make_allowlist, make_endpoint
from tests.routing.gateway.specs import make_endpoint as make_spec

pytestmark = pytest.mark.django_db
PATH = "/docs/selection"


def page(client: Client) -> str:
    answer = client.get(PATH)
    assert answer.status_code == 200
    return answer.content.decode()


def words(text: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", "", text)).split())


def rows(text: str) -> dict[str, str]:
    """Return the table of thresholds: name to value."""
    table = text.partition('id="thresholds"')[2].partition("</table>")[0]
    return dict(re.findall(r"<code>(\w+)</code></th><td>([^<]*)</td>", table))


def test_every_threshold_is_told_with_its_meaning(client: Client) -> None:
    told = rows(page(client))

    assert set(told) == {field.name for field in fields(Method)}
    assert told["enter_calls"] == f"{DEFAULT.enter_calls:.0f}"
    assert told["quarantine_hours"] == "2, 8, 24, 72"
    assert set(meanings()) >= set(told)


def test_the_numbers_are_those_of_the_code_everywhere(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers that nobody would type stand in each place where the text tells a threshold."""
    fields_of = asdict(DEFAULT).items()
    numbers: dict[str, Any] = {name: one for name, one in fields_of if type(one) is float}
    strange = replace(DEFAULT, **{name: one + 0.0625 for name, one in numbers.items()})
    before = re.sub(r'<table id="thresholds">.*?</table>', "", page(client), flags=re.DOTALL)

    monkeypatch.setattr(selection, "DEFAULT", strange)
    after = re.sub(r'<table id="thresholds">.*?</table>', "", page(client), flags=re.DOTALL)

    for name in ("margin_share", "propensity_margin", "ignore_share", "loss_ceiling"):
        assert f"<mn>{getattr(strange, name)}</mn>" in after
        assert f"<mn>{getattr(strange, name)}</mn>" not in before
    assert "half-life of 7 days" in after
    for name in ("first_accuracy", "leave_accuracy", "enter_accuracy", "enter_propensity"):
        assert f"<td>{getattr(strange, name)} or more</td>" in after


def test_the_formula_of_prices_is_the_one_that_draws(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = [Prices(prompt=at * 10**6, completion=10**6) for at in (2, 1)]
    pool = [replace(make_spec(at), prices=one) for at, one in enumerate(prices)]

    def told() -> list[str]:
        formula, caption = re.findall(r"<figure>(.*?)<figcaption>(.*?)<", page(client), re.DOTALL)[
            0
        ]
        share = re.findall(r"is drawn (.*?) as often. c is (\d+) parts", caption)
        return [*re.findall(r"<mn>(\w+)</mn>", formula), *share[0]]

    def dear_is_first() -> float:
        [chance] = [
            one.probability
            for seed in range(99)
            for one in choose(pool, Preferences(), {}, Random(seed))[:1]
            if one.endpoint is pool[0]
        ][:1]
        return chance

    assert told() == ["2", "2", "3", "25 %", "3"]
    assert dear_is_first() == pytest.approx(7**-2 / (7**-2 + 4**-2))
    monkeypatch.setattr(admission, "PROMPT_PARTS", 5)
    monkeypatch.setattr(gateway, "PRICE_POWER", 3)
    assert told() == ["3", "3", "5", "12.5 %", "5"]
    assert dear_is_first() == pytest.approx(11**-3 / (11**-3 + 6**-3))


def test_the_mode_without_a_policy_is_the_models(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Without one it is propose:" in words(page(client))

    monkeypatch.setattr(ModelPolicy._meta.get_field("mode"), "_get_default", lambda: "manual")

    assert "Without one it is manual:" in words(page(client))


def test_settings_of_this_server_are_told(client: Client, settings: LazySettings) -> None:
    assert "here: off" in page(client)
    settings.AUTO_EXACTO = "shadow"
    settings.BENCHMARK_REQUIRED = True
    settings.LIMITS = replace(settings.LIMITS, attempts=7)

    text = page(client)

    assert "here: shadow" in text
    assert "Up to 7 endpoints" in text
    assert rows(text)["benchmark_required"] == "yes"
    assert "; a benchmark" in text
    assert f"{DEFAULT_RULE.peers} endpoints or more" in words(text)


def test_policies_of_published_models_are_told(client: Client, settings: LazySettings) -> None:
    published = make_allowlist(make_endpoint("amber"))
    make_endpoint("amber", "acme/unlisted", tag="amber/2")
    ModelPolicy.objects.create(model=published.model, mode="auto", min_pool=3)

    text = page(client)

    table = text.partition('id="policies"')[2].partition("</table>")[0]
    assert f"{MODEL}autoassay3" in words(table).replace(" ", "")
    assert "acme/unlisted" not in text

    settings.PUBLIC_SCOREBOARD = False
    assert MODEL not in page(client)


def test_a_long_list_of_policies_ends(client: Client) -> None:
    for number in range(MODELS_TOLD + 1):
        make_allowlist(make_endpoint("amber", f"acme/m-{number:03}", tag=f"amber/{number}"))

    text = page(client)

    assert f"acme/m-{MODELS_TOLD - 1:03}" in text
    assert f"acme/m-{MODELS_TOLD:03}" not in text
    assert f"These are the first {MODELS_TOLD}." in text


def test_steps_come_in_the_order_of_the_code(client: Client) -> None:
    told = re.findall(r"<li><strong>(\w+)\.</strong>", page(client))

    assert told == ["Name", "Allowlist", "Filters", "Order", "Attempts"]


def test_formulas_are_mathml_and_said_in_words(client: Client) -> None:
    formulas = re.findall(r"<math.*?</math>", page(client), re.DOTALL)

    assert len(formulas) == 7
    for formula in formulas:
        tree = ElementTree.fromstring(formula)
        assert len(tree.attrib["aria-label"]) > 40
        assert tree.attrib["display"] == "block"


def test_the_page_is_the_same_for_everybody_and_kept(client: Client) -> None:
    first = client.get(PATH)
    again = client.get(PATH, headers={"If-None-Match": first["ETag"]})

    assert first["Cache-Control"] == "public, max-age=30"
    assert (again.status_code, again.content) == (304, b"")
    assert b"testserver" not in first.content


def test_doctests() -> None:
    assert doctest.testmod(selection).failed == 0
    assert doctest.testmod(prose).failed == 0
