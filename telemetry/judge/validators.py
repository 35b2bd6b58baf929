"""Compiled validators for tool schemas, kept by the exact bytes they came from.

`ValidatorCache` is a plain LRU, bounded in entries, in bytes and in what one owner may take of it,
so that no flood of odd schemas can push out everybody else's. Two schemas share an entry only if
they are the same bytes. A schema that does not compile yields an entry without a validator; it is
never an error, because it is not the provider's. Not thread-safe: one child process, one thread.
"""

from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from typing import NoReturn

from jsonschema_rs import Draft201909Validator, ReferencingError

from telemetry.judge.limits import JudgeLimits
from telemetry.judge.prescreen import screen

# A compiled validator measured at 27 times its schema's text, and 1.4 kB for the smallest.
_WEIGHT_PER_BYTE, _WEIGHT_AT_LEAST = 28, 2_048
_EDITION = f"2019-09 as 7, jsonschema-rs {version('jsonschema-rs')}".encode()
# Formats that the published rule's validator does not know, and so lets pass.
_PASSING = ("idn-email", "idn-hostname", "iri", "iri-reference")
_RFC_3339 = Draft201909Validator({"format": "date-time"}, validate_formats=True)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What is known of one schema: its validator, or none; why it may not be judged, if so."""

    validator: Draft201909Validator | None
    names: frozenset[str]
    problem: str


class ValidatorCache:
    """Least recently used validators, within `limits`, which are also those of what it is used on.

    `formats` asserts `format`, as the published rule does; without it, it is a remark.
    """

    def __init__(self, limits: JudgeLimits | None = None, *, formats: bool = False) -> None:
        self.limits = limits or JudgeLimits()
        self._formats = formats
        self._entries: OrderedDict[bytes, tuple[Compiled, int, int]] = OrderedDict()
        self._of_owner: defaultdict[int, OrderedDict[bytes, None]] = defaultdict(OrderedDict)
        self._owner_bytes: defaultdict[int, int] = defaultdict(int)
        self.bytes = 0

    @property
    def entries(self) -> int:
        return len(self._entries)

    def lookup(self, raw: bytes, owner: int = 0) -> Compiled:
        """Return the compiled form of a schema's exact bytes, compiling it if it is new."""
        key = sha256(_EDITION + raw).digest()
        if (entry := self._entries.get(key)) is not None:
            self._entries.move_to_end(key)
            self._of_owner[entry[2]].move_to_end(key)
            return entry[0]
        compiled = self._compile(raw)
        weight = _WEIGHT_AT_LEAST + (_WEIGHT_PER_BYTE * len(raw) if compiled.validator else 0)
        self._entries[key] = (compiled, weight, owner)
        self._of_owner[owner][key] = None
        self._owner_bytes[owner] += weight
        self.bytes += weight
        self._shrink(owner)
        return compiled

    def _shrink(self, owner: int) -> None:
        limits, owned = self.limits, self._of_owner[owner]
        while (
            len(owned) > limits.cached_schemas * limits.owner_share
            or self._owner_bytes[owner] > limits.cached_bytes * limits.owner_share
        ) and len(owned) > 1:
            self._drop(next(iter(owned)))
        while len(self._entries) > limits.cached_schemas or self.bytes > limits.cached_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        _, weight, owner = self._entries.pop(key)
        del self._of_owner[owner][key]
        self.bytes -= weight
        self._owner_bytes[owner] -= weight
        if not self._of_owner[owner]:
            del self._of_owner[owner], self._owner_bytes[owner]

    def _compile(self, raw: bytes) -> Compiled:
        screened = screen(raw, self.limits)
        if screened.schema is None:
            return Compiled(None, screened.names, screened.problem)
        try:
            validator = Draft201909Validator(
                screened.schema,
                validate_formats=self._formats,
                formats={"date-time": _is_moment, **dict.fromkeys(_PASSING, _passes)},
                retriever=_refuse,
            )
        except (ValueError, ReferencingError):
            validator = None
        return Compiled(validator, screened.names, "")


def _passes(_: str) -> bool:
    return True


def _is_moment(value: str) -> bool:
    # The published rule also takes a space where RFC 3339 has a T, and models like to write one.
    return _RFC_3339.is_valid(value.replace(" ", "T", 1))


def _refuse(_: str) -> NoReturn:
    raise ValueError("schemas are never fetched")
