"""Counting replies, tool calls and bad ones while a transcript is read.

Owns the tally every transcript reader fills: one failure per reply however many bad calls it
makes, of the first kind that applies. It knows no format.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

KINDS = ("invalid_json", "unknown_name", "schema_mismatch")


@dataclass(slots=True)
class CallTally:
    """replies, of those tool calls, of those with a bad call; and the bad ones by kind."""

    replies: int = 0
    tool_calls: int = 0
    failures: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def reply(self, *, calls: bool, bad: Iterable[str] = ()) -> None:
        """Count one reply: whether it is a tool call, and the kinds of its bad calls."""
        kinds = set(bad)
        found = [kind for kind in KINDS if kind in kinds]
        self.replies += 1
        self.tool_calls += calls
        if calls and found:
            self.failures += 1
            self.kinds[found[0]] += 1

    def add(self, other: "CallTally") -> None:
        self.replies += other.replies
        self.tool_calls += other.tool_calls
        self.failures += other.failures
        self.kinds += other.kinds
