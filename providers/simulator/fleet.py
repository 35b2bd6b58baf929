"""The fleet file: which providers are simulated, with which endpoints and manners.

Owns the YAML format and its validation; every complaint names the path of the value it is about.
Knows nothing of HTTP. A parsed fleet is frozen and complete: defaults are filled in here only.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from providers.simulator import faults
from providers.simulator.faults import Injected

DEMO_FLEET = Path(__file__).with_name("demo_fleet.yaml")

QUIRKS = {
    "reasoning": "thinks aloud in `reasoning` before it answers",
    "reasoning_content": "thinks aloud in `reasoning_content` before it answers",
    "tool_calls_null": "sends `tool_calls: null` beside text",
    "tool_calls_empty": "sends `tool_calls: []` beside text",
    "usage_always": "streams usage although nobody asked for it",
    "usage_with_choice": "streams usage beside a repeated choice instead of `choices: []`",
    "no_done": "ends streams without `[DONE]`",
    "no_role_chunk": "puts the role into the first content chunk",
    "role_every_chunk": "repeats the role in every chunk",
    "keep_alives": "sends an SSE comment before the first chunk",
    "crlf": "ends SSE lines with CR LF",
    "whole_arguments": "sends a tool call's arguments in one delta",
    "finish_stop": "says finish_reason `stop` although it calls tools",
    "positional_ids": "names tool calls `functions.name:0`, `functions.name:1`, …",
}


class FleetError(ValueError):
    """The fleet file is wrong; the message starts with the path of the value."""


@dataclass(frozen=True)
class SimulatedEndpoint:
    model: str  # the id the provider itself uses for it
    ttft_median_ms: float = 150.0
    ttft_spread: float = 0.25  # standard deviation of the logarithm; 0 = always the median
    tokens_per_second: float = 100.0  # 0 = as fast as possible
    error_rate: float = 0.0  # chance of a plain 500, 502 or 503
    propensity: float = 0.9  # chance of a tool call, where tools are offered with free choice
    faults: tuple[tuple[Injected, float], ...] = ()  # with probabilities; at most one is drawn
    usage: bool = True
    quirks: frozenset[str] = frozenset()
    dimensions: int = 0  # of its vectors; 0: it chats


@dataclass(frozen=True)
class SimulatedProvider:
    slug: str
    name: str
    endpoints: Mapping[str, SimulatedEndpoint]  # by model
    api_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Fleet:
    providers: Mapping[str, SimulatedProvider]  # by slug


def load(path: Path) -> Fleet:
    """Read a fleet file; raise FleetError if it cannot be read or is wrong."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FleetError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise FleetError(f"{path}{line}: not a YAML file") from None
    return parse(document)


def parse(document: Any) -> Fleet:
    """Build a fleet from a parsed YAML document; raise FleetError if it is wrong."""
    top = _mapping(document, "fleet", allowed={"providers"})
    entries = _mapping(top.get("providers"), "providers")
    if not entries:
        raise FleetError("providers: at least one is needed")
    return Fleet({slug: _provider(slug, entry) for slug, entry in entries.items()})


def _provider(slug: str, entry: Any) -> SimulatedProvider:
    path = f"providers.{slug}"
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", slug):
        raise FleetError(f"{path}: a slug has small letters, digits and hyphens")
    fields = _mapping(entry, path, allowed={"name", "api_key", "defaults", "endpoints"})
    defaults = _mapping(fields.get("defaults", {}), f"{path}.defaults")
    endpoints: dict[str, SimulatedEndpoint] = {}
    for where, endpoint in _endpoints(fields.get("endpoints"), f"{path}.endpoints", defaults):
        if endpoint.model in endpoints:
            raise FleetError(f"{where}.model: {endpoint.model} is listed twice")
        endpoints[endpoint.model] = endpoint
    api_key = fields.get("api_key")
    return SimulatedProvider(
        slug=slug,
        name=_text(fields.get("name", slug), f"{path}.name"),
        endpoints=endpoints,
        api_key=None if api_key is None else _text(api_key, f"{path}.api_key"),
    )


