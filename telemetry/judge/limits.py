"""How much the judge takes on: schemas, arguments, memory. Pure.

Owns the numbers and their way to the child process; the modules that enforce them get them as
parameters. What goes beyond is `unjudged` with a reason, never valid or invalid.
"""

import json
from dataclasses import asdict, dataclass

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class JudgeLimits:
    """The limits of one judging process; docs/settings.md gives each its reason.

    `schema_nodes` are counted with every reference written out. `owner_share` is what one account
    may take of the cache.
    """

    schema_bytes: int = 64 * KIB
    tools_bytes: int = 512 * KIB
    schema_depth: int = 32
    schema_references: int = 256
    schema_nodes: int = 10_000
    pattern_chars: int = 512
    argument_bytes: int = 256 * KIB
    memory_bytes: int = 512 * MIB
    cached_schemas: int = 2_000
    cached_bytes: int = 64 * MIB
    owner_share: float = 0.10


def encode_options(limits: JudgeLimits, *, formats: bool) -> str:
    """Return the one argument with which a judging process is started."""
    return json.dumps({"formats": formats, **asdict(limits)})


def decode_options(argument: str) -> tuple[JudgeLimits, bool]:
    """Return the limits and whether `format` is asserted."""
    options = json.loads(argument)
    formats: bool = options.pop("formats")
    return JudgeLimits(**options), formats
