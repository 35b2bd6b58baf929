"""What every client is asked to do, and what must be seen then: one table for all of them.

Three witnesses tell: the client's own driver (`saw`), the relay before the gateway (`sent`) and
the simulated providers behind it (`served`). How a client spells things is the roster's business.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs
import pytest

from providers.simulator.vectors import vector
from tests.clients.roster import Client
from tests.clients.weather import EXACTO, IN_PARALLEL, IN_TURN, OFFERED, TOOLS
from tests.clients.wire import Sent

KIMI = "moonshotai/kimi-k2-0905"
# All of its providers refuse everything.
DOWN = "deepseek/deepseek-v3.1-terminus"
# Its published list is left out of the catalogue: `:exacto` has nobody to go to.
UNLISTED = "qwen/qwen3-coder"
# So slow that what breaks in mid-stream breaks long after its first word.
SLOW = "z-ai/glm-4.6:exacto"
EMBEDDER = "qwen/qwen3-embedding-8b"
DIMENSIONS = 4096
TEXTS = ["A day is good.", "And so is the next."]
POOL = {"cobalt": "Cobalt Inference", "larkspur": "Larkspur AI", "meridian": "Meridian Compute"}
PROVIDERS = set(POOL.values()) | {"Tallow Cloud", "Quillstone", "Brindle GPU"}
REPORT = {
    "title": "report",
    "description": "A report of the weather.",
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "celsius": {"type": "integer"},
        "sky": {"type": "string", "enum": ["clear", "cloudy"]},
    },
    "required": ["city", "celsius", "sky"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one scenario with one client, by all witnesses."""

    client: Client
    saw: Mapping[str, Any]
    sent: list[Sent]
    served: list[dict[str, Any]]

    @property
    def answered_by(self) -> str:
        """Return the one provider that did not refuse."""
        [provider] = [entry["provider"] for entry in self.served if entry["status"] == 200]
        return str(provider)

    def check_no_error(self) -> None:
        assert "error" not in self.saw, self.saw["error"]

    def check_envelope(self, model: str) -> None:
        """What the client shows beside the answer is right, and it shows what is known of it."""
        right: Mapping[str, Callable[[Any], bool]] = {
            "id": lambda shown: shown.startswith("gen-"),
            "model": lambda shown: shown == model,
            "provider": lambda shown: shown in PROVIDERS,
            "usage": lambda shown: shown["prompt"] > 0 and shown["completion"] > 0,
            "cost": lambda shown: shown > 0,
        }
        shows = self.client.shows
        if "pieces" in self.saw and self.client.streams_show is not None:
            shows = self.client.streams_show
        for name, is_right in right.items():
            shown = self.saw.get(name)
            if name in shows:
                assert shown is not None and is_right(shown), (name, shown)  # noqa: PT018
            else:
                assert not shown, f"it shows {name} by now: {shown}"

    def check_answer(self, text: str, model: str = KIMI) -> None:
        self.check_no_error()
        assert self.saw["text"] == text
        assert self.saw["finish"] == self.client.words.get("stop", "stop")
        self.check_envelope(model)
        assert len(self.sent) == 1


