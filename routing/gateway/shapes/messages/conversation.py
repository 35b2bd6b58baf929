"""The turns of a Messages request as the messages of a chat completion.

Owns what becomes of each kind of block. It checks nothing: `reading` has. The rules others rely
on: the results of tools come right after the call, as chat wants them, whatever else the caller
put into the same turn; text stays text unless something in it is marked for a cache.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from routing.gateway.shapes.messages import fields
from routing.gateway.shapes.messages.fields import NamedTool
from routing.gateway.upstream_body import dumps

Part = dict[str, Any]


def messages_of(body: fields.Body) -> list[dict[str, Any]]:
    """Return the messages, the system prompt first."""
    told: list[dict[str, Any]] = []
    if body.system:
        told.append({"role": "system", "content": _content(body.system)})
    for message in body.messages:
        told += _turn(message)
    return told


def tools_named(body: fields.Body) -> set[str]:
    """Return the tools that the conversation has brought up: those that were deferred are due."""
    names: set[str] = set()
    for message in body.messages:
        for block in message.content:
            if isinstance(block, fields.ToolUse):
                names.add(block.name)
            elif isinstance(block, fields.ToolAddition):
                names.add(block.tool.name)
            elif isinstance(block, fields.ToolResult):
                shown = block.content or ()
                names |= {b.tool_name for b in shown if isinstance(b, fields.ToolReference)}
    return names


def _turn(message: fields.Message) -> list[dict[str, Any]]:
    if isinstance(message.content, str):
        return [{"role": message.role, "content": message.content}]
    if message.role == "assistant":
        return [_assistant(message.content)]
    results = [_result(block) for block in message.content if isinstance(block, fields.ToolResult)]
    rest = [block for block in message.content if not isinstance(block, fields.ToolResult)]
    if rest or not results:
        results.append({"role": message.role, "content": _content(rest)})
    return results


def _assistant(blocks: Sequence[fields.Block]) -> dict[str, Any]:
    calls = [_call(block) for block in blocks if isinstance(block, fields.ToolUse)]
    parts = list(_parts(blocks))
    told: dict[str, Any] = {"role": "assistant", "content": None if calls else ""}
    if parts:
        told["content"] = _said(parts)
    if calls:
        told["tool_calls"] = calls
    return told | _reasoning(blocks)


def _call(block: fields.ToolUse) -> dict[str, Any]:
    function = {"name": block.name, "arguments": dumps(block.input).decode()}
    return {"id": block.id, "type": "function", "function": function}


def _reasoning(blocks: Sequence[fields.Block]) -> dict[str, Any]:
    """Return what the model thought; what a provider signed or sealed goes back to it as it was."""
    thoughts = [block.thinking for block in blocks if isinstance(block, fields.Thinking)]
    details = [detail for block in blocks if (detail := _detail(block))]
    told: dict[str, Any] = {"reasoning": "\n\n".join(thoughts)} if any(thoughts) else {}
    return told | {"reasoning_details": details} if details else told


def _detail(block: fields.Block) -> dict[str, Any] | None:
    if isinstance(block, fields.RedactedThinking):
        return {"type": "reasoning.encrypted", "data": block.data}
    if isinstance(block, fields.Thinking) and block.signature:
        return {"type": "reasoning.text", "text": block.thinking, "signature": block.signature}
    return None


def _result(block: fields.ToolResult) -> dict[str, Any]:
    content = block.content or ""
    parts = [_text(content)] if isinstance(content, str) else list(_parts(content))
    if block.is_error:
        # Chat has no field for it, and the model should know.
        parts.insert(0, _text("The tool failed."))
    if block.cache_control and parts:
        parts[-1].setdefault("cache_control", block.cache_control)
    return {"role": "tool", "tool_call_id": block.tool_use_id, "content": _said(parts)}


def _content(content: str | Sequence[fields.Block]) -> str | list[Part]:
    return content if isinstance(content, str) else _said(list(_parts(content)))


def _said(parts: list[Part]) -> str | list[Part]:
    """Return parts as text if that is all they are: every server reads text."""
    if all(part.keys() == {"type", "text"} for part in parts):
        return "\n\n".join(part["text"] for part in parts if part["text"])
    return parts


def _parts(blocks: Iterable[fields.Block]) -> Iterable[Part]:
    for block in blocks:
        parts = _parts_of(block)
        mark = getattr(block, "cache_control", None)
        if mark and parts:
            parts[-1].setdefault("cache_control", mark)
        yield from parts


def _parts_of(block: fields.Block) -> list[Part]:
    match block:
        case fields.Text(text=text):
            return [_text(text)]
        case fields.Image(source=source):
            return [{"type": "image_url", "image_url": {"url": _address(source)}}]
        case fields.Document():
            return _document(block)
        case fields.SearchResult(source=place, title=title, content=texts):
            return [_text(f"{title} ({place})"), *_parts(texts)]
        case fields.ToolReference(tool_name=name) | fields.ToolAddition(tool=NamedTool(name=name)):
            return [_text(f"The tool {name} can be used.")]
        case fields.ToolRemoval(tool=NamedTool(name=name)):
            return [_text(f"The tool {name} cannot be used any more.")]
        case _:
            return []  # calls, results and thoughts are no parts


def _document(block: fields.Document) -> list[Part]:
    named = [_text(text) for text in (block.title, block.context) if text]
    match block.source:
        case fields.PlainText(data=text):
            return [*named, _text(text)]
        case fields.Blocks(content=str(text)):
            return [*named, _text(text)]
        case fields.Blocks(content=blocks):
            return [*named, *_parts(blocks)]  # type: ignore[arg-type]
        case fields.Base64() | fields.Url() as source:
            file = {"filename": block.title or "document.pdf", "file_data": _address(source)}
            about = [_text(block.context)] if block.context else []
            return [*about, {"type": "file", "file": file}]


def _address(source: fields.Base64 | fields.Url) -> str:
    """Return where it is; nobody here fetches it."""
    if isinstance(source, fields.Url):
        return source.url
    return f"data:{source.media_type};base64,{source.data}"


def _text(text: str) -> Part:
    return {"type": "text", "text": text}
