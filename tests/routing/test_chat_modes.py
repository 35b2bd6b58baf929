"""Standing and quarantine on the way of a request: :exacto, sort by exacto, AUTO_EXACTO."""

from typing import Any

import pytest

from tests.live import LiveGateway
from tests.routing import live_catalog
from tests.routing.conftest import Chat

ASKED = {"X-OpenRouter-Metadata": "enabled"}
TOOLS = [live_catalog.WEATHER]


def _plain(chat: Chat, key: str | None = None, **fields: Any) -> dict[str, Any]:
    """Ask for the model without a suffix and without preferences; return the metadata."""
    body = {"model": chat.model, "provider": {}, "tools": TOOLS, **fields}
    served = chat.gateway.chat(chat.body(**body), headers=ASKED, key=key)
    assert served.status == 200, served.body
    told: dict[str, Any] = served.json["openrouter_metadata"]
    return told


def _order(told: dict[str, Any]) -> list[str]:
    return [one["endpoint"] for one in told["endpoints"]["available"]]


def _stand(chat: Chat, **standings: str) -> None:
    for tag, standing in standings.items():
        chat.gateway.stand(chat.model, tag, standing)
    chat.gateway.wait_served()


@pytest.fixture(scope="module")
def steered_key(live: LiveGateway) -> str:
    """Return a key of an account that has AUTO_EXACTO on, whatever the service has."""
    key = live.create_key("auto-on", rpm=0, in_flight=0)
    live.prefer(key, auto_exacto="on")
    return key


def test_keeps_the_quarantined_out_of_the_pool_and_says_so(chat: Chat) -> None:
    chat.script()
    chat.gateway.quarantine(chat.model, "amber")
    chat.gateway.wait_served()

    told = chat.post(ASKED).json["openrouter_metadata"]

    assert _order(told) == ["basalt"]
    reasons = {one["endpoint"]: one["reason"] for one in told["params"]["not_used"]}
    assert reasons == {"amber": "quarantined", "cobalt": "exacto_pool", "dune": "exacto_pool"}
    assert chat.seen("amber") == []


def test_answers_404_when_the_whole_pool_is_quarantined(chat: Chat) -> None:
    for tag in live_catalog.POOL:
        chat.gateway.quarantine(chat.model, tag)
    chat.gateway.wait_served()

    refused = chat.post()

    assert refused.status == refused.error["code"] == 404
    told = refused.error["availability"]
    assert (told["code"], told["retryable"]) == ("no_endpoints", False)
    assert told["excluded_by"] == ["allowed_providers", "exacto_pool", "quarantined"]
    assert chat.seen() == []


def test_sorts_by_standing_when_asked(chat: Chat) -> None:
    _stand(chat, amber="below_par", cobalt="verified", dune="quarantined")

    told = _plain(chat, provider={"sort": "exacto"})

    assert _order(told)[:2] == ["cobalt", "basalt"]
    standings = [one["standing"] for one in told["endpoints"]["available"]]
    assert standings[:2] == ["verified", "insufficient_data"]
    assert set(standings[2:]) == {"below_par", "quarantined"}


def test_reorders_where_auto_exacto_is_on(chat: Chat, steered_key: str) -> None:
    _stand(chat, dune="verified", amber="below_par")

    told = _plain(chat, steered_key)

    assert (_order(told)[0], _order(told)[-1]) == ("dune", "amber")
    assert told["params"]["auto_exacto"] == "applied"
    assert _plain(chat, steered_key, tools=None)["params"]["auto_exacto"] is None


def test_only_notes_in_shadow_what_it_would_have_done(chat: Chat) -> None:
    _stand(chat, amber="below_par", basalt="below_par", cobalt="below_par", dune="verified")

    labels = set()
    for _ in range(12):
        told = _plain(chat)
        label = told["params"]["auto_exacto"]
        assert (label == "shadow_same") is (_order(told)[0] == "dune")
        labels.add(label)

    assert "shadow_moved" in labels


def test_keeps_with_the_generation_what_was_done(chat: Chat, steered_key: str) -> None:
    _stand(chat, dune="verified")
    gateway = chat.gateway
    body = {"model": chat.model, "provider": {}, "tools": TOOLS}

    ids = [
        gateway.chat(chat.body(**body | more), key=key).json["id"]
        for key, more in ((steered_key, {}), (gateway.key, {}), (gateway.key, {"tools": None}))
    ]
    gateway.ingest()

    kept = [
        gateway.rows("SELECT auto_exacto FROM telemetry_generation WHERE id = %s", one)
        for one in ids
    ]
    assert kept[0] == [{"auto_exacto": "applied"}]
    assert kept[1][0]["auto_exacto"] in ("shadow_same", "shadow_moved")
    assert kept[2] == [{"auto_exacto": ""}]


def test_counts_what_auto_exacto_ordered_as_assigned_by_the_router(
    chat: Chat, steered_key: str
) -> None:
    body = chat.body(model=chat.model, provider={}, tools=TOOLS)

    id = chat.gateway.chat(body, key=steered_key).json["id"]
    chat.gateway.ingest()

    [row] = chat.gateway.rows(
        "SELECT router_assigned, pinned FROM telemetry_attempt WHERE generation_id = %s", id
    )
    assert (bool(row["router_assigned"]), bool(row["pinned"])) == (True, False)