def _endpoints(
    entries: Any, path: str, defaults: Mapping[str, Any]
) -> Iterator[tuple[str, SimulatedEndpoint]]:
    if not isinstance(entries, list) or not entries:
        raise FleetError(f"{path}: a list with at least one endpoint is needed")
    for position, entry in enumerate(entries):
        where = f"{path}[{position}]"
        own = {"model": entry} if isinstance(entry, str) else entry
        yield where, _endpoint({**defaults, **_mapping(own, where)}, where)


def _endpoint(fields: Mapping[str, Any], path: str) -> SimulatedEndpoint:
    known = {"model", "ttft_ms", "tokens_per_second", "error_rate", "propensity"}
    _mapping(fields, path, allowed=known | {"faults", "usage", "quirks", "dimensions"})
    median, spread = _ttft(fields.get("ttft_ms", {}), f"{path}.ttft_ms")
    error_rate = _number(fields.get("error_rate", 0), f"{path}.error_rate", most=1)
    drawn = _faults(fields.get("faults", {}), f"{path}.faults")
    if error_rate + sum(probability for _, probability in drawn) > 1:
        raise FleetError(f"{path}.faults: the probabilities and error_rate add up to more than 1")
    usage = fields.get("usage", True)
    if not isinstance(usage, bool):
        raise FleetError(f"{path}.usage: true or false is needed")
    return SimulatedEndpoint(
        model=_text(fields.get("model"), f"{path}.model"),
        ttft_median_ms=median,
        ttft_spread=spread,
        tokens_per_second=_number(
            fields.get("tokens_per_second", 100), f"{path}.tokens_per_second"
        ),
        error_rate=error_rate,
        propensity=_number(fields.get("propensity", 0.9), f"{path}.propensity", most=1),
        faults=drawn,
        usage=usage,
        quirks=_quirks(fields.get("quirks", []), f"{path}.quirks"),
        dimensions=int(_number(fields.get("dimensions", 0), f"{path}.dimensions", most=65_536)),
    )


def _ttft(value: Any, path: str) -> tuple[float, float]:
    fields = value if isinstance(value, dict) else {"median": value}
    _mapping(fields, path, allowed={"median", "spread"})
    median = _number(fields.get("median", 150), f"{path}.median")
    return median, _number(fields.get("spread", 0.25), f"{path}.spread", most=3)


def _faults(value: Any, path: str) -> tuple[tuple[Injected, float], ...]:
    drawn = []
    for name, probability in _mapping(value, path).items():
        where = f"{path}.{name}"
        try:
            injected = faults.parse(name)
        except ValueError as error:
            raise FleetError(f"{where}: {error}") from None
        drawn.append((injected, _number(probability, where, most=1)))
    return tuple(drawn)


def _quirks(value: Any, path: str) -> frozenset[str]:
    if not isinstance(value, list):
        raise FleetError(f"{path}: a list is needed")
    for position, quirk in enumerate(value):
        if not isinstance(quirk, str) or quirk not in QUIRKS:
            known = ", ".join(sorted(QUIRKS))
            raise FleetError(f"{path}[{position}]: unknown quirk {quirk!r}; known: {known}")
    return frozenset(value)


def _mapping(value: Any, path: str, allowed: set[str] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FleetError(f"{path}: a mapping is needed")
    for key in value:
        if not isinstance(key, str):
            raise FleetError(f"{path}: the key {key!r} must be text")
        if allowed is not None and key not in allowed:
            raise FleetError(f"{path}.{key}: unknown key; known: {', '.join(sorted(allowed))}")
    return value


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise FleetError(f"{path}: text is needed")
    return value


def _number(value: Any, path: str, most: float = 1e6) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        raise FleetError(f"{path}: a number from 0 to {most:g} is needed")
    return float(value)
