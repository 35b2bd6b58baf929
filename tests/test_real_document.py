"""Every address of the document, asked on a live gateway: what it answers is what is described.

First what exists is asked for, so that whole answers are compared; then schemathesis sends what
the document allows and what it forbids, as nobody, with a key, and with a management key.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.described import (
    GENERATION,
    MODEL,
    Known,
    document,
    event_validator,
    running,
    validator,
)
from tests.routing.live_catalog import WEATHER, embedder_slug, request

AUTHOR, SLUG = MODEL.split("/")
Case = schemathesis.Case[Any]
EMBEDDER = embedder_slug(0)
NAMED = {"author": AUTHOR, "slug": SLUG}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Bounded, and the same in every run. DOCUMENT_TESTS=thorough takes minutes: it tries every
# parameter's borders too.
THOROUGH = os.environ.get("DOCUMENT_TESTS") == "thorough"
EXAMPLES = 60 if THOROUGH else 8
CONFIG = {
    "generation": {"deterministic": True, "max-examples": EXAMPLES},
    "phases": {"coverage": {"enabled": THOROUGH}},
}
SCHEMA = schemathesis.openapi.from_dict(document(), config=schemathesis.Config.from_dict(CONFIG))
OPERATIONS = {
    found.ok().definition.raw["operationId"]: found.ok()
    for found in SCHEMA.get_all_operations()
    if isinstance(found, Ok)
}


@pytest.fixture(scope="module")
def known() -> Iterator[Known]:
    with running() as one:
        yield one


# What exists ------------------------------------------------------------------------------

HELLO = request(MODEL)
# By operation: path, query and body of something that is there.
VISITS: dict[str, dict[str, Any]] = {
    "sendChatCompletionRequest": {"body": HELLO},
    "createMessages": {"body": {**HELLO, "max_tokens": 100}},
    "countMessagesTokens": {"body": HELLO},
    "createResponses": {"body": {"model": MODEL, "input": "Hello"}},
    "createCompletions": {"body": {"model": MODEL, "prompt": "Hello"}},
    "createEmbeddings": {"body": {"model": EMBEDDER, "input": ["Hello"]}},
    "listEmbeddingsModels": {"query": {"limit": "3"}},
    "previewRoute": {"body": {**HELLO, "model": f"{MODEL}:exacto", "tools": [WEATHER]}},
    "getModels": {"query": {"sort": "newest", "limit": "3"}},
    "listModelsUser": {},
    "listModelsCount": {},
    "getModel": {"path": NAMED},
    "listEndpoints": {"path": NAMED},
    "getModelExacto": {"path": NAMED},
    "listEndpointsZdr": {},
    "getParameters": {"path": NAMED},
    "listProviders": {},
    "getBenchmarks": {},
    "getGeneration": {"query": {"id": GENERATION}},
    "explainGeneration": {"query": {"id": GENERATION}},
    "submitGenerationFeedback": {"body": {"generation_id": GENERATION, "category": "other"}},
    "getAccountPreferences": {},
    "setAccountPreferences": {"body": {"ignore": ["cobalt"]}},
    "getCurrentKey": {},
    "getCurrentKeyByOlderAddress": {},
    "listKeys": {},
    "createKeys": {"body": {"name": "app", "limit": 1.5, "limit_reset": "daily"}, "status": 201},
    "getKey": {"path": {"key_hash": "a key"}},
    "updateKeys": {"path": {"key_hash": "a key"}, "body": {"limit": 2}},
    "deleteKeys": {"path": {"key_hash": "a key"}},
    "rotateKey": {"path": {"key_hash": "a key"}, "body": {}},
    "getCredits": {},
    "getUserActivity": {"query": {"date": "today"}},
    "getOpenApiDocument": {},
    "getHealth": {},
    "getReadiness": {},
}


def test_every_operation_is_visited() -> None:
    assert VISITS.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("name", VISITS)
def test_a_whole_answer_is_as_described(known: Known, name: str) -> None:
    visit = VISITS[name]
    case = OPERATIONS[name].Case(
        path_parameters=dict(visit.get("path", {})),
        query=dict(visit.get("query", {})),
        body=visit.get("body", schemathesis.core.NOT_SET),
        media_type="application/json" if "body" in visit else None,
    )
    put_what_exists(known, case)

    answer = case.call_and_validate(
        base_url=known.url, headers=authorization(key_for(known, name)), checks=CHECKS
    )

    assert answer.status_code == visit.get("status", 200), answer.content


def test_every_event_of_a_stream_is_as_described(known: Known) -> None:
    body = request(MODEL, tools=[WEATHER], stream=True, debug={"echo_upstream_body": True})

    with known.gateway.stream(body, headers={"X-OpenRouter-Metadata": "enabled"}) as stream:
        chunks = stream.chunks()

    chunk = validator("ChatCompletionChunk")
    assert [list(chunk.iter_errors(one)) for one in chunks] == [[] for _ in chunks]
    assert "debug" in chunks[0]
    assert {"usage", "openrouter_metadata"} <= chunks[-1].keys()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("createMessages", "/api/v1/messages"),
        ("createResponses", "/api/v1/responses"),
        ("createCompletions", "/api/v1/completions"),
    ],
)
def test_every_event_of_another_shape_is_as_described(known: Known, name: str, path: str) -> None:
    body = {**VISITS[name]["body"], "stream": True}

    sent = known.gateway.post(path, body).body

    events = [line[6:] for line in sent.decode().splitlines() if line.startswith("data: ")]
    event = event_validator(path)
    told = [json.loads(one) for one in events if one != "[DONE]"]
    assert [list(event.iter_errors(one)) for one in told] == [[] for _ in told]
    assert len(told) > 2


# What the document allows, and what it forbids ---------------------------------------------


def nobody(known: Known, name: str) -> str:
    return ""


def key_for(known: Known, name: str) -> str:
    """Return a key that may do it."""
    if name == "setAccountPreferences":
        return known.preferrer
    tags = OPERATIONS[name].definition.raw["tags"]
    managed = tags == ["Keys"] or name in ("getCredits", "getUserActivity")
    return known.manager if managed else known.key


@dataclass(frozen=True, slots=True)
class Asking:
    """Who sends a request, and whether it is for something that exists."""

    key: Callable[[Known, str], str]
    for_what_exists: bool = False


@pytest.mark.parametrize(
    "asking",
    [
        pytest.param(Asking(nobody), id="nobody"),
        pytest.param(Asking(key_for), id="somebody"),
        pytest.param(Asking(key_for, for_what_exists=True), id="somebody who knows"),
    ],
)
@SCHEMA.parametrize()
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_answered_is_described(case: Case, known: Known, asking: Asking) -> None:
    if asking.for_what_exists:
        put_what_exists(known, case)

    name = case.operation.definition.raw["operationId"]
    case.call_and_validate(
        base_url=known.url, headers=authorization(asking.key(known, name)), checks=CHECKS
    )


def test_one_answer_leads_to_the_next(known: Known) -> None:
    """Make keys, and look up, change, rotate and delete them, as the document links these."""

    class Following(SCHEMA.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: Case) -> dict[str, Any]:
            name = case.operation.definition.raw["operationId"]
            return {"base_url": known.url, "headers": authorization(key_for(known, name))}

        def validate_response(self, response: Any, case: Case, **_: Any) -> None:
            case.validate_response(response, checks=CHECKS)

    run_state_machine_as_test(
        Following,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=5,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def authorization(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def put_what_exists(known: Known, case: Case) -> None:
    """Have a case ask for what is there, where it names something."""
    path = case.path_parameters or {}
    if "author" in path:
        path |= NAMED
    if "key_hash" in path:
        path["key_hash"] = known.fresh_key()
    query = case.query or {}
    if "id" in query:
        query["id"] = GENERATION
    if query.get("date") == "today":
        [row] = known.gateway.rows("SELECT max(day) AS day FROM telemetry_dailyuse")
        query["date"] = str(row["day"])
    body = case.body
    if isinstance(body, dict):
        name = case.operation.definition.raw["operationId"]
        model = EMBEDDER if name == "createEmbeddings" else MODEL
        if body.keys() & {"messages", "input", "prompt"}:
            for other in ("models", "preset", "fallbacks"):
                body.pop(other, None)
            body["model"] = body["model"] if str(body.get("model")).startswith(model) else model
        if "generation_id" in body:
            body["generation_id"] = GENERATION
