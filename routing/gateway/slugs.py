"""What a requested model's name means: base slug, routing variants and a pinned endpoint.

Owns the grammar `author/slug[:variant]…[@tag]`, read once per name. It does not know which models
or endpoints exist. The rule others rely on: a name either parses into exactly one meaning or
raises; case is exact, no variant may repeat, and nothing unknown is ever dropped in silence.
Source: openrouter.ai model variants (2026-08); `:exacto` as of its launch, a curated pool. `@tag`
is Assay's own, for tools that can set nothing but the model.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

_NAME = re.compile(
    r"([A-Za-z0-9~][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99})((?::[a-z]+)*)"
    r"(?:@([a-z0-9][a-z0-9._-]{0,62}(?:/[a-z0-9][a-z0-9._-]{0,62})?))?"
)
# `@preset/slug` names what an account has written down, where a request may have one.
_NO_PROVIDER = "preset"
POOL_VARIANTS = ("exacto",)
SORT_VARIANTS: Mapping[str, Literal["throughput", "price"]] = {
    "nitro": "throughput",
    "floor": "price",
}


class SlugError(ValueError):
    """The name is not a model name; the message is for the caller."""


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A requested model: `slug` is the base, `variant` the pool asked for ("" for none).

    `pin` is the tag of the only endpoint that may serve; "" for whichever may.
    """

    requested: str
    slug: str
    variant: str
    sort: Literal["throughput", "price"] | None
    pin: str = ""


@lru_cache(maxsize=1024)
def parse_model(name: str) -> ModelRef:
    """Return what `name` asks for.

    Raises SlugError with a message for the caller if it is not `author/slug`, carries an
    unknown or repeated variant, or names a preset.

    >>> parse_model("openai/gpt-oss-120b:exacto@basalt/fp8")
    ModelRef(requested='openai/gpt-oss-120b:exacto@basalt/fp8', slug='openai/gpt-oss-120b', \
variant='exacto', sort=None, pin='basalt/fp8')
    """
    match = _NAME.fullmatch(name)
    pin = (match[3] or "") if match else ""
    if match is None or pin.partition("/")[0] == _NO_PROVIDER:
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
    return ModelRef(requested=name, slug=match[1], variant=pool, sort=sort, pin=pin)


def _shown(name: str) -> str:
    """Return `name` fit for a message: printable and short."""
    return re.sub(r"[^\x20-\x7e]", "?", name[:100])
