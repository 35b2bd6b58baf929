"""Simulated callers of the demo: what makes its evidence, a few requests a second.

Owns who the callers are and what they ask, drawn from a seed. It is an ordinary client of the API
and knows nothing of what the providers are simulated to be. The rules others rely on: it asks
only the address it is given, keeps at most MOST_AT_ONCE requests open, and stops when it is told.
"""

import asyncio
import itertools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import aiohttp

logger = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 32
_ANSWER_S: Final = 60

# Owner, weight of their traffic, and what they wish of providers: most have no wish.
OWNERS: Final[Mapping[str, tuple[float, dict[str, Any] | None]]] = {
    "Alder Labs": (9.0, None),
    "Birch & Daughters": (6.0, None),
    "Cedar Logistics": (5.0, None),
    "Dogwood Studio": (4.0, None),
    "Elm Street Software": (4.0, None),
    "Fir Travel": (3.0, None),
    "Ginkgo Health": (3.0, {"zdr": True}),
    "Hazel Books": (3.0, None),
    "Ivy Tutors": (2.0, None),
    "Juniper Games": (2.0, {"ignore": ["tallow"]}),
    "Kauri Maps": (2.0, None),
    "Larch Legal": (2.0, {"only": ["cobalt", "larkspur"]}),
    "Maple Kitchens": (2.0, None),
    "Nutmeg Foods": (1.5, {"ignore": ["tallow", "brindle"]}),
    "Oak Insurance": (1.5, None),
    "Pine Robotics": (1.5, {"sort": "throughput"}),
    "Quince Audio": (1.0, None),
    "Rowan Energy": (1.0, None),
    "Spruce Sports": (1.0, None),
    "Teak Furniture": (1.0, None),
}
# Most go to the model whose first allowlist has everybody on it, so that its evidence comes first.
_MODELS: Final = {
    "deepseek/deepseek-v3.1-terminus": 75.0,
    "moonshotai/kimi-k2-0905": 18.0,
    "moonshotai/kimi-k2-0905:exacto": 6.0,
    "deepseek/deepseek-v3.1-terminus:exacto": 4.0,
    "z-ai/glm-4.6": 5.0,
    "openai/gpt-oss-120b": 4.0,
    "qwen/qwen3-coder": 3.0,
}
_QUESTIONS: Final = (
    "What should I pack for Oslo next weekend?",
    "Move my two o'clock to Thursday and tell Sam.",
    "Which of our three warehouses can ship forty lamps by Friday?",
    "Summarise the open invoices of the last quarter.",
    "Find a quiet table for six near the station.",
    "Is the build of the release branch green yet?",
)
_TOOL_COUNTS: Final = {1: 3.0, 2: 4.0, 3: 3.0, 6: 3.0, 9: 2.0, 14: 1.0, 18: 1.0, 24: 0.5}
_PARAMETERS: Final[Mapping[str, dict[str, Any]]] = {
    "city": {"type": "string", "minLength": 2},
    "count": {"type": "integer", "minimum": 1, "maximum": 50},
    "day": {"type": "string", "enum": ["monday", "thursday", "friday", "weekend"]},
    "exact": {"type": "boolean"},
    "limit_usd": {"type": "number", "minimum": 0},
    "names": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 5},
    "place": {
        "type": "object",
        "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}},
        "required": ["lat", "lon"],
        "additionalProperties": False,
    },
}
_VERBS: Final = ("find", "list", "book", "move", "cancel")
_NOUNS: Final = ("table", "meeting", "shipment", "invoice", "ticket")


@dataclass(frozen=True, slots=True)
class Caller:
    """One owner with a key; `weight` is its share of the requests."""

    name: str
    key: str
    weight: float
    wishes: dict[str, Any] | None = None


def callers(keys: Mapping[str, str]) -> list[Caller]:
    """Return those of OWNERS that have a key."""
    return [
        Caller(name, keys[name], weight, wishes)
        for name, (weight, wishes) in OWNERS.items()
        if name in keys
    ]


def draw_request(rng: Random, caller: Caller) -> dict[str, Any]:
    """Return the body of one chat request with tools, as `caller` would send it."""
    tools = _tools(_drawn(rng, _TOOL_COUNTS), rng)
    body: dict[str, Any] = {
        "model": _drawn(rng, _MODELS),
        "messages": _messages(rng, tools),
        "tools": tools,
        "stream": rng.random() < 0.6,
        "max_tokens": 400,
    }
    if rng.random() < 0.06:
        body["tool_choice"] = "required"
    if caller.wishes:
        body["provider"] = caller.wishes
    return body


def _drawn(rng: Random, weights: Mapping[Any, float]) -> Any:
    return rng.choices(list(weights), list(weights.values()))[0]


def _messages(rng: Random, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a question, or a conversation in which one tool has answered already."""
    question = {"role": "user", "content": rng.choice(_QUESTIONS)}
    if rng.random() < 0.85:
        return [question]
    call = {
        "id": f"call_{rng.getrandbits(40):010x}",
        "type": "function",
        "function": {"name": tools[0]["function"]["name"], "arguments": "{}"},
    }
    return [
        question,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": '{"found": 3, "more": true}'},
    ]


def _tools(count: int, rng: Random) -> list[dict[str, Any]]:
    names = rng.sample([f"{verb}_{noun}" for verb in _VERBS for noun in _NOUNS], count)
    return [_tool(name, rng.sample(list(_PARAMETERS), 3)) for name in names]


def _tool(name: str, parameters: list[str]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {parameter: _PARAMETERS[parameter] for parameter in parameters},
        "required": parameters[:2],
        "additionalProperties": False,
    }
    words = name.replace("_", " a ")
    return {
        "type": "function",
        "function": {"name": name, "description": f"Use it to {words}.", "parameters": schema},
    }


async def run(
    url: str, who: list[Caller], *, per_second: float, rng: Random, stop: asyncio.Event
) -> None:
    """Send requests to `url` at random moments, `per_second` on average, until `stop` is set."""
    places = asyncio.Semaphore(MOST_AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    weights = [caller.weight for caller in who]
    async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as tasks:
        for number in itertools.count(1):
            if await _stopped_within(rng.expovariate(per_second), stop):
                break
            caller = rng.choices(who, weights)[0]
            await places.acquire()
            task = tasks.create_task(_ask(session, url, caller, draw_request(rng, caller)))
            task.add_done_callback(lambda _: places.release())
            if number % 1_000 == 0:
                logger.info("%d requests sent", number)


async def _stopped_within(seconds: float, stop: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await stop.wait()
    except TimeoutError:
        return False


async def _ask(
    session: aiohttp.ClientSession, url: str, caller: Caller, body: dict[str, Any]
) -> None:
    """Send one request and read its answer to the end. Its failure is the gateway's to record."""
    headers = {"Authorization": f"Bearer {caller.key}", "X-Title": caller.name}
    try:
        async with session.post(f"{url}/chat/completions", json=body, headers=headers) as answer:
            async for _ in answer.content.iter_any():
                pass
    except (aiohttp.ClientError, TimeoutError) as error:
        logger.info("a request got no answer: %s", type(error).__name__)
