"""Checked entries into rows: what is missing is made, what differs changed, the rest left alone.

Owns the comparison of the file with the database. It deletes nothing and publishes nothing. The
rule others rely on: a row that already is as the file says is not written, so that loading a file
twice raises no revision.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models

from providers.catalog.check import Catalog, Known, ProviderEntry
from providers.models import Credential, Endpoint, Model, Provider


@dataclass(frozen=True, slots=True)
class Change:
    """What was done about one item: created, updated or unchanged."""

    kind: str
    key: str
    done: str
    note: str = ""


def existing() -> Known:
    """Return what a file may refer to without describing it."""
    return Known(
        frozenset(Provider.objects.values_list("slug")),
        frozenset(Model.objects.values_list("slug")),
        frozenset(Endpoint.objects.values_list("model__slug", "tag")),
    )


def write(catalog: Catalog) -> list[Change]:
    """Bring the rows in line with a catalogue without errors. Call it in a transaction."""
    return [*_providers(catalog), *_models(catalog), *_endpoints(catalog)]


def _providers(catalog: Catalog) -> Iterator[Change]:
    rows = {row.slug: row for row in Provider.objects.select_related("credential")}
    for entry in catalog.providers:
        row = rows.get(entry.key[0])
        done = _bring_in_line(row, Provider, entry.fields)
        row = row or Provider.objects.get(slug=entry.key[0])
        credential_done, note = _credential(row, entry)
        if done == "unchanged" and credential_done:
            done = "updated"
        yield Change("providers", entry.key[0], done, note)


def _credential(provider: Provider, entry: ProviderEntry) -> tuple[bool, str]:
    """Return whether the credential changed, and what to tell the operator about it."""
    credential = getattr(provider, "credential", None)
    if credential is not None and credential.sealed:
        note = "keeps its stored credential; the file's api_key_env is not used"
        return False, note if entry.api_key_env else ""
    if credential is None:
        if entry.api_key_env:
            Credential.objects.create(provider=provider, api_key_env=entry.api_key_env)
        return bool(entry.api_key_env), ""
    if credential.api_key_env == entry.api_key_env:
        return False, ""
    credential.api_key_env = entry.api_key_env
    credential.save(update_fields=["api_key_env", "updated_at"])
    return True, ""


def _models(catalog: Catalog) -> Iterator[Change]:
    rows = {row.slug: row for row in Model.objects.all()}
    for entry in catalog.models:
        done = _bring_in_line(rows.get(entry.key[0]), Model, entry.fields)
        yield Change("models", entry.key[0], done)


def _endpoints(catalog: Catalog) -> Iterator[Change]:
    providers = {row.slug: row for row in Provider.objects.all()}
    model_rows = {row.slug: row for row in Model.objects.all()}
    rows = {
        (row.model.slug, row.tag): row
        for row in Endpoint.objects.select_related("model", "provider")
    }
    _make_way_for_references(catalog)
    for entry in catalog.endpoints:
        model, tag = entry.key
        fields = {
            **entry.fields,
            "provider": providers[entry.fields["provider"]],
            "model": model_rows[model],
        }
        done = _bring_in_line(rows.get((model, tag)), Endpoint, fields)
        yield Change("endpoints", f"{model} {tag}", done)


def _make_way_for_references(catalog: Catalog) -> None:
    """Take the mark off endpoints whose models have another reference by the file."""
    for entry in catalog.endpoints:
        if entry.fields["reference"]:
            model, tag = entry.key
            others = Endpoint.objects.filter(model__slug=model, reference=True).exclude(tag=tag)
            others.update(reference=False)


def _bring_in_line(
    row: models.Model | None, kind: type[models.Model], fields: Mapping[str, Any]
) -> str:
    if row is None:
        kind._default_manager.create(**fields)
        return "created"
    changed = [name for name, value in fields.items() if getattr(row, name) != value]
    if not changed:
        return "unchanged"
    for name in changed:
        setattr(row, name, fields[name])
    row.save(update_fields=changed)
    return "updated"
