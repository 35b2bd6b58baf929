"""The answer faults acted out: each takes a healthy reply and returns the spoiled one. Pure.

A fault that cannot show (no tool call, nothing the schema forbids) leaves the reply as it is.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from providers.simulator.asked import ChatRequest
from providers.simulator.replies import Call, Reply, make_call, prose
from providers.simulator.schema_arguments import mismatching_json


@dataclass(frozen=True)
class Scene:
    request: ChatRequest
    rng: Random


def spoil(name: str, reply: Reply, request: ChatRequest, rng: Random) -> Reply:
    """Return the reply as the named answer fault leaves it."""
    return ACTORS[name](reply, Scene(request, rng))


def _invalid_json(reply: Reply, scene: Scene) -> Reply:
    def broken(call: Call) -> Call:
        spelled = str(call.arguments)
        swapped = spelled.replace('"', "'")
        damaged = swapped if swapped != spelled else "{"
        return replace(call, arguments=damaged[:-1] + ",}")

    return _with_first(reply, broken)


def _unknown_name(reply: Reply, scene: Scene) -> Reply:
    offered = {tool.name for tool in scene.request.tools}

    def renamed(call: Call) -> Call:
        name = call.name + "_v2"
        while name in offered:
            name += "_v2"
        return replace(call, name=name)

    return _with_first(reply, renamed)


def _schema_mismatch(reply: Reply, scene: Scene) -> Reply:
    def mismatched(call: Call) -> Call:
        schema = call.tool.schema if call.tool else None
        arguments = mismatching_json(schema, scene.rng)
        return call if arguments is None else replace(call, arguments=arguments)

    return _with_first(reply, mismatched)


def _leaked_tool_text(reply: Reply, scene: Scene) -> Reply:
    if not reply.calls:
        return reply
    template = scene.rng.choice(LEAKS)
    leaks = [
        template.replace("NAME", call.name).replace("ARGUMENTS", str(call.arguments))
        for call in reply.calls
    ]
    return replace(reply, text="".join(leaks), calls=(), finish_reason="stop")


def _tool_choice_violated(reply: Reply, scene: Scene) -> Reply:
    request, rng = scene.request, scene.rng
    match request.tool_choice:
        case "none" if request.tools:
            calls = (make_call(request, rng),)
            return replace(reply, text="", calls=calls, finish_reason="tool_calls")
        case "named" if len(request.tools) > 1:
            others = tuple(t for t in request.tools if t.name != request.named_tool)
            free = replace(request, named_tool=None, tools=others or request.tools)
            return replace(reply, text="", calls=(make_call(free, rng),))
        case "required" | "named":
            return replace(reply, text=prose(rng, 12), calls=(), finish_reason="stop")
        case _:
            return reply


def _truncated_arguments(reply: Reply, scene: Scene) -> Reply:
    return (
        replace(_silent_truncation(reply, scene), finish_reason="length") if reply.calls else reply
    )


def _silent_truncation(reply: Reply, scene: Scene) -> Reply:
    def halved(call: Call) -> Call:
        spelled = str(call.arguments)
        return replace(call, arguments=spelled[: len(spelled) // 2])

    return _with_last(reply, halved)


def _empty_reply(reply: Reply, scene: Scene) -> Reply:
    return replace(
        reply, text="", reasoning="", calls=(), finish_reason="stop", completion_tokens=0
    )


def _duplicate_ids(reply: Reply, scene: Scene) -> Reply:
    calls = _two_calls(reply, scene).calls
    return replace(reply, calls=tuple(replace(call, id=calls[0].id) for call in calls))


def _arguments_as_object(reply: Reply, scene: Scene) -> Reply:
    def unpacked(call: Call) -> Call:
        try:
            return replace(call, arguments=json.loads(call.arguments))
        except ValueError:
            return replace(call, arguments={})

    return _with_first(reply, unpacked)


def _styled(style: str) -> Callable[[Reply, Scene], Reply]:
    return lambda reply, scene: replace(reply, call_style=style) if reply.calls else reply


def _interleaved_calls(reply: Reply, scene: Scene) -> Reply:
    return _styled("interleaved_calls")(_two_calls(reply, scene), scene)


def _reused_index(reply: Reply, scene: Scene) -> Reply:
    return _styled("reused_index")(_two_calls(reply, scene), scene)


def _missing_calls(reply: Reply, scene: Scene) -> Reply:
    return replace(reply, calls=()) if reply.calls else reply


def _usage_absurd(reply: Reply, scene: Scene) -> Reply:
    return replace(reply, prompt_tokens=10**18, completion_tokens=-5)


def _two_calls(reply: Reply, scene: Scene) -> Reply:
    if len(reply.calls) != 1:
        return reply
    return replace(reply, calls=(*reply.calls, make_call(scene.request, scene.rng, 1)))


def _with_first(reply: Reply, change: Callable[[Call], Call]) -> Reply:
    return replace(reply, calls=(*map(change, reply.calls[:1]), *reply.calls[1:]))


def _with_last(reply: Reply, change: Callable[[Call], Call]) -> Reply:
    return replace(reply, calls=(*reply.calls[:-1], *map(change, reply.calls[-1:])))


# How tool calls look in the text when a server's parser misses them, by chat template family.
LEAKS = (
    '<tool_call>\n{"name": "NAME", "arguments": ARGUMENTS}\n</tool_call>',
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:0"
    "<|tool_call_argument_begin|>ARGUMENTS<|tool_call_end|><|tool_calls_section_end|>",
    "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>NAME<\uff5ctool\u2581sep\uff5c>ARGUMENTS"
    "<\uff5ctool\u2581call\u2581end\uff5c><\uff5ctool\u2581calls\u2581end\uff5c>",
    "<|start|>assistant<|channel|>commentary to=functions.NAME "
    "<|constrain|>json<|message|>ARGUMENTS<|call|>",
)

ACTORS: dict[str, Callable[[Reply, Scene], Reply]] = {
    "invalid_json": _invalid_json,
    "unknown_name": _unknown_name,
    "schema_mismatch": _schema_mismatch,
    "leaked_tool_text": _leaked_tool_text,
    "tool_choice_violated": _tool_choice_violated,
    "truncated_arguments": _truncated_arguments,
    "silent_truncation": _silent_truncation,
    "empty_reply": _empty_reply,
    "duplicate_ids": _duplicate_ids,
    "arguments_as_object": _arguments_as_object,
    "interleaved_calls": _interleaved_calls,
    "missing_calls": _missing_calls,
    "split_name": _styled("split_name"),
    "missing_index": _styled("missing_index"),
    "reused_index": _reused_index,
    "usage_absurd": _usage_absurd,
}
