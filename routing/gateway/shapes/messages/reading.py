"""The body of a Messages request, read; or the place where it is wrong.

Owns the checks: types, and which role may say which blocks. What may be there is `fields`'s. The
rule others rely on: whatever is wrong is an ApiError 400 that names its place in the caller's own
words (`messages[2].content[0].tool_use_id`).
"""

from typing import Any

import msgspec

from routing.errors import ApiError, bad_field
from routing.gateway.shapes.messages.fields import (
    Block,
    Body,
    Message,
    RedactedThinking,
    Thinking,
    ToolResult,
    ToolUse,
)


def read(body: dict[str, Any]) -> Body:
    """Return the fields. Raises ApiError 400 naming the place of one that is wrong."""
    try:
        read = msgspec.convert(body, Body)
    except msgspec.ValidationError as error:
        raise _wrong(str(error)) from None
    for at, message in enumerate(read.messages):
        _check_places(f"messages[{at}].content", message)
    return read


def _check_places(path: str, message: Message) -> None:
    """Raise ApiError for what the other side says: it would have no place in chat."""
    theirs: tuple[type[Block], ...] = (ToolUse, Thinking, RedactedThinking)
    if message.role == "assistant":
        theirs = (ToolResult,)
    elif message.role == "system":
        theirs += (ToolResult,)
    for at, block in enumerate(message.content):
        if isinstance(block, theirs):
            raise bad_field(f"{path}[{at}].type", f"the role {message.role} says no such block")


def _wrong(said: str) -> ApiError:
    # msgspec says "… - at `$.messages[0].content`": the place is what a caller needs first.
    message, _, place = said.partition(" - at `$")
    path = place.rstrip("`").lstrip(".")
    before, _, missing = message.partition("missing required field `")
    if missing and before == "Object ":
        name = missing.rstrip("`")
        return bad_field(f"{path}.{name}" if path else name, "it is required")
    return bad_field(path or "body", message[:1].lower() + message[1:])
