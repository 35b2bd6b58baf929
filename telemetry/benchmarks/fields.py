"""JSON of a result file with its place: each value knows where it stands, so an error can say it.

Owns reading JSON from strangers: bounded in bytes, values, digits and depth, and typed look-ups.
It knows no format. The rule others rely on: a wrong or missing value is `Unreadable` with the
file, the path (`simulations[3].reward_info.reward`) and what was expected there.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from telemetry.benchmarks.errors import Unreadable

MAX_VALUES = 3_000_000  # commas and opening brackets in one file: bounds the memory of its values
_MAX_DIGITS = 30
MAX_COUNT = 1_000_000_000  # the sum of two still fits an integer column
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_CURE = "Export the file again from the tool that wrote it"


def clean(text: str, limit: int) -> str:
    """Return text that may be stored and shown: no control characters, at most `limit` long.

    >>> clean("a" + chr(0) + "b" + chr(10), 10), clean("abcdef", 4)
    ('a b', 'abc…')
    """
    text = _UNFIT.sub(" ", text[: limit * 2]).strip()
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


@dataclass(frozen=True, slots=True)
class Field:
    """One JSON value and where it stands; `value` is None where an optional one is missing."""

    value: Any
    file: str
    path: str = ""

    def fault(self, problem: str, cure: str = _CURE + ".") -> Unreadable:
        return Unreadable(self.file, self.path or "the file", problem, cure)

    def get(self, name: str) -> "Field":
        """Return a member, or an empty field if it is missing or null. The value is an object."""
        path = f"{self.path}.{name}".lstrip(".")
        return Field(self.object().get(name), self.file, path)

    def dig(self, *names: str) -> "Field":
        """Return what stands at the end of these members, or an empty field."""
        found = self
        for name in names:
            if not isinstance(found.value, dict):
                return Field(None, self.file, f"{found.path}.{name}".lstrip("."))
            found = found.get(name)
        return found

    def has(self, *names: str) -> bool:
        return isinstance(self.value, dict) and all(name in self.value for name in names)

    def object(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise self.fault(f"expected an object, found {_kind(self.value)}")
        return self.value

    def items(self) -> Iterator["Field"]:
        """Yield the members of an array; a missing one has none."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            raise self.fault(f"expected an array, found {_kind(self.value)}")
        for index, value in enumerate(self.value):
            yield Field(value, self.file, f"{self.path}[{index}]")

    def text(self, *, limit: int = 200) -> str:
        """Return the text, cleaned and cut; "" where it is missing."""
        if self.value is None:
            return ""
        if not isinstance(self.value, str):
            raise self.fault(f"expected text, found {_kind(self.value)}")
        return clean(self.value, limit)

    def raw_text(self) -> str:
        """Return the text as it is, to be looked at and never stored; "" if it is none."""
        return self.value if isinstance(self.value, str) else ""

    def name(self, *, limit: int = 200) -> str:
        """Return an id, which some tools write as text and some as a number."""
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            return str(self.value)
        found = self.text(limit=limit)
        if not found:
            raise self.fault("expected text that is not empty")
        return found

    def number(self) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.fault(f"expected a number, found {_kind(self.value)}")
        number = float(self.value)
        if not math.isfinite(number):
            raise self.fault("the number is not finite")
        return number

    def count(self) -> int:
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.fault(f"expected a whole number, found {_kind(self.value)}")
        if not 0 <= self.value <= MAX_COUNT:
            raise self.fault(f"expected a number from 0 to {MAX_COUNT}")
        return self.value

    def truth(self) -> bool | None:
        if self.value is None or isinstance(self.value, bool):
            return self.value
        raise self.fault(f"expected true, false or null, found {_kind(self.value)}")

    def moment(self) -> datetime:
        """Return a time; one without a zone is taken as UTC."""
        try:
            found = datetime.fromisoformat(self.text(limit=60))
        except ValueError:
            raise self.fault("expected a date and time in ISO 8601") from None
        try:
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except OverflowError:
            raise self.fault("the date is out of range") from None


def parse(content: bytes, file: str, place: str = "") -> Field:
    """Return the value of a JSON text. NaN and Infinity are read, as some tools write them for a
    figure that could not be computed; `number` refuses them."""
    root = Field(None, file, place)
    if content.count(b"[") + content.count(b"{") + content.count(b",") > MAX_VALUES:
        raise root.fault(f"more than {MAX_VALUES} values", "Import a part of the run's files.")
    try:
        value = _DECODER.decode(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise root.fault(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise root.fault(f"not JSON at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise root.fault("nested too deep") from None
    except _TooManyDigits:
        raise root.fault(f"a number has more than {_MAX_DIGITS} digits") from None
    return Field(value, file, place)


def parse_lines(content: bytes, file: str) -> Iterator[Field]:
    """Yield the value of each line of a JSONL text; empty lines are skipped."""
    if content.count(b"[") + content.count(b"{") + content.count(b",") > MAX_VALUES:
        raise Unreadable(file, "the file", f"more than {MAX_VALUES} values", "Import it in parts.")
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield parse(line, file, f"line {number}")


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value, the same for every order of an object's members."""
    try:
        text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    except RecursionError:
        text = "nested too deep"
    return hashlib.sha256(text.encode()).hexdigest()


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    kinds = {bool: "true or false", str: "text", dict: "an object", list: "an array"}
    return kinds.get(type(value), "a number")


class _TooManyDigits(ValueError):
    """Integers without end take quadratic time to read."""


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise _TooManyDigits
    return int(digits)


_DECODER = json.JSONDecoder(parse_int=_integer)
