"""The kept form of a decision: small, without a word of the request, and complete to the code."""

import json
from typing import Any

from routing.gateway.decision import MOST_ENDPOINTS, decision_of
from routing.gateway.health import HealthBook
from routing.gateway.plan import make_plan
from tests.routing.gateway.specs import (
    LIMITS,
    make_endpoint,
    make_model,
    make_request,
    make_snapshot,
)


def test_keeps_seed_order_probabilities_and_reasons() -> None:
    good, shaky = make_endpoint(1, standing="verified"), make_endpoint(2, price=9)
    model = make_model(good, shaky, make_endpoint(3), pool={1, 2})
    health = HealthBook(LIMITS)
    health.failed(2, 0)
    request = make_request()

    plan = make_plan(make_snapshot(model, revision=7), request, health, 2**63 - 1, 0)

    assert decision_of(plan, request) == {
        "seed": 2**63 - 1,
        "snapshot": 7,
        "lists": [["acme/falcon-1:exacto", 1]],
        "candidates": [
            {"id": 1, "p": 1.0, "standing": "verified"},
            {"id": 2, "p": 1.0, "standing": "insufficient_data", "state": ["unstable"]},
        ],
        "excluded": [{"id": 3, "why": "exacto_pool"}],
        "left_out": 0,
    }


def test_is_bounded_whatever_is_asked_for() -> None:
    names = [f"acme/{'m' * 60}-{number}" for number in range(LIMITS.max_models)]
    models = [
        make_model(
            *(make_endpoint(100 * at + n, price=n + 1) for n in range(30)), slug=name, pool=set()
        )
        for at, name in enumerate(names)
    ]
    fields: dict[str, Any] = {
        "model": names[0],
        "models": names[1:],
        "provider": {"ignore": ["p1"]},
    }
    request = make_request(**fields)
    plan = make_plan(make_snapshot(*models), request, HealthBook(LIMITS), 1, 0)

    kept = decision_of(plan, request)

    shown = len(kept["candidates"]) + len(kept["excluded"])
    assert shown == MOST_ENDPOINTS
    assert shown + kept["left_out"] == 30 * LIMITS.max_models
    assert len(json.dumps(kept)) < 8_192
