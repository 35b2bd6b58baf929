"""A catalogue file's meaning: rows that may be written, or all that is wrong with them.

Owns the rules between rows (names that must exist, keys that must not repeat) and calls on the
models for the rules of one row. It reads no database: what is there already is a parameter. The
allowlist section is left to a higher layer.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from providers.catalog.schema import schema_problems
from providers.catalog.source import Path, Problem, Source
from providers.models import Credential, Endpoint, Model, Provider

PRICES = ("prompt", "completion", "request", "cache_read", "cache_write")

UNKNOWN = "is neither in this file nor in the database: add it."

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_VARIABLE_NAME = re.compile(r"UPSTREAM_URL_[A-Z0-9_]+")
_ADDRESS = re.compile(r"https?://[^\s/@?#$\\]+(/[^\s@?#$\\]*)?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of the file. `fields` are complete: what the file leaves out has its default."""

    path: Path
    key: tuple[str, ...]
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProviderEntry(Entry):
    api_key_env: str


Keys = frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Known:
    """What may be referred to. Keys: (slug,) of providers and models, (model, tag) of endpoints."""

    providers: Keys = frozenset()
    models: Keys = frozenset()
    endpoints: Keys = frozenset()


@dataclass(frozen=True, slots=True)
class Catalog:
    """A checked file, and all that its allowlists may refer to."""

    providers: tuple[ProviderEntry, ...]
    models: tuple[Entry, ...]
    endpoints: tuple[Entry, ...]
    known: Known
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if not problem.warning]


def check(source: Source, existing: Known) -> Catalog:
    """Return what the file describes and all problems with it.

    existing: what the database holds; the file may refer to it without describing it again.
    An item with an error is left out of the entries, so look at `errors` before using them.
    """
    return _Check(source, existing, schema_problems(source)).run()


class _Check:
    def __init__(self, source: Source, existing: Known, problems: list[Problem]) -> None:
        self.source = source
        self.existing = existing
        self.problems = problems
        self.references: dict[str, Path] = {}
        # Items the schema faults are not looked at again: one mistake, one message.
        self.faulted = {problem.path[:2] for problem in problems}

    def run(self) -> Catalog:
        provider_paths = self.names("providers", lambda item: (item["slug"],))
        model_paths = self.names("models", lambda item: (item["slug"],))
        endpoint_paths = self.names("endpoints", lambda item: (item["model"], item["tag"]))
        # Also items with errors count as known: one mistake, one message.
        self.known = Known(
            self.existing.providers.union(provider_paths),
            self.existing.models.union(model_paths),
            self.existing.endpoints.union(endpoint_paths),
        )
        providers = tuple(map(self.provider, self.sound(provider_paths)))
        model_entries = tuple(map(self.model, self.sound(model_paths)))
        endpoints = tuple(map(self.endpoint, self.sound(endpoint_paths)))
        return Catalog(providers, model_entries, endpoints, self.known, tuple(self.problems))

    def names(
        self, section: str, key_of: Callable[[Any], tuple[str, ...]]
    ) -> dict[tuple[str, ...], Path]:
        """Return where each key of a section stands, complaining of those that repeat."""
        found: dict[tuple[str, ...], Path] = {}
        for path, item in items(self.source, section):
            try:
                key = key_of(item)
            except (KeyError, TypeError):
                continue  # the schema has said so
            if not all(isinstance(part, str) for part in key):
                continue
            if key in found:
                first = self.source.lines[found[key]]
                self.complain(path, f"{' '.join(key)} appears twice, first on line {first}.")
                continue
            found[key] = path
        return found

    def sound(
        self, found: dict[tuple[str, ...], Path]
    ) -> Iterator[tuple[Path, tuple[str, ...], dict[str, Any]]]:
        for key, path in found.items():
            if path not in self.faulted:
                section, index = path
                yield path, key, dict(self.source.value[section][index])

    def provider(self, at: tuple[Path, tuple[str, ...], dict[str, Any]]) -> ProviderEntry:
        path, key, item = at
        env = item.pop("api_key_env", "")
        if env:
            credential = Credential(api_key_env=env)
            self.clean(path, credential, only=["api_key_env"])
        self.base_url((*path, "base_url"), item["base_url"])
        fields = self.clean(path, Provider(**item))
        return ProviderEntry(path, key, fields, env)

    def model(self, at: tuple[Path, tuple[str, ...], dict[str, Any]]) -> Entry:
        path, key, item = at
        return Entry(path, key, self.clean(path, Model(**item)))

    def endpoint(self, at: tuple[Path, tuple[str, ...], dict[str, Any]]) -> Entry:
        path, key, item = at
        model, provider, prices = item.pop("model"), item.pop("provider"), item.pop("prices")
        if (model,) not in self.known.models:
            self.complain((*path, "model"), UNKNOWN)
        if (provider,) not in self.known.providers:
            self.complain((*path, "provider"), UNKNOWN)
        elif item["tag"].split("/")[0] != provider:
            self.complain((*path, "tag"), f"must be {provider}, or start with {provider}/.")
        if item.get("reference"):
            self.reference(path, model)
        row = Endpoint(**item, **{f"price_{name}": price for name, price in prices.items()})
        fields = self.clean(path, row, exclude=["model", "provider"])
        return Entry(path, key, {**fields, "provider": provider})

    def reference(self, path: Path, model: str) -> None:
        first = self.references.setdefault(model, path)
        if first != path:
            self.complain(
                (*path, "reference"),
                f"{model} has its reference on line {self.source.lines[first]}: leave one of them.",
            )

    def clean(
        self,
        path: Path,
        row: models.Model,
        *,
        only: list[str] | None = None,
        exclude: list[str] | None = None,
    ) -> dict[str, Any]:
        """Return the row's values as the database will hold them, complaining of bad ones."""
        own = [field.name for field in row._meta.fields if not field.primary_key]
        names = only or [name for name in own if name not in (exclude or [])]
        try:
            row.clean_fields(exclude=[name for name in own if name not in names] + ["id"])
        except ValidationError as error:
            for name, messages in error.message_dict.items():
                self.complain((*path, *_written(name)), " ".join(messages))
        return {name: getattr(row, name) for name in names}

    def base_url(self, path: Path, url: str) -> None:
        """Check an address whether or not its variables are set on this machine."""
        for name in _VARIABLE.findall(url):
            if not _VARIABLE_NAME.fullmatch(name):
                self.complain(
                    path, "a variable in an address must be named ${UPSTREAM_URL_…}: rename it."
                )
                return
            if name not in os.environ:
                self.complain(
                    path,
                    f"the environment variable {name} is not set here: set it where Assay runs.",
                    warning=True,
                )
        filled = _VARIABLE.sub(lambda match: os.environ.get(match[1], "unset"), url)
        if filled.startswith("unset"):
            filled = f"http://{filled}"
        if not _ADDRESS.fullmatch(filled):
            self.complain(
                path,
                "must be http(s)://host/path, without a user, query or fragment. "
                "A key is named in api_key_env.",
            )

    def complain(self, path: Path, message: str, *, warning: bool = False) -> None:
        self.problems.append(self.source.problem(path, message, warning=warning))


def items(source: Source, section: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the section's items with their paths, passing over what is no item at all."""
    listed = source.value.get(section) if isinstance(source.value, dict) else None
    for index, item in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(item, dict):
            yield (section, index), item


def _written(name: str) -> Path:
    """Return the path in an item under which the file has the field `name`."""
    return ("prices", name.removeprefix("price_")) if name.startswith("price_") else (name,)
