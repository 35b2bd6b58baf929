"""Response healing: an answer that should be JSON and is not quite, made JSON.

Owns the repair of a text and its bounds. It never sees tool calls, and knows no schema. The rules
others rely on: what is JSON already stays as it is, to the letter; what cannot be made the kind
that was asked for comes back as it was; for a text that takes the library too long nobody waits
longer than HEAL_S, because it runs in a child that is killed then.
"""

import asyncio
import re
import sys
from typing import Any

import orjson

_FENCED = re.compile(r"```[A-Za-z0-9]*\s*\n(.*?)\n?\s*```", re.DOTALL)
_KINDS: dict[str, type] = {"object": dict, "array": list}
_MOST_CHILDREN = 2
_REPAIR = """
import sys, json_repair
found = json_repair.repair_json(sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(found.encode())
"""


class Healer:
    """Mends texts, a few at a time."""

    def __init__(self, seconds: float, most_bytes: int) -> None:
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._places = asyncio.Semaphore(_MOST_CHILDREN)

    async def heal(self, text: str, kind: str) -> str | None:
        """Return the mended text; None if there is nothing to mend, or no way to.

        kind: `object` or `array`, or "" for either.
        """
        if not text.strip() or _fits(text, kind) or len(text) > self._most_bytes:
            return None
        fenced = _FENCED.search(text)
        if fenced is not None and _fits(fenced[1], kind):
            return fenced[1]
        try:
            async with asyncio.timeout(self._seconds), self._places:
                mended = await _repaired(text)
        except (TimeoutError, OSError):
            return None
        return mended if _fits(mended, kind) else None


def _fits(text: str, kind: str) -> bool:
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, _KINDS.get(kind, (dict, list)))


async def _repaired(text: str) -> str:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-c", _REPAIR),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        found, _ = await child.communicate(text.encode(errors="replace"))
        return found.decode(errors="replace")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
