"""Scalars for a JSON Schema: strings, numbers, booleans and null within their limits. Pure."""

import math
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from providers.simulator.pattern_strings import matching

ITEMS_LIMIT = 200
LENGTH_LIMIT = 100_000

WORDS = [
    "amber",
    "harbour",
    "meadow",
    "copper",
    "lantern",
    "willow",
    "granite",
    "ember",
    "thistle",
    "saffron",
    "orchard",
    "cobalt",
    "juniper",
    "marble",
    "raven",
    "cedar",
    "pebble",
    "autumn",
    "silver",
    "hollow",
    "maple",
    "river",
    "falcon",
    "linen",
]

_SPAN = 100  # how far a number without limits lies from the limit it has


def scalar(kind: str, keywords: Mapping[str, Any], rng: Random) -> Any:
    """Return a string, number, integer, boolean or null that the keywords allow."""
    match kind:
        case "integer" | "number":
            return _number(keywords, rng, whole=kind == "integer")
        case "boolean":
            return rng.random() < 0.5
        case "null":
            return None
        case _:
            return _string(keywords, rng)


def _string(keywords: Mapping[str, Any], rng: Random) -> str:
    least = min(_length(keywords.get("minLength"), 0), LENGTH_LIMIT)
    most = _length(keywords.get("maxLength"), LENGTH_LIMIT)
    pattern = keywords.get("pattern")
    if isinstance(pattern, str):
        for _ in range(20):
            made = matching(pattern, rng)
            if made is not None and least <= len(made) <= most:
                return made
    maker = _FORMATS.get(str(keywords.get("format")))
    return maker(rng) if maker else _text(least, most, rng)


def _text(least: int, most: int, rng: Random) -> str:
    words = " ".join(rng.choices(WORDS, k=rng.randint(1, 3)))
    while len(words) < least:
        words += " " + rng.choice(WORDS)
    if len(words) <= most:
        return words
    return words[:most].rstrip().ljust(min(least, most), "x")


def _number(keywords: Mapping[str, Any], rng: Random, *, whole: bool) -> float:
    low, high = _bounds(keywords, whole)
    step = _finite(keywords.get("multipleOf"))
    if step is None or step <= 0:
        return _whole(low, high, rng) if whole else _fraction(low, high, rng)
    if whole and not float(step).is_integer():
        step = _whole_multiple(step)
    first, last = math.ceil(low / step), math.floor(high / step)
    multiple = rng.randint(first, max(first, min(last, first + _SPAN))) * step
    return int(multiple) if whole else round(multiple, 12)


def _whole_multiple(step: float) -> float:
    """Return the first multiple of a fractional step that is a whole number."""
    return next((n * step for n in range(1, 1001) if float(n * step).is_integer()), 1)


def _bounds(keywords: Mapping[str, Any], whole: bool) -> tuple[float, float]:
    low, high = _finite(keywords.get("minimum")), _finite(keywords.get("maximum"))
    above, below = (
        _finite(keywords.get("exclusiveMinimum")),
        _finite(keywords.get("exclusiveMaximum")),
    )
    if above is not None:
        above = math.floor(above) + 1 if whole else above
        low = above if low is None else max(low, above)
    if below is not None:
        below = math.ceil(below) - 1 if whole else below
        high = below if high is None else min(high, below)
    if low is None:
        low = 1 if high is None or high >= 1 else high - _SPAN
    return low, max(low, low + _SPAN if high is None else high)


def _whole(low: float, high: float, rng: Random) -> int:
    first = math.ceil(low)
    return rng.randint(first, max(first, math.floor(high)))


def _fraction(low: float, high: float, rng: Random) -> float:
    """Draw strictly inside the limits where they differ, so that exclusive ones hold too."""
    if low == high:
        return low
    made = low + (high - low) * rng.uniform(0.01, 0.99)
    rounded = round(made, 2)
    return rounded if low < rounded < high else made


def _length(value: Any, otherwise: int) -> int:
    number = _finite(value)
    return otherwise if number is None or number < 0 else int(number)


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < 1e300 else None


def _moment(rng: Random) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(365 * 86_400))


def _host(rng: Random) -> str:
    return f"{rng.choice(WORDS)}.example.com"


_FORMATS: Mapping[str, Callable[[Random], str]] = {
    "date": lambda rng: _moment(rng).date().isoformat(),
    "date-time": lambda rng: _moment(rng).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "time": lambda rng: _moment(rng).strftime("%H:%M:%SZ"),
    "duration": lambda rng: f"PT{rng.randint(1, 59)}M",
    "email": lambda rng: f"{rng.choice(WORDS)}@{_host(rng)}",
    "idn-email": lambda rng: f"{rng.choice(WORDS)}@{_host(rng)}",
    "hostname": _host,
    "idn-hostname": _host,
    "ipv4": lambda rng: f"192.0.2.{rng.randint(1, 254)}",
    "ipv6": lambda rng: f"2001:db8::{rng.randint(1, 0xFFFF):x}",
    "uri": lambda rng: f"https://{_host(rng)}/{rng.choice(WORDS)}",
    "iri": lambda rng: f"https://{_host(rng)}/{rng.choice(WORDS)}",
    "uri-reference": lambda rng: f"/{rng.choice(WORDS)}",
    "iri-reference": lambda rng: f"/{rng.choice(WORDS)}",
    "uri-template": lambda rng: f"/{rng.choice(WORDS)}/{{id}}",
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "json-pointer": lambda rng: f"/{rng.choice(WORDS)}",
    "relative-json-pointer": lambda rng: f"{rng.randint(0, 3)}/{rng.choice(WORDS)}",
    "regex": lambda rng: f"^{rng.choice(WORDS)}$",
}
