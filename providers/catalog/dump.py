"""Rows back into a catalogue file's sections and text.

Owns the stable order, the omission of what equals its default, and the YAML. The rule others rely
on: loading the text changes nothing. Credentials never leave: the name of an environment variable
does, a stored key does not.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import yaml
from django.db import models

from providers.catalog.check import PRICES
from providers.models import Endpoint, Model, Provider

Section = list[dict[str, Any]]


def dump_rows() -> dict[str, Section]:
    """Return the sections for providers, models and endpoints, each in a stable order."""
    endpoints = Endpoint.objects.select_related("model", "provider")
    return {
        "providers": [
            _provider(row) for row in Provider.objects.select_related("credential").order_by("slug")
        ],
        "models": [_item(row, "slug") for row in Model.objects.order_by("slug")],
        "endpoints": [_endpoint(row) for row in endpoints.order_by("model__slug", "tag")],
    }


def stored_credentials() -> list[str]:
    """Return the providers whose credential is stored here and so is in no file."""
    sealed = Provider.objects.exclude(credential=None).exclude(credential__sealed=b"")
    return list(sealed.order_by("slug").values_list("slug", flat=True))


def as_yaml(sections: Mapping[str, Section]) -> str:
    """Return the file's text: one item per line group, short lists and prices on one line."""
    parts = [
        yaml.dump({name: section}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
        for name, section in sections.items()
        if section
    ]
    return "\n".join(parts) or "providers: []\n"


def minimal(price: Decimal) -> str:
    """Return a price as short as it can be written without an exponent.

    >>> minimal(Decimal("0.000000600000"))
    '0.0000006'
    >>> minimal(Decimal("100"))
    '100'
    """
    text = f"{price:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class _Prices(dict[str, str]):
    """Written on one line."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # the reader refuses them


def _write_prices(dumper: yaml.SafeDumper, prices: _Prices) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", prices.items(), flow_style=True)


def _write_list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    short = not any(isinstance(value, dict | list) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=short)


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # Rarer line breaks come back as spaces from any other style.
    style = '"' if any(mark in text for mark in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _write_text)
_Dumper.add_representer(_Prices, _write_prices)
_Dumper.add_representer(list, _write_list)


def _provider(row: Provider) -> dict[str, Any]:
    item = _item(row, "slug", "name", "base_url")
    credential = getattr(row, "credential", None)
    if credential is not None and credential.api_key_env:
        item["api_key_env"] = credential.api_key_env
    return item


def _endpoint(row: Endpoint) -> dict[str, Any]:
    item: dict[str, Any] = {"model": row.model.slug, "provider": row.provider.slug}
    item |= _item(row, "tag", "upstream_model", skip=["model", "provider"])
    written = {name: item.pop(f"price_{name}", None) for name in PRICES}
    written |= {"prompt": row.price_prompt, "completion": row.price_completion}
    item["prices"] = _Prices(
        {name: minimal(price) for name, price in written.items() if price is not None}
    )
    return item


def _item(row: models.Model, *always: str, skip: list[str] | None = None) -> dict[str, Any]:
    """Return the row's fields that differ from their defaults, and `always` these."""
    item = {}
    for field in row._meta.fields:
        if field.primary_key or field.name in (skip or []):
            continue
        value = getattr(row, field.name)
        if field.name in always or value != field.get_default():
            item[field.name] = value.isoformat() if hasattr(value, "isoformat") else value
    return item