Check = Callable[[Seen], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    operation: str
    check: Check
    ask: Mapping[str, Any] = field(default_factory=dict)
    times: int = 1


def chats(seen: Seen) -> None:
    seen.check_answer("Good day.")


def streams(seen: Seen) -> None:
    text = "A day is good, and so is the next."
    assert seen.saw["pieces"] > 1
    seen.check_answer(text)


def uses_two_tools(seen: Seen) -> None:
    seen.check_no_error()
    assert [call["name"] for call in seen.saw["used"]] == ["get_weather", "get_time"]
    for call in seen.saw["used"]:
        check_call(call)
    assert seen.saw["text"]
    assert seen.saw["finish"] == seen.client.words.get("stop", "stop")
    assert len(seen.sent) == 3


def streams_two_calls(seen: Seen) -> None:
    seen.check_no_error()
    assert [call["name"] for call in seen.saw["calls"]] == ["get_weather"] * 2
    for call in seen.saw["calls"]:
        check_call(call)
    assert seen.saw["finish"] == seen.client.words.get("tool_calls", "tool_calls")


def check_call(call: Mapping[str, Any]) -> None:
    """Fail unless these are arguments the tool may be called with."""
    arguments = call["arguments"]
    if isinstance(arguments, str):
        arguments = json.loads(arguments)
    [schema] = [t["function"]["parameters"] for t in TOOLS if t["function"]["name"] == call["name"]]
    jsonschema_rs.validate(schema, arguments)


def gets_structure(seen: Seen) -> None:
    seen.check_no_error()
    jsonschema_rs.validate(REPORT, seen.saw["value"])


def falls_back(seen: Seen) -> None:
    seen.check_answer("Good day.")
    # Endpoints that failed in earlier scenarios may be out of turn by now.
    assert {entry["status"] for entry in seen.served if "deepseek" in entry["model"]} <= {503}
    assert seen.sent[0].body["models"] == [DOWN, EXACTO]
    assert "kimi" in seen.served[-1]["model"]
    assert seen.answered_by in POOL


def keeps_to_the_pool(seen: Seen) -> None:
    seen.check_answer("Good day.")
    assert seen.sent[0].body["model"] == EXACTO
    assert seen.answered_by in POOL


def follows_preferences(seen: Seen) -> None:
    seen.check_answer("Good day.")
    assert seen.answered_by == "larkspur"


def does_not_send_preferences(seen: Seen) -> None:
    """Fail unless the client dropped them, and was served all the same."""
    seen.check_answer("Good day.")
    assert "provider" not in seen.sent[0].body


def refuses_an_empty_pool(seen: Seen) -> None:
    check_refusal(seen, 404)


def refuses_a_wrong_key(seen: Seen) -> None:
    check_refusal(seen, 401)


def check_refusal(seen: Seen, status: int) -> None:
    """The client knows why, in its own class of error, and has not asked again."""
    assert "error" in seen.saw, seen.saw
    error = seen.saw["error"]
    assert error["name"] == seen.client.errors[status]
    assert error["status"] == status
    assert len(seen.sent) == 1
    assert not seen.served


def breaks_in_mid_stream(seen: Seen) -> None:
    assert "error" in seen.saw, seen.saw
    error = seen.saw["error"]
    assert error["name"] == seen.client.errors[502]
    if error["name"] == "a chunk":
        assert error["code"] == 502
        assert seen.saw["finish"] == "error"
    assert len(seen.sent) == 1


def ends_with_an_error(seen: Seen) -> None:
    assert "error" not in seen.saw
    assert seen.saw["finish"] == "error"
    assert len(seen.sent) == 1


def lists_models(seen: Seen) -> None:
    seen.check_no_error()
    assert {KIMI, DOWN, UNLISTED} <= set(seen.saw["slugs"])


def lists_endpoints(seen: Seen) -> None:
    seen.check_no_error()
    assert set(seen.saw["providers"]) >= set(POOL.values())


def describes_the_key(seen: Seen) -> None:
    seen.check_no_error()
    assert seen.saw["label"]
    assert seen.saw["spent"] >= 0


def describes_a_generation(seen: Seen) -> None:
    seen.check_no_error()
    assert seen.saw["id"].startswith("gen-")
    assert seen.saw["model"].startswith(KIMI)
    assert seen.saw["provider"] in PROVIDERS
    assert seen.saw["cost"] > 0


def completes(seen: Seen) -> None:
    chats(seen)
    assert seen.sent[0].path == "/api/v1/completions"


def completes_piece_by_piece(seen: Seen) -> None:
    streams(seen)
    assert seen.sent[0].path == "/api/v1/completions"


def embeds(seen: Seen) -> None:
    """Every text has the vector it always has, whatever encoding the client asks for itself."""
    seen.check_no_error()
    assert seen.saw["model"] == EMBEDDER
    for text, told in zip(TEXTS, seen.saw["vectors"], strict=True):
        assert told == pytest.approx(vector(text, DIMENSIONS, DIMENSIONS), abs=1e-6)
    assert seen.saw["prompt"] > 0
    assert seen.answered_by in POOL
    assert len(seen.sent) == 1


_GOOD_DAY = "[[text:Good day.]]"
_ONLY_LARKSPUR = {"only": ["larkspur", "tallow"], "allow_fallbacks": False}

SCENARIOS = (
    Scenario("chat", "chat", chats, {"model": KIMI, "prompt": _GOOD_DAY}),
    Scenario(
        "stream",
        "stream",
        streams,
        {"model": KIMI, "prompt": "[[text:A day is good, and so is the next.]]"},
    ),
    Scenario(
        "tool loop",
        "tools",
        uses_two_tools,
        {"model": EXACTO, "prompt": IN_TURN, "tools": OFFERED},
    ),
    Scenario(
        "streamed calls",
        "stream_tools",
        streams_two_calls,
        {"model": EXACTO, "prompt": IN_PARALLEL, "tools": OFFERED},
    ),
    Scenario(
        "structured output",
        "structured",
        gets_structure,
        {"model": KIMI, "prompt": "Report.", "schema": REPORT},
    ),
    Scenario(
        "model fallback",
        "chat",
        falls_back,
        {"model": DOWN, "models": [DOWN, EXACTO], "prompt": _GOOD_DAY},
    ),
    Scenario(
        "`:exacto`", "chat", keeps_to_the_pool, {"model": EXACTO, "prompt": _GOOD_DAY}, times=5
    ),
    Scenario(
        "provider preferences",
        "chat",
        follows_preferences,
        {"model": EXACTO, "provider": _ONLY_LARKSPUR, "prompt": _GOOD_DAY},
    ),
    Scenario(
        "empty pool", "chat", refuses_an_empty_pool, {"model": f"{UNLISTED}:exacto", "prompt": "Hi"}
    ),
    Scenario(
        "wrong key",
        "chat",
        refuses_a_wrong_key,
        {"model": EXACTO, "prompt": "Hi", "key": "sk-wrong"},
    ),
    Scenario(
        "error in mid-stream",
        "stream",
        breaks_in_mid_stream,
        {"model": SLOW, "prompt": "Hi [[fault:error_mid_stream:2]]"},
    ),
    Scenario("models", "models", lists_models),
    Scenario("endpoints", "endpoints", lists_endpoints, {"model": KIMI}),
    Scenario("key", "key", describes_the_key),
    Scenario("generation", "generation", describes_a_generation),
    Scenario("text completion", "text", completes, {"model": KIMI, "prompt": _GOOD_DAY}),
    Scenario(
        "streamed text",
        "stream_text",
        completes_piece_by_piece,
        {"model": KIMI, "prompt": "[[text:A day is good, and so is the next.]]"},
    ),
    Scenario("embeddings", "embed", embeds, {"model": EMBEDDER, "texts": TEXTS}),
)

# What is checked instead where a client differs.
OTHERWISE: Mapping[str, Check] = {
    "provider preferences": does_not_send_preferences,
    "error in mid-stream": ends_with_an_error,
}
