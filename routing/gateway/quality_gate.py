"""The quality gate: a reply with an invalid tool call waits while a better one may be had.

Owns which judgements are bad, which of several bad replies is the least so, and the wait for a
verdict. It asks no endpoint and hands nothing over. The rules others rely on: whoever waits has
an answer within the time given, a late verdict is recorded all the same, and none before the
attempt it is about.
"""

import asyncio
from collections.abc import Callable

from telemetry.judge.rules import Judgement

# Worst last. A sign without a bad call is the least: the client can see what happened.
_VERDICTS = ("schema_mismatch", "unknown_name", "invalid_json")
_SIGNS = ("leaked_tool_text", "truncated_arguments", "tool_choice_violated")


def signs_of(judgement: Judgement) -> list[str]:
    """Return the signs for which the gate holds a reply back."""
    return [sign for sign in _SIGNS if getattr(judgement, sign)]


def is_bad(judgement: Judgement) -> bool:
    """Say whether a reply is not to be handed over; what could not be judged is."""
    return judgement.verdict in _VERDICTS or bool(signs_of(judgement))


def badness(judgement: Judgement) -> int:
    """Return a number that is higher for a worse reply.

    >>> badness(Judgement("invalid_json")) > badness(Judgement("schema_mismatch"))
    True
    """
    if judgement.verdict in _VERDICTS:
        return 1 + _VERDICTS.index(judgement.verdict)
    return 0


class AwaitedVerdict:
    """A judgement somebody waits for; `record` is what is done with it in the end."""

    def __init__(self, record: Callable[[Judgement], object]) -> None:
        self.judgement: Judgement | None = None
        self._arrived = asyncio.Event()
        self._record = record
        self._attempt_recorded = False

    def take(self, judgement: Judgement) -> None:
        """Take the judgement; called once."""
        self.judgement = judgement
        self._arrived.set()
        if self._attempt_recorded:
            self._record(judgement)

    async def wait(self, seconds: float) -> Judgement | None:
        """Return the judgement, or None if it does not come in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return None
        return self.judgement

    def settle(self) -> None:
        """Have it recorded, now or when it comes: the attempt's own fact is in the spool."""
        self._attempt_recorded = True
        if self.judgement is not None:
            self._record(self.judgement)
