"""What a simulated model answers: text or tool calls, before any fault spoils it.

Owns the decision to call (tool choice, propensity, directives) and the words. Pure: the same
request, endpoint and random numbers give the same reply. Knows no HTTP and no faults.
"""

import json
import re
import string
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from providers.simulator.asked import ChatRequest, Tool
from providers.simulator.fleet import SimulatedEndpoint
from providers.simulator.schema_arguments import arguments_for
from providers.simulator.schema_values import WORDS

BYTES_PER_TOKEN = 4  # the usual rule of thumb for English
SEVERAL = re.compile(r"\b(both|each|every|parallel|compare|respectively)\b", re.IGNORECASE)
UNASKED_PARALLEL = 0.05  # chance of a second call nobody hinted at

_PIECE = re.compile(r"\s*\S{1,8}|\s+")
_WORD = re.compile(r"[a-z]{3,}")


@dataclass(frozen=True)
class Call:
    id: str
    name: str
    arguments: Any  # JSON text, unless a fault made it something else
    tool: Tool | None = None


@dataclass(frozen=True)
class Reply:
    id: str
    text: str
    calls: tuple[Call, ...]
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    reasoning: str = ""
    call_style: str = "plain"  # how a stream spells the calls; the others are faults' names


def answer(
    request: ChatRequest, endpoint: SimulatedEndpoint, rng: Random, *, must_call: bool = False
) -> Reply:
    """Return the reply of a healthy endpoint.

    must_call: end in a tool call wherever the request allows one, so that a fault can show.
    """
    count = _call_count(request, endpoint, rng, must_call)
    calls = tuple(
        make_call(request, rng, position, positional="positional_ids" in endpoint.quirks)
        for position in range(count)
    )
    thinks = bool(endpoint.quirks & {"reasoning", "reasoning_content"})
    reply = Reply(
        id="chatcmpl-" + token(rng, 24),
        text="" if calls else _text(request, rng),
        calls=calls,
        finish_reason="tool_calls" if calls else "stop",
        prompt_tokens=tokens_in(request.prompt_bytes) + 4,
        completion_tokens=0,
        reasoning=prose(rng, 12) if thinks else "",
    )
    return _limited(_counted(reply), request.max_tokens)


def make_call(
    request: ChatRequest, rng: Random, position: int = 0, *, positional: bool = False
) -> Call:
    """Return one valid call of an offered tool: the named one, or the one that fits best."""
    tool = _chosen_tool(request, rng)
    identity = f"functions.{tool.name}:{position}" if positional else "call_" + token(rng, 24)
    arguments = json.dumps(arguments_for(tool.schema, rng), ensure_ascii=False)
    return Call(identity, tool.name, arguments, tool)


def pieces(text: str) -> list[str]:
    """Cut a text into what a stream sends as single tokens; joined, they are the text."""
    return _PIECE.findall(text)


def tokens_in(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)


def prose(rng: Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words)).capitalize() + "."


def token(rng: Random, length: int) -> str:
    return "".join(rng.choices(string.ascii_letters + string.digits, k=length))


def _call_count(
    request: ChatRequest, endpoint: SimulatedEndpoint, rng: Random, must_call: bool
) -> int:
    if not request.tools or request.tool_choice == "none":
        return 0
    if request.directives.tool_calls is not None:
        return request.directives.tool_calls
    free = request.tool_choice == "auto" and not must_call
    if free and (request.last_role == "tool" or rng.random() >= endpoint.propensity):
        return 0
    several = SEVERAL.search(request.last_text) or rng.random() < UNASKED_PARALLEL
    return 2 if request.parallel and several else 1


def _chosen_tool(request: ChatRequest, rng: Random) -> Tool:
    if request.named_tool is not None:
        return next(tool for tool in request.tools if tool.name == request.named_tool)
    said = set(_WORD.findall(request.last_text.lower()))
    overlap = [len(said & set(_WORD.findall(tool.name.lower()))) for tool in request.tools]
    best = [t for t, fit in zip(request.tools, overlap, strict=True) if fit == max(overlap)]
    return rng.choice(best)


def _text(request: ChatRequest, rng: Random) -> str:
    directives = request.directives
    if directives.text is not None:
        return directives.text
    if directives.tokens is not None:
        return " ".join(rng.choices(WORDS, k=directives.tokens))
    if request.answer_schema is not None:
        return json.dumps(arguments_for(request.answer_schema, rng), ensure_ascii=False)
    if request.last_role == "tool":
        return f"According to the tool: {prose(rng, 14)}"
    return " ".join(prose(rng, rng.randint(6, 14)) for _ in range(rng.randint(1, 4)))


def _counted(reply: Reply) -> Reply:
    spelled = [reply.reasoning, reply.text, *(call.name + call.arguments for call in reply.calls)]
    return replace(reply, completion_tokens=tokens_in(sum(len(s.encode()) for s in spelled)))


def _limited(reply: Reply, max_tokens: int | None) -> Reply:
    """Stop at max_tokens with finish_reason `length`, as a model does, even inside arguments."""
    if max_tokens is None or reply.completion_tokens <= max_tokens:
        return reply
    room = max_tokens * BYTES_PER_TOKEN
    reasoning, room = _cut(reply.reasoning, room)
    text, room = _cut(reply.text, room)
    calls = []
    for call in reply.calls:
        if room > 0:
            arguments, room = _cut(call.arguments, room - len(call.name))
            calls.append(replace(call, arguments=arguments))
    return replace(
        reply,
        reasoning=reasoning,
        text=text,
        calls=tuple(calls),
        finish_reason="length",
        completion_tokens=max_tokens,
    )


def _cut(text: str, room: int) -> tuple[str, int]:
    kept = text.encode()[: max(room, 0)].decode(errors="ignore")
    return kept, room - len(text.encode())
