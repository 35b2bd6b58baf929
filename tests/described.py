"""The committed document, read as strictly as tests may, and a gateway that has all it tells of.

Owns the strict reading: an answer with a key that is not described is wrong, though clients must
bear with new ones. The rule tests rely on: of every address `Known` has something that exists.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jsonschema_rs import Draft202012Validator

from routing.api.document import FILE
from tests.live import LiveGateway
from tests.routing import live_catalog
from tests.scripted_upstream import ScriptedUpstream

MODEL = live_catalog.model_slug(0)
# What providers say in these is passed on, and which metadata an error has depends on the error.
_OPEN = frozenset(
    {"AnsweredMessage", "Choice", "Delta", "ErrorDetails", "ErrorMetadata", "ToolCall"}
)
GENERATION = "gen-1795000000-AAAAAAAAAAAAAAAAAAAA"
# What curators, benchmarks, callers and the scorer leave behind, and keys of two more kinds.
_HISTORY = f"""
from django.utils.timezone import now
from providers.models import Endpoint, Provider
from routing.models import Account, ApiKey
from telemetry.models import BenchmarkRun, EndpointScore, Outcome
from tests.telemetry_rows import make_generation, make_service
account = Account.objects.get(name="tests")
other = Account.objects.create(name="preferring")
_, manager = ApiKey.issue(account, "manager", management=True)
_, preferrer = ApiKey.issue(other, "live", requests_per_minute=0, max_in_flight=0)
endpoints = list(Endpoint.objects.filter(model__slug="{MODEL}").order_by("tag"))
make_generation("{GENERATION}", (endpoints[0], Outcome.HTTP_5XX), (endpoints[1], Outcome.OK),
                account=account, decision=dict(seed=1, snapshot=1, lists=[["{MODEL}:exacto", 1]]))
one = dict(estimate=0.02, low=0.01, high=0.04, probability=0.99, requests=400, owners=12)
criteria = dict((name, dict(one, verdict="pass", sentence="Measured."))
                for name in ("accuracy", "propensity", "ignores"))
for endpoint in endpoints:
    make_service(endpoint, ok=40, failed=1)
    EndpointScore.objects.create(
        endpoint=endpoint, computed_at=now(), method="assay-1", inputs_hash="",
        standing="verified", standing_since=now(), eligible=True, sentence="Measured.",
        criteria=criteria, failures=dict(schema_mismatch=3))
    run = BenchmarkRun.objects.create(
        endpoint=endpoint, suite="gpqa_diamond", suite_version="1", request_set="a" * 64,
        origin="tests", content_hash=str(endpoint.pk), measured_at=now(), requests=50)
    run.results.create(metric="accuracy", value=0.75, sample=50, low=0.6, high=0.9)
Provider.objects.filter(slug="amber").update(zero_data_retention=True)
print(manager, preferrer)
"""


def document() -> dict[str, Any]:
    """Return the committed document, its objects closed."""
    whole: dict[str, Any] = json.loads(FILE.read_bytes())
    for name, schema in whole["components"]["schemas"].items():
        if name not in _OPEN and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
    # Of a request nothing is closed: what is not known is passed on, or ignored.
    for name in _sent(whole):
        whole["components"]["schemas"][name].pop("additionalProperties", None)
    return whole


def _sent(whole: dict[str, Any]) -> Iterator[str]:
    for operations in whole["paths"].values():
        for operation in operations.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                yield content["schema"]["$ref"].rpartition("/")[2]


def validator(name: str) -> Draft202012Validator:
    """Return the validator of one component."""
    whole = document()
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": whole["components"]}
    )


def event_validator(path: str) -> Draft202012Validator:
    """Return the validator of the events of the stream that an address answers with."""
    whole = document()
    content = whole["paths"][path]["post"]["responses"]["200"]["content"]["text/event-stream"]
    data = content["schema"]["properties"]["data"]
    said = data["anyOf"][1] if "anyOf" in data else data
    return Draft202012Validator({**said["contentSchema"], "components": whole["components"]})


@dataclass(frozen=True, slots=True)
class Known:
    """A running gateway, and what exists on it."""

    gateway: LiveGateway
    key: str
    manager: str
    preferrer: str  # whatever it prefers, chat of the others goes on

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    def fresh_key(self) -> str:
        """Return the hash of a key that nothing has been done to."""
        made = self.gateway.post("/api/v1/keys", {"name": "made"}, key=self.manager)
        assert made.status == 201, made.body
        return str(made.json["data"]["hash"])


@contextmanager
def running() -> Iterator[Known]:
    """Run a gateway with a catalogue, a history, and keys of three kinds."""
    with ScriptedUpstream(*live_catalog.PROVIDERS) as upstream:
        catalog = live_catalog.catalog(upstream.ports, 2, embedders_count=2)
        gateway = LiveGateway(catalog, live_catalog.credentials())
        # Before the start: one process more, and nothing to wait for.
        manager, preferrer = gateway.manage("shell", "--no-imports", "-c", _HISTORY).split()[-2:]
        with gateway:
            gateway.quarantine(MODEL, "basalt")
            yield Known(gateway, gateway.key, manager, preferrer)
