"""Presets: what an account has written down once, to be named by its requests.

Owns what a preset is and how it joins a request: `@preset/slug` as the model, `model@preset/slug`,
or the field `preset`. It reads no rows. The rules others rely on: a field of the request wins over
the preset's as a whole, by whichever of its names, null being no field; tools are united by name;
what comes out is an ordinary body, checked like any other, in which no preset is named any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MARK = "@preset/"
# What belongs to one request and never to all of them.
NOT_IN_PRESETS = frozenset("messages preset session_id stream debug user prompt".split())
# Two names of one wish: who says it by one of them has not left it to the preset.
_SAME = (
    frozenset({"max_tokens", "max_completion_tokens"}),
    frozenset({"reasoning", "reasoning_effort"}),
)


class PresetError(ValueError):
    """The preset cannot be used; `path` says where it was named, the message why."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, slots=True)
class Preset:
    """`parameters` are fields of a chat request; `system_prompt` goes before its messages."""

    slug: str
    parameters: Mapping[str, Any]
    system_prompt: str = ""


Presets = Mapping[str, Preset]
NO_PRESETS: Presets = {}


def named_preset(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return the slug of the preset that a body names and the path where; "" for none.

    Raises PresetError for two of them, or a `preset` that is no text.
    """
    model, field = body.get("model"), body.get("preset")
    in_model = model.partition(MARK)[2] if isinstance(model, str) and MARK in model else ""
    if field is None:
        return in_model, "model"
    if not isinstance(field, str):
        raise PresetError("preset", "expected a preset's slug")
    slug = field.removeprefix(MARK)
    if in_model and in_model != slug:
        raise PresetError("preset", f"the model names another one, {in_model[:100]}")
    return slug, "preset"


def with_preset(body: dict[str, Any], presets: Presets) -> tuple[dict[str, Any], str]:
    """Return the body with its preset's fields, and the preset's slug. Raises PresetError."""
    slug, path = named_preset(body)
    if not slug:
        raise PresetError(path, "name the preset, as in @preset/my-preset")
    preset = presets.get(slug)
    if preset is None:
        raise PresetError(path, f"your account has no preset {slug[:100]}")
    own = {name: value for name, value in body.items() if value is not None}
    own.pop("preset", None)
    if isinstance(own.get("model"), str) and not own["model"].partition(MARK)[0]:
        del own["model"]  # "@preset/slug" alone: the model is the preset's
    elif "model" in own:
        own["model"] = own["model"].partition(MARK)[0]
    said = {name for names in _SAME if names & own.keys() for name in names}
    merged = {n: v for n, v in preset.parameters.items() if n not in said} | own
    if "tools" in own and "tools" in preset.parameters:
        merged["tools"] = _united(own["tools"], preset.parameters["tools"])
    if preset.system_prompt and isinstance(own.get("messages"), list):
        system = {"role": "system", "content": preset.system_prompt}
        merged["messages"] = [system, *own["messages"]]
    if "model" not in merged and "models" not in merged:
        raise PresetError(path, f"the preset {slug} names no model: use model{MARK}{slug}")
    return merged, slug


def _united(own: Any, others: list[Any]) -> Any:
    """Return the request's tools and those of the preset's that it has no tool for."""
    if not isinstance(own, list):
        return own
    known = {_name(tool) for tool in own}
    return [*own, *(tool for tool in others if _name(tool) not in known)]


def _name(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, dict) else None
    return function.get("name") if isinstance(function, dict) else None
