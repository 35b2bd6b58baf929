"""A catalogue file's text as plain values, with the line each of them stands on.

Owns reading YAML (JSON is read as YAML) and refusing what a catalogue has no use for: anchors,
tags, several documents, duplicate keys, deep nesting. It does not know what a provider is. The
rule others rely on: everything wrong is a `Problem` with a line, and text is never shown in it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

MAX_BYTES = 16 * 1024 * 1024
_MAX_DEPTH = 16
_MAX_VALUES = 500_000

Path = tuple[str | int, ...]

# What YAML escapes can produce but no field may hold: PostgreSQL refuses NUL and surrogates.
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_READ = {
    "tag:yaml.org,2002:null": SafeConstructor.construct_yaml_null,
    "tag:yaml.org,2002:bool": SafeConstructor.construct_yaml_bool,
    "tag:yaml.org,2002:int": SafeConstructor.construct_yaml_int,
    "tag:yaml.org,2002:float": SafeConstructor.construct_yaml_float,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the file, and its cure; a warning stops nothing."""

    line: int
    path: Path
    message: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.line}: {shown(self.path)}: {self.message}"


class CatalogError(Exception):
    """The file cannot be used; `problems` says all that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problem(s)")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Source:
    """The file's value, and the line of every path in it."""

    value: Any
    lines: Mapping[Path, int]

    def problem(self, path: Path, message: str, *, warning: bool = False) -> Problem:
        """Return the problem at `path`, on the line of its nearest part that is written."""
        line = next(
            self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines
        )
        return Problem(line, path, message, warning)


def shown(path: Path) -> str:
    """Return a path as people write it.

    >>> shown(("endpoints", 3, "prices", "prompt"))
    'endpoints[3].prices.prompt'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "file"


def read(content: bytes) -> Source:
    """Return what the file says. Raises CatalogError."""
    if len(content) > MAX_BYTES:
        raise CatalogError([Problem(1, (), f"is over {MAX_BYTES // 1024**2} MiB: split it.")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CatalogError([Problem(line, (), "is not UTF-8: save it as UTF-8.")]) from None
    if text.lstrip().startswith("{"):
        # JSON may be indented by tabs, YAML may not; a line of JSON never starts inside a string.
        text = re.sub(r"^\t+", lambda tabs: " " * len(tabs[0]), text, flags=re.MULTILINE)
    return _Builder().build(text)


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been read yet."""

    path: Path
    value: Any
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """Turns parser events into values without recursion.

    libyaml's own composer recurses in C and ends the process on deep nesting.
    """

    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    open: list[_Open] = field(default_factory=list)
    result: Any = None
    documents: int = 0

    def build(self, text: str) -> Source:
        try:
            for count, event in enumerate(_events(text)):
                if count > _MAX_VALUES or len(self.open) > _MAX_DEPTH:
                    self._refuse(event, "holds too much, or too deep: no catalogue needs that.")
                    break
                self._take(event)
        except yaml.YAMLError as error:
            self.problems.append(_syntax_problem(error))
        else:
            if not self.documents:
                self.problems.append(Problem(1, (), "is empty: start with `providers:`."))
        if self.problems:
            raise CatalogError(sorted(self.problems, key=lambda problem: problem.line))
        return Source(self.result, self.lines)

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    self._refuse(event, "holds a second document: keep to one, without `---`.")
            case yaml.AliasEvent():
                self._refuse(event, "an alias (*name) is not supported: write the value out.")
                self._place(event, None)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self.open.pop()
            case yaml.ScalarEvent():
                self._scalar(event)

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        self._refuse_decoration(event)
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._place(event, value)
        self.open.append(_Open(path, value))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._refuse_decoration(event)
        parent = self.open[-1] if self.open else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None:
            self._key(parent, event)
        else:
            self._place(event, self._resolved(event))

    def _key(self, parent: _Open, event: yaml.ScalarEvent) -> None:
        parent.key = event.value
        path = (*parent.path, parent.key)
        if _UNFIT.search(parent.key):
            self._refuse(event, "a field's name holds a control character.")
        if parent.key in parent.value:
            self._refuse(event, f"appears twice, first on line {self.lines[path]}.", path)

    def _place(self, event: yaml.Event, value: Any) -> Path:
        """Put `value` where the file has it; return its path."""
        if not self.open:
            path: Path = ()
            self.result = value
        else:
            parent = self.open[-1]
            if isinstance(parent.value, list):
                path = (*parent.path, len(parent.value))
                parent.value.append(value)
            elif parent.key is None:
                # The key itself is a list or mapping; what follows it is then its value.
                self._refuse(event, "a field's name must be plain text.")
                parent.key, path = "", parent.path
            else:
                path = (*parent.path, parent.key)
                parent.value[parent.key] = value
                parent.key = None
        self.lines.setdefault(path, _line(event))
        return path

    def _resolved(self, event: yaml.ScalarEvent) -> Any:
        if _UNFIT.search(event.value):
            self._refuse(event, "holds a control character or half a character: take it out.")
        if not event.implicit[0]:
            return event.value
        tag = _plain_tag(event.value)
        if tag not in _READ:  # text, and dates, which are read from text later
            return event.value
        try:
            return _READ[tag](_CONSTRUCTOR, yaml.ScalarNode(tag, event.value))
        except ValueError:
            self._refuse(event, "is not a number that can be read.")
            return None

    def _refuse_decoration(self, event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            self._refuse(event, "an anchor (&name) is not supported: write the value out.")
        if getattr(event, "tag", None) is not None:
            self._refuse(event, "a tag (!name) is not supported: remove it.")

    def _here(self) -> Path:
        """Return the path of what is being read."""
        if not self.open:
            return ()
        parent = self.open[-1]
        if isinstance(parent.value, list):
            return (*parent.path, len(parent.value))
        return parent.path if parent.key is None else (*parent.path, parent.key)

    def _refuse(self, event: yaml.Event, message: str, path: Path | None = None) -> None:
        if path is None:
            path = self._here()
        self.problems.append(Problem(_line(event), path, message))


def _plain_tag(text: str) -> str:
    """Return what YAML takes `text` for when it stands without quotes."""
    tag: str = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))
    return tag


_RESOLVER: Any = yaml.resolver.Resolver()
_CONSTRUCTOR = SafeConstructor()


def _events(text: str) -> Iterator[yaml.Event]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    events: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)
    return events


def _line(event: yaml.Event) -> int:
    mark: Any = event.start_mark
    return int(mark.line) + 1


def _syntax_problem(error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it holds a character YAML does not allow"
    line = mark.line + 1 if mark is not None else 1
    return Problem(line, (), f"cannot be read as YAML: {problem}.")
