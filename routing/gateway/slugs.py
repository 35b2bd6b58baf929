"""What a requested model's name means: base slug and routing variants.

Owns the grammar `author/slug[:variant]…`, read once per name. It does not know which models
exist. The rule others rely on: a name either parses into exactly one meaning or raises; case
is exact, no variant may repeat, and nothing unknown is ever dropped in silence.
Source: openrouter.ai model variants (2026-08); `:exacto` as of its launch, a curated pool.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

_NAME = re.compile(
    r"([A-Za-z0-9~][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99})((?::[a-z]+)*)"
)
POOL_VARIANTS = ("exacto",)
SORT_VARIANTS: Mapping[str, Literal["throughput", "price"]] = {
    "nitro": "throughput",
    "floor": "price",
}


class SlugError(ValueError):
    """The name is not a model name; the message is for the caller."""


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A requested model: `slug` is the base, `variant` the pool asked for ("" for none)."""

    requested: str
    slug: str
    variant: str
    sort: Literal["throughput", "price"] | None


def parse_model(name: str) -> ModelRef:
    """Return what `name` asks for.

    Raises SlugError with a message for the caller if it is not `author/slug`, or carries an
    unknown or repeated variant.

    >>> parse_model("openai/gpt-oss-120b:exacto:nitro")
    ModelRef(requested='openai/gpt-oss-120b:exacto:nitro', slug='openai/gpt-oss-120b', \
variant='exacto', sort='throughput')
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise SlugError(f"{_shown(name)} is not a valid model ID")
    variants = match[2].split(":")[1:]
    pool = ""
    sort: Literal["throughput", "price"] | None = None
    for position, variant in enumerate(variants):
        if variant in variants[:position]:
            raise SlugError(f"{_shown(name)} is not a valid model ID: :{variant} is repeated")
        if variant in POOL_VARIANTS:
            pool = variant
        elif variant in SORT_VARIANTS:
            sort = SORT_VARIANTS[variant]
        else:
            raise SlugError(
                f"{_shown(name)} is not a valid model ID: there is no variant :{variant}"
            )
    return ModelRef(requested=name, slug=match[1], variant=pool, sort=sort)


def _shown(name: str) -> str:
    """Return `name` fit for a message: printable and short."""
    return re.sub(r"[^\x20-\x7e]", "?", name[:100])
