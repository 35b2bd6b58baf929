"""/account/ and /account/generations/: what was spent, what was asked, who served it and why."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from routing.models import Account, ApiKey
from telemetry.models import Generation, Outcome, Verdict
from tests.catalog_rows import MODEL, make_endpoint, make_key
from tests.routing.pages.account_visitor import visitor
from tests.telemetry_rows import make_generation

pytestmark = pytest.mark.django_db
LIST = "/account/generations/"


def asked(name: str, key: str = "own", *, ago: float = 0, **fields: Any) -> Generation:
    """Have a key of that label ask once; amber fails and cobalt answers."""
    row = ApiKey.objects.select_related("account").get(label=key)
    endpoints = fields.pop("endpoints")
    return make_generation(
        name,
        (endpoints[0], Outcome.HTTP_5XX),
        (endpoints[1], Outcome.OK),
        account=row.account,
        api_key_id=row.pk,
        at=now() - timedelta(seconds=ago),
        **fields,
    )


@pytest.fixture
def endpoints() -> list[Any]:
    return [make_endpoint("amber"), make_endpoint("cobalt"), make_endpoint("dune")]


def test_an_ordinary_key_lists_its_own_a_management_key_all(endpoints: list[Any]) -> None:
    own, manager = make_key("Alice", "own"), make_key("Alice", "m", management=True)
    make_key("Alice", "other")
    make_key("Bob", "bobs")
    for name, key in (("gen-own", "own"), ("gen-other", "other"), ("gen-bob", "bobs")):
        asked(name, key, endpoints=endpoints)

    def listed(key: str) -> list[bool]:
        page = visitor(key).get(LIST).text
        return [name in page for name in ("gen-own", "gen-other", "gen-bob")]

    assert listed(own) == [True, False, False]
    assert listed(manager) == [True, True, False]


def test_pages_go_on_where_the_last_ended_even_within_one_moment(
    endpoints: list[Any], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = visitor(make_key("Alice", "own"))
    at = now()
    for number in range(120):
        row = asked(f"gen-{number:03}", endpoints=endpoints)
        Generation.objects.filter(pk=row.pk).update(created_at=at - timedelta(seconds=number // 60))

    seen: list[str] = []
    address = LIST
    for _ in range(3):
        with django_assert_max_num_queries(5):
            page = client.get(address).text
        found = [line.split('"')[1].rsplit("/", 1)[1] for line in page.split("<a href=")[1:]
                 if "/gen-" in line.split('"')[1]]  # fmt: skip
        seen += found
        address = f"{LIST}?before={found[-1]}"

    assert len(seen) == len(set(seen)) == 120
    assert seen[:60] == [f"gen-{number:03}" for number in range(59, -1, -1)]
    assert ">Earlier<" not in page


def test_explains_who_served_who_was_left_out_and_why(endpoints: list[Any]) -> None:
    key = make_key("Alice", "own")
    amber, cobalt, dune = endpoints
    decision = {
        "seed": 7,
        "snapshot": 3,
        "lists": [[f"{MODEL}:exacto", 4]],
        "candidates": [
            {"id": amber.pk, "p": 0.75, "standing": "verified", "state": ["degraded"]},
            {"id": cobalt.pk, "p": 0.25, "standing": None},
        ],
        "excluded": [{"id": dune.pk, "why": "exacto_pool"}, {"id": 999, "why": "new_code"}],
        "left_out": 2,
    }
    asked("gen-1", endpoints=endpoints, decision=decision, verdict=Verdict.SCHEMA_MISMATCH)

    answer = visitor(key).get(f"{LIST}gen-1")

    assert answer.status_code == 200
    page = " ".join(answer.text.split())
    for words in (
        "<strong>Cobalt</strong>", "server error", "schema mismatch", "75.0 %", "degraded",
        "not on the published allowlist <code>exacto_pool</code>", "new_code", "removed since",
        "edition 4", "2 more are not listed", "$0.000920",
    ):  # fmt: skip
        assert words in page, words


def test_one_without_a_decision_says_so(endpoints: list[Any]) -> None:
    key = make_key("Alice", "own")
    asked("gen-1", endpoints=endpoints)

    assert "was not kept" in visitor(key).get(f"{LIST}gen-1").text


def test_an_id_leads_to_its_page_and_anothers_is_like_none(endpoints: list[Any]) -> None:
    client = visitor(make_key("Alice", "own"))
    make_key("Bob", "bobs")
    asked("gen-1", endpoints=endpoints)
    asked("gen-bob", "bobs", endpoints=endpoints)

    assert client.get(LIST, {"id": " gen-1 "})["Location"] == f"{LIST}gen-1"
    pages = [
        client.get(LIST, {"id": "gen-bob"}),
        client.get(LIST, {"id": "gen-none"}),
        client.get(LIST, {"id": "../<script>"}),
        client.get(LIST, {"before": "gen-bob"}),
        client.get(f"{LIST}gen-bob"),
        client.get(f"{LIST}nonsense%00"),
    ]
    assert {answer.status_code for answer in pages} == {404}
    assert len({answer.text.split("<h1>")[1] for answer in pages}) == 1


def test_what_callers_named_is_text(endpoints: list[Any]) -> None:
    key = make_key("Alice", "own")
    asked("gen-1", endpoints=endpoints, requested_model="<script>x</script>")

    assert "<script" not in visitor(key).get(LIST).text + visitor(key).get(f"{LIST}gen-1").text


def test_a_key_sees_its_own_money_and_no_other() -> None:
    key = make_key("Alice", "own", spend_limit=Decimal(10))
    make_key("Alice", "other")
    endpoints = [make_endpoint("amber"), make_endpoint("cobalt")]
    Account.objects.update(credits=Decimal("123.45"))
    asked("gen-1", endpoints=endpoints, cost=Decimal("2.5"))
    asked("gen-2", "other", endpoints=endpoints, cost=Decimal("33.25"))

    page = visitor(key).get("/account/").text

    assert "$2.50" in page
    assert "<strong>$7.50</strong> left" in page
    assert not any(amount in page for amount in ("33.25", "35.75", "123.45"))


def test_a_management_key_sees_what_all_spent_by_day_and_model(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    manager = make_key("Alice", "m", management=True)
    make_key("Alice", "own")
    make_key("Bob", "bobs")
    endpoints = [make_endpoint("amber"), make_endpoint("cobalt")]
    Account.objects.update(credits=Decimal(100))
    day = 24 * 3600
    asked("gen-1", endpoints=endpoints, ago=day, cost=Decimal("2.5"))
    asked("gen-2", endpoints=endpoints, ago=2 * day, cost=Decimal(4))
    asked("gen-3", endpoints=endpoints, ago=60 * day, cost=Decimal(16))
    asked("gen-4", "bobs", endpoints=endpoints, ago=day, cost=Decimal(64))
    client: Client = visitor(manager)

    with django_assert_max_num_queries(12):
        page = client.get("/account/").text

    assert "$6.50 in all" in page
    assert "<strong>$77.50</strong> are left" in page
    assert "$6.50 in the 30 days from" in page  # what the plot says
    assert MODEL in page
    assert "$64" not in page
