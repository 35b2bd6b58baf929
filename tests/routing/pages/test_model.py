"""/exacto/{author}/{slug}, its JSON, CSV and badge: what everybody may know of one allowlist."""

import csv
from io import StringIO

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from routing.models import Allowlist
from tests.catalog_rows import MODEL, make_allowlist, make_endpoint, make_provider
from tests.routing.curation.measured import criterion, make_score

pytestmark = pytest.mark.django_db
PATH = f"/exacto/{MODEL}"
FILES = [
    PATH,
    f"{PATH}.json",
    f"{PATH}.csv",
    f"{PATH}/badge.svg",
    f"{PATH}/badge.svg?endpoint=amber",
]
HOSTILE = '<script>alert("1")</script>'


def few(owners: int = 4) -> dict[str, object]:
    """Return criteria that rest on so many owners, with figures no other endpoint has."""
    one = criterion(
        "fail", 0.777, requests=3_331, owners=owners, sentence="77.7 % in 3,331 requests"
    )
    return dict.fromkeys(("accuracy", "propensity", "ignores", "losses"), one)


def test_shows_who_is_in_and_out_with_evidence(client: Client) -> None:
    amber, cobalt = make_endpoint("amber"), make_endpoint("cobalt")
    make_score(amber)
    make_score(cobalt, good=False)
    make_allowlist(amber)

    page = client.get(PATH).content.decode()

    assert "1 of 2 endpoints are on the list" in page
    assert page.index("<code>amber</code>") < page.index("<code>cobalt</code>")
    assert "0.4 % (0.2 % to 0.6 %)" in page
    assert "9,870 requests, 41 owners" in page
    assert "312 schema mismatches" in page
    assert page.count('role="img"') == 8
    assert "<code>enter_calls</code>" in page


def test_json_and_csv_tell_the_same(client: Client) -> None:
    amber, cobalt = make_endpoint("amber"), make_endpoint("cobalt")
    make_score(amber)
    make_allowlist(amber)

    data = client.get(f"{PATH}.json").json()["data"]
    lines = list(csv.DictReader(StringIO(client.get(f"{PATH}.csv").content.decode())))

    assert [row["tag"] for row in data["endpoints"]] == ["amber", "cobalt"]
    assert data["endpoints"][0]["criteria"]["accuracy"]["bound"] == [None, 0.014]
    assert data["thresholds"]["enter_calls"] == 150.0
    assert [(one["tag"], one["criterion"]) for one in lines] == [
        ("amber", "accuracy"), ("amber", "propensity"), ("amber", "ignores"),
        ("amber", "losses"), (cobalt.tag, ""),
    ]  # fmt: skip
    assert (lines[0]["estimate"], lines[0]["owners"], lines[0]["listed"]) == ("0.004", "41", "true")


def test_a_sample_says_what_of_it_benchmarks_asked(client: Client) -> None:
    amber, cobalt = make_endpoint("amber"), make_endpoint("cobalt")
    both = criterion(requests=292, benchmark_requests=183, owners=16)
    make_score(amber, criteria={"accuracy": both, "ignores": criterion(requests=16, owners=16)})
    make_allowlist(amber)

    page = client.get(PATH).text
    assert "109 requests, 16 owners, and 183 in benchmarks" in page
    assert (
        client.get(f"{PATH}.json").json()["data"]["endpoints"][0]["criteria"]["accuracy"][
            "benchmark_requests"
        ]
        == 183
    )

    make_score(cobalt, criteria={"accuracy": criterion(owners=1)})
    assert "in 109 requests from 16 owners; 183 in benchmarks" in client.get(PATH).text


def test_lost_replies_of_owners_nobody_counted_are_not_told(client: Client) -> None:
    amber = make_endpoint("amber")
    benchmarks = criterion(requests=200, owners=0)
    lost = criterion("fail", 0.9, requests=50, owners=0)
    make_score(amber, criteria={"accuracy": benchmarks, "losses": lost})
    make_allowlist(amber)

    [row] = client.get(f"{PATH}.json").json()["data"]["endpoints"]

    assert [row["criteria"][name]["withheld"] for name in ("accuracy", "losses")] == [False, True]


def test_history_says_what_changed(client: Client) -> None:
    amber, cobalt = make_endpoint("amber"), make_endpoint("cobalt")
    make_allowlist(amber)
    make_allowlist(cobalt)
    make_allowlist(amber, published=False)

    told = client.get(f"{PATH}.json").json()["data"]["history"]

    assert [(one["edition"], one["added"], one["removed"]) for one in told] == [
        (2, ["cobalt"], ["amber"]), (1, ["amber"], []),
    ]  # fmt: skip
    assert told[0]["retired_at"] is None
    assert told[1]["retired_at"] == told[0]["published_at"]


