"""What every driver in Python does: one JSON command per line in, one JSON line of what it saw out.

The first line out says which version of the client runs. A client's exception is something it saw:
its class, status and code. What a library prints goes to standard error, out of the way.
"""

import json
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

Command = dict[str, Any]
Saw = dict[str, Any]
Operation = Callable[[Command], Saw]

BASE_URL = sys.argv[1] if len(sys.argv) > 1 else ""


def serve(version_of: str | Callable[[], str], operations: Mapping[str, Operation]) -> None:
    """Obey commands until there are no more; `version_of` names a package, or finds out."""
    out, sys.stdout = sys.stdout, sys.stderr
    release = version(version_of) if isinstance(version_of, str) else version_of()
    _say(out, {"version": release})
    for line in sys.stdin:
        command = json.loads(line)
        try:
            saw = operations[command["operation"]](command)
        except Exception as error:  # noqa: BLE001 - whatever the client raises is a result
            saw = {"error": described(error)}
        _say(out, saw)


def described(error: BaseException) -> dict[str, Any]:
    return {
        "name": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "code": getattr(error, "code", None),
        "message": str(error)[:2000],
    }


def wishes(command: Command, *names: str) -> dict[str, Any]:
    """Return those parts of a command that are there."""
    return {name: command[name] for name in names if name in command}


def _say(out: Any, saw: Mapping[str, Any]) -> None:
    out.write(json.dumps(saw, default=str) + "\n")
    out.flush()
