"""Strings that match a regular expression, for the simple patterns tool schemas use.

Reads literals, escapes (\\d \\w \\s), classes, groups, alternatives, anchors and counted repeats;
anything else (look-around, back-references) gives None and the caller falls back. Pure.
"""

import re
import string
from collections.abc import Callable
from random import Random

_CLASSES = {
    "d": string.digits,
    "w": string.ascii_letters + string.digits + "_",
    "s": " ",
    "D": string.ascii_letters,
    "W": " -",
    "S": string.ascii_letters + string.digits,
}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r"}
_PRINTABLE = string.ascii_letters + string.digits + " -_.,:;/@+#!?()*&%$'\""
_REPEAT = re.compile(r"\{(\d+)(,?)(\d*)\}")
_EXTRA_REPEATS = 3  # how far * and + go beyond the least
_REPEAT_LIMIT = 1000
_DEPTH_LIMIT = 20

_Maker = Callable[[Random], str]


class _Unsupported(Exception):
    """The pattern uses something this module does not read."""


def matching(pattern: str, rng: Random) -> str | None:
    """Return a string in which the pattern is found, or None if it is not a simple one.

    >>> matching(r"^[A-Z]{2}-\\d{3}$", Random(1))
    'ES-135'
    """
    try:
        reader = _Reader(pattern)
        made = reader.alternatives(0)(rng)
        if reader.rest:
            return None
        return made if re.search(pattern, made) else None
    except (_Unsupported, IndexError, re.error):
        return None


class _Reader:
    """A recursive-descent reader; each method consumes text and returns a maker of strings."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    @property
    def rest(self) -> str:
        return self.pattern[self.at :]

    def take(self) -> str:
        self.at += 1
        return self.pattern[self.at - 1]

    def alternatives(self, depth: int) -> _Maker:
        if depth > _DEPTH_LIMIT:
            raise _Unsupported
        branches = [self.sequence(depth)]
        while self.rest.startswith("|"):
            self.take()
            branches.append(self.sequence(depth))
        return lambda rng: rng.choice(branches)(rng)

    def sequence(self, depth: int) -> _Maker:
        makers = []
        while self.rest and self.rest[0] not in "|)":
            makers.append(self.repeated(self.atom(depth)))
        return lambda rng: "".join(make(rng) for make in makers)

    def atom(self, depth: int) -> _Maker:
        match self.take():
            case "^" | "$":
                return lambda _: ""
            case ".":
                return lambda rng: rng.choice(string.ascii_lowercase)
            case "(":
                return self.group(depth)
            case "[":
                return self.character_class()
            case "\\":
                return self.escape()
            case "*" | "+" | "?":
                raise _Unsupported
            case literal:
                return lambda _: literal

    def group(self, depth: int) -> _Maker:
        if self.rest.startswith("?"):
            if not self.rest.startswith("?:"):
                raise _Unsupported
            self.at += 2
        made = self.alternatives(depth + 1)
        if self.take() != ")":
            raise _Unsupported
        return made

    def escape(self) -> _Maker:
        characters = self.escaped()
        return lambda rng: rng.choice(characters)

    def escaped(self) -> str:
        letter = self.take()
        if letter in _CLASSES:
            return _CLASSES[letter]
        if letter.isalnum():
            if letter not in _CONTROLS:
                raise _Unsupported
            return _CONTROLS[letter]
        return letter

    def character_class(self) -> _Maker:
        negated = self.rest.startswith("^")
        self.at += negated
        members = ""
        while not self.rest.startswith("]") or not members:
            members += self.class_member()
        self.take()
        if negated:
            members = "".join(c for c in _PRINTABLE if c not in members)
        if not members:
            raise _Unsupported
        return lambda rng: rng.choice(members)

    def class_member(self) -> str:
        first = self.take()
        if first == "\\":
            first = self.escaped()
        is_range = len(first) == 1 and self.rest[:1] == "-" and self.rest[1:2] not in ("", "]")
        if not is_range:
            return first
        self.take()
        last = self.take()
        last = self.escaped() if last == "\\" else last
        if len(last) != 1 or ord(last) < ord(first):
            raise _Unsupported
        return "".join(map(chr, range(ord(first), min(ord(last), ord(first) + 255) + 1)))

    def repeated(self, make: _Maker) -> _Maker:
        least, most = self.repeat()
        return lambda rng: "".join(make(rng) for _ in range(rng.randint(least, most)))

    def repeat(self) -> tuple[int, int]:
        simple = {"?": (0, 1), "*": (0, _EXTRA_REPEATS), "+": (1, 1 + _EXTRA_REPEATS)}
        if self.rest[:1] in simple and self.rest:
            found = simple[self.take()]
        elif counted := _REPEAT.match(self.rest):
            self.at += counted.end()
            least = int(counted[1])
            most = int(counted[3] or least + _EXTRA_REPEATS) if counted[2] else least
            found = (least, min(most, least + 50))
        else:
            return 1, 1
        if self.rest.startswith("?"):  # lazy: the same strings match
            self.take()
        if found[0] > _REPEAT_LIMIT or found[1] < found[0]:
            raise _Unsupported
        return found
