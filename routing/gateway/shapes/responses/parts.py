"""The parts of a message's content, from /responses to chat.

Owns what each kind of part is in a chat message. It fetches nothing: an address or a file goes to
the provider as it came. The rule others rely on: what is nothing but text comes out as one text,
because some providers read no lists.
"""

from collections.abc import Callable, Mapping
from typing import Any

from routing.errors import bad_field
from routing.gateway.shapes.responses.reading import given, object_at, objects_at, text_of

Part = dict[str, Any]
_NOTHING_STORED = "no files are kept here; send the file itself"


def content_at(value: object, path: str) -> str | list[Part]:
    """Return the content of a message, or of a tool's output."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise bad_field(path, "expected text or a list of parts")
    parts = [_part(one, f"{path}[{at}]") for at, one in enumerate(objects_at(value, path))]
    if len(parts) == 1 and parts[0]["type"] == "text":
        return str(parts[0]["text"])
    return parts


def said_at(value: object, path: str) -> tuple[str, str]:
    """Return what an assistant said and what it refused to; parts in a row are one text."""
    if isinstance(value, str):
        return value, ""
    said, refused = [], []
    for at, part in enumerate(objects_at(value, path)):
        if part.get("type") == "refusal":
            refused.append(text_of(part, "refusal", f"{path}[{at}]"))
        elif part.get("type") in ("output_text", "input_text", "text"):
            said.append(text_of(part, "text", f"{path}[{at}]"))
        else:
            raise bad_field(f"{path}[{at}].type", "of an assistant: output_text or refusal")
    return "".join(said), "".join(refused)


def _part(part: Part, path: str) -> Part:
    kind = part.get("type")
    make = _KINDS.get(kind) if isinstance(kind, str) else None
    if make is None:
        raise bad_field(f"{path}.type", f"one of {', '.join(_KINDS)}")
    return make(part, path)


def _text(part: Part, path: str) -> Part:
    return {"type": "text", "text": text_of(part, "text", path)} | _cached(part)


def _image(part: Part, path: str) -> Part:
    _refuse_file_id(part, path)
    url = given({"url": text_of(part, "image_url", path), "detail": part.get("detail")})
    return {"type": "image_url", "image_url": url} | _cached(part)


def _file(part: Part, path: str) -> Part:
    _refuse_file_id(part, path)
    data = part.get("file_data") or part.get("file_url")
    if not isinstance(data, str):
        raise bad_field(path, "a file needs file_data or file_url")
    file = given({"filename": part.get("filename"), "file_data": data})
    return {"type": "file", "file": file} | _cached(part)


def _audio(part: Part, path: str) -> Part:
    audio = object_at(part.get("input_audio"), f"{path}.input_audio")
    return {"type": "input_audio", "input_audio": audio}


def _video(part: Part, path: str) -> Part:
    return {"type": "video_url", "video_url": {"url": text_of(part, "video_url", path)}}


def _cached(part: Mapping[str, Any]) -> Part:
    return given({"cache_control": part.get("cache_control")})


def _refuse_file_id(part: Mapping[str, Any], path: str) -> None:
    if part.get("file_id") is not None:
        raise bad_field(f"{path}.file_id", _NOTHING_STORED)


_KINDS: Mapping[str, Callable[[Part, str], Part]] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
    "input_video": _video,
}
