"""What the name of a model in a path means, where it is looked up and not run.

Owns the suffixes of look-ups: routing variants say how to route and so resolve to the base;
catalogue variants (`:free`) are models of their own, of which Assay has none. It reads no table.
Source: openrouter.ai model variants (2026-10).
"""

from dataclasses import dataclass

from routing.errors import model_not_found
from routing.gateway.slugs import ModelRef, SlugError, parse_model

CATALOG_VARIANTS = frozenset({"batch", "extended", "free", "thinking"})
# A routing variant there that is none here: it adds a plugin, which changes no model.
_WITHOUT_EFFECT = frozenset({"online"})


@dataclass(frozen=True, slots=True)
class Lookup:
    """A name as it was asked for: the base with its routing variants, and a catalogue variant."""

    name: str
    ref: ModelRef
    catalog_variant: str


def look_up(author: str, slug: str) -> Lookup:
    """Return what `author/slug[:variant]…` asks for. Raises ApiError 404 if it is no such name."""
    name = f"{author}/{slug}"
    base, *variants = name.split(":")
    catalog = [one for one in variants if one in CATALOG_VARIANTS]
    others = [one for one in variants if one not in CATALOG_VARIANTS | _WITHOUT_EFFECT]
    if len(catalog) > 1:
        raise model_not_found(name)
    try:
        ref = parse_model(":".join([base, *others]))
    except SlugError:
        raise model_not_found(name) from None
    if ref.pin:
        raise model_not_found(name)
    return Lookup(name, ref, catalog[0] if catalog else "")
