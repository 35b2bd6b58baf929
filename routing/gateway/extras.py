"""What a chat request asks of the gateway itself, beside the model and the providers.

Owns the reading of `session_id`, `transforms`, `plugins`, `debug`, `service_tier` and the wish not
to see reasoning. It does none of it. The rules others rely on: a request that asks for nothing of
this has `NO_EXTRAS`, so that using them may be told by one comparison; what is not known here (a
plugin, a transform, a tier) is passed over, and plugins that were are named in `ignored_plugins`.
Source: openrouter-contract §2.4, §2.5, §3.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_SESSION = 256
_COMPRESSION, _HEALING = "context-compression", "response-healing"
_MOST_IGNORED, _MOST_NAME = 8, 64
# The other tiers that clients may name mean what every endpoint gives.
_TIERS = frozenset({"flex", "priority"})
_ASKING = (
    "session_id prompt_cache_key transforms plugins debug service_tier reasoning include_reasoning"
).split()


@dataclass(frozen=True, slots=True)
class Extras:
    """`compress` None: as the endpoint's size has it. `session` and `tier` are "" for none."""

    session: str = ""
    compress: bool | None = None
    heal: bool = False
    hide_reasoning: bool = False
    echo: bool = False
    tier: str = ""
    ignored_plugins: tuple[str, ...] = ()


NO_EXTRAS = Extras()


def read_extras(body: Mapping[str, Any], session_header: str = "") -> Extras:
    """Return what a checked body asks for; the body's session wins over the header's."""
    if not session_header and not any(name in body for name in _ASKING):
        return NO_EXTRAS
    plugins = {p["id"]: p for p in body.get("plugins") or () if isinstance(p.get("id"), str)}
    stream = body.get("stream") is True
    tier = body.get("service_tier") or ""
    return Extras(
        session=body.get("session_id") or session_header or body.get("prompt_cache_key") or "",
        compress=_compress(body.get("transforms"), plugins.get(_COMPRESSION)),
        heal=not stream and _on(plugins.get(_HEALING)) and _json_asked(body) is not None,
        hide_reasoning=_hides_reasoning(body),
        echo=stream and (body.get("debug") or {}).get("echo_upstream_body") is True,
        tier=tier if tier in _TIERS else "",
        ignored_plugins=tuple(
            name[:_MOST_NAME] for name in plugins if name not in (_COMPRESSION, _HEALING)
        )[:_MOST_IGNORED],
    )


def json_kind(body: Mapping[str, Any]) -> str:
    """Return `object` or `array` if that is what `response_format` wants, "" for either."""
    asked = _json_asked(body) or {}
    if asked.get("type") == "json_object":
        return "object"
    wrapper = asked.get("json_schema")
    schema = wrapper.get("schema") if isinstance(wrapper, dict) else None
    kind = schema.get("type") if isinstance(schema, dict) else None
    return kind if kind in ("object", "array") else ""


def _json_asked(body: Mapping[str, Any]) -> dict[str, Any] | None:
    asked = body.get("response_format")
    wanted = isinstance(asked, dict) and asked.get("type") in ("json_object", "json_schema")
    return asked if wanted else None


def _compress(transforms: list[str] | None, plugin: Mapping[str, Any] | None) -> bool | None:
    if plugin is not None:
        return _on(plugin)
    return None if transforms is None else "middle-out" in transforms


def _on(plugin: Mapping[str, Any] | None) -> bool:
    return plugin is not None and plugin.get("enabled") is not False


def _hides_reasoning(body: Mapping[str, Any]) -> bool:
    reasoning = body.get("reasoning") or {}
    return reasoning.get("exclude") is True or body.get("include_reasoning") is False
