"""Recorded answers of servers that keep to the API in ways of their own, one file per quirk.

Owns the form of a recording: lines `# name: value`, a blank line, and then the very bytes of the
body. `NAME.sse` is a stream, `NAME.json` a whole answer. They are written after the source that
their head names, with the fields that server sends; docs/quirks.md has a sentence on each.
"""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("quirks")


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    streamed: bool
    server: str
    source: str
    status: int
    body: bytes


def recordings() -> dict[str, Recording]:
    """Return all recordings by their file's name."""
    return {path.name: _read(path) for path in sorted(FOLDER.iterdir())}


def _read(path: Path) -> Recording:
    head, _, body = path.read_bytes().partition(b"\n\n")
    told = dict(line.removeprefix("# ").split(": ", 1) for line in head.decode().splitlines())
    return Recording(
        path.stem,
        path.suffix == ".sse",
        told.pop("server"),
        told.pop("source"),
        int(told.pop("status", "200")),
        body,
    )
