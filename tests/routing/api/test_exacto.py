"""GET /models/{author}/{slug}/exacto: the live edition and its evidence, public and cacheable."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.timezone import now

from routing.models import Quarantine
from tests.catalog_rows import MODEL, make_allowlist, make_endpoint
from tests.routing.gateway.test_snapshot import make_score, set_aside

pytestmark = pytest.mark.django_db
PATH = f"/api/v1/models/{MODEL}/exacto"
CRITERION: dict[str, Any] = {
    "verdict": "pass",
    "estimate": 0.004,
    "low": 0.003,
    "high": 0.006,
    "probability": 0.97,
    "requests": 9870,
    "owners": 41,
    "benchmark_requests": 0,
    "bound": [None, 0.014],
    "sentence": "in: tool-call error 0.4 % (0.3-0.6) in 9,870 requests from 41 owners",
}


def told(client: Client) -> dict[str, Any]:
    answer = client.get(PATH)
    assert answer.status_code == 200
    data: dict[str, Any] = answer.json()["data"]
    return data


def test_tells_edition_standings_criteria_and_method(client: Client) -> None:
    amber, cobalt = make_endpoint("amber"), make_endpoint("cobalt")
    make_endpoint("zinc")
    make_score(
        amber,
        criteria={"accuracy": CRITERION | {"owner_names": ["Alice"]}},
        failures={"schema_mismatch": 39},
    )
    make_score(cobalt, "below_par", eligible=False)
    edition = make_allowlist(amber)

    data = told(client)

    assert (data["id"], data["edition"]) == (MODEL, edition.version)
    assert edition.published_at is not None
    assert data["published_at"] == edition.published_at.isoformat()
    rows = {row["tag"]: row for row in data["endpoints"]}
    assert list(rows) == ["amber", "zinc", "cobalt"]
    assert [row["standing"] for row in rows.values()] == [
        "verified", "insufficient_data", "below_par",
    ]  # fmt: skip
    assert (rows["amber"]["listed"], rows["amber"]["serves"]) == (True, True)
    assert rows["amber"]["method"] == "assay-1"
    assert rows["amber"]["criteria"] == {"accuracy": CRITERION | {"withheld": False}}
    assert rows["amber"]["failures"] == {"schema_mismatch": 39}
    assert (rows["cobalt"]["listed"], rows["cobalt"]["eligible"]) == (False, False)
    assert rows["zinc"]["sentence"] == "No evidence yet."


def test_tells_who_is_quarantined_but_not_a_curators_words(client: Client) -> None:
    amber, cobalt = make_endpoint("amber"), make_endpoint("cobalt")
    make_score(amber)
    make_allowlist(amber, cobalt)
    set_aside(amber)
    curator = User.objects.create_user("carla")
    Quarantine.objects.create(
        endpoint=cobalt,
        model=cobalt.model,
        kind=Quarantine.Kind.MANUAL,
        reason="Alice of Contoso complained.",
        started_at=now(),
        started_by=curator,
        back_off_until=now(),
    )

    data = told(client)

    rows = {row["tag"]: row for row in data["endpoints"]}
    assert rows["amber"]["standing"] == rows["cobalt"]["standing"] == "quarantined"
    assert (rows["amber"]["listed"], rows["amber"]["serves"]) == (True, False)
    assert rows["amber"]["quarantine"]["reason"] == "tool calls broke"
    assert rows["cobalt"]["quarantine"]["reason"] == "by a curator"
    assert not {"Contoso", "carla"} & set(json.dumps(data).replace('"', " ").split())


def test_is_answered_304_until_it_changes(client: Client) -> None:
    amber = make_endpoint("amber")
    first = client.get(PATH)
    etag = first.headers["ETag"]

    again = client.get(PATH, headers={"If-None-Match": f'"other", W/{etag}'})
    make_score(amber)
    changed = client.get(PATH, headers={"If-None-Match": etag})

    assert (again.status_code, again.content) == (304, b"")
    assert "max-age" in first.headers["Cache-Control"]
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag


def test_a_model_without_a_list_says_so(client: Client) -> None:
    make_endpoint("amber")

    data = told(client)

    assert (data["edition"], data["published_at"], data["computed_at"]) == (None, None, None)
    assert data["endpoints"][0]["listed"] is False


@pytest.mark.parametrize("slug", ["acme/unknown", "acme/falcon-1:nope"])
def test_an_unknown_model_is_a_404(client: Client, slug: str) -> None:
    make_endpoint("amber")

    answer = client.get(f"/api/v1/models/{slug}/exacto")

    assert answer.status_code == answer.json()["error"]["code"] == 404