@pytest.mark.parametrize(
    "path", [PATH, f"{PATH}.json", f"{PATH}.csv", f"/api/v1/models/{MODEL}/exacto"]
)
def test_figures_of_few_owners_are_told_nowhere(client: Client, path: str) -> None:
    amber, cobalt = make_endpoint("amber"), make_endpoint("cobalt")
    make_score(cobalt, criteria=few(), sentence="out: 77.7 % in 3,331 requests")
    # The best's figure stands in the sentences and bounds of those it is compared with.
    told = criterion(sentence="0.4 % against 77.7 % for the best", bound=[None, 0.777])
    make_score(amber, criteria={"accuracy": told}, sentence="in: 0.4 % against 77.7 %")
    make_allowlist(amber)

    text = client.get(path).content.decode()

    assert "77.7" not in text
    assert "0.777" not in text
    assert "3,331" not in text
    assert "3331" not in text
    assert "too few owners" in text
    assert "9870" in text or "9,870" in text


def test_figures_of_enough_owners_and_of_benchmarks_are_told(
    client: Client, settings: LazySettings
) -> None:
    amber, cobalt = make_endpoint("amber"), make_endpoint("cobalt")
    make_score(amber, criteria=few(settings.SCOREBOARD_OWNERS))
    make_score(cobalt, criteria=few(0))
    make_allowlist(amber)

    rows = client.get(f"{PATH}.json").json()["data"]["endpoints"]

    assert [row["criteria"]["accuracy"]["requests"] for row in rows] == [3_331, 3_331]


def test_a_curators_words_and_name_are_not_public(client: Client) -> None:
    amber, cobalt = make_endpoint("amber"), make_endpoint("cobalt")
    carla = User.objects.create_user("carla")
    edition = Allowlist.draft(amber.model, by=carla, reason="Contoso asked.")
    edition.entries.create(
        endpoint=amber, reason="Contoso pays.", decision="added", decided_by=carla
    )
    edition.left_out.create(endpoint=cobalt, reason="Fabrikam complained.", decided_by=carla)
    edition.publish(by=carla)

    for path in FILES:
        text = client.get(path).content.decode()
        assert not {word for word in ("Contoso", "Fabrikam", "carla") if word in text}
    assert "added by a curator" in client.get(PATH).content.decode()
    assert "left out by a curator" in client.get(PATH).content.decode()


@pytest.mark.parametrize("path", FILES)
def test_what_a_reader_has_is_not_sent_again(client: Client, path: str) -> None:
    make_allowlist(make_endpoint("amber"))
    first = client.get(path)

    again = client.get(path, headers={"If-None-Match": first["ETag"]})

    assert first["Cache-Control"].startswith("public, max-age=")
    assert not first.cookies
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", FILES)
def test_all_can_be_switched_off(client: Client, settings: LazySettings, path: str) -> None:
    make_allowlist(make_endpoint("amber"))
    settings.PUBLIC_SCOREBOARD = False

    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", FILES)
def test_a_model_without_a_live_edition_is_a_404(client: Client, path: str) -> None:
    make_allowlist(make_endpoint("amber"), published=False)

    answer = client.get(path)

    assert answer.status_code == 404
    assert f"No allowlist is published for {MODEL}." in answer.content.decode()


def test_hostile_names_are_text_and_no_formula(client: Client) -> None:
    provider = make_provider("amber", name=f"=cmd|{HOSTILE}")
    amber = make_endpoint(provider, tag="amber")
    odd = make_endpoint(provider, tag='=1+1"><script>')
    make_score(amber, sentence=HOSTILE)
    make_allowlist(amber, odd)

    for path in (
        PATH,
        f"{PATH}/badge.svg",
        f"{PATH}/badge.svg?endpoint=%3D1%2B1%22%3E%3Cscript%3E",
    ):
        assert b"<script" not in client.get(path).content
    lines = csv.DictReader(StringIO(client.get(f"{PATH}.csv").content.decode()))
    for line in lines:
        assert line["provider_name"] == f"'=cmd|{HOSTILE}"
        assert line["tag"] in ("amber", "'=1+1\"><script>")


def test_badges_tell_the_place(client: Client) -> None:
    amber, cobalt = make_endpoint("amber"), make_endpoint("cobalt")
    make_score(amber)
    make_score(cobalt, good=False)
    make_allowlist(amber)

    model = client.get(f"{PATH}/badge.svg")
    one = client.get(f"{PATH}/badge.svg?endpoint=cobalt")
    other = client.get(f"{PATH}/badge.svg?endpoint=zinc")

    assert model["Content-Type"].startswith("image/svg+xml")
    assert "falcon-1:exacto: 1 of 2 endpoints" in model.content.decode()
    assert "cobalt · falcon-1: below par, not on the list" in one.content.decode()
    assert other.status_code == 404


@pytest.mark.parametrize("path", [PATH, f"{PATH}.json", f"{PATH}.csv"])
def test_endpoints_and_editions_cost_no_more_queries(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries, path: str
) -> None:
    endpoints = [make_endpoint(name) for name in ("amber", "basalt", "cobalt", "dolomite")]
    for endpoint in endpoints:
        make_score(endpoint)
        make_allowlist(endpoint)
        make_allowlist(*endpoints)

    with django_assert_max_num_queries(10):
        client.get(path)
