"""Token counts as providers report them, in the dialects met so far, as one bounded record.

It never raises and never trusts: what is no number is passed over, what is negative or absurd is
clamped, so that no counter further on can be poisoned.
"""

from __future__ import annotations

from dataclasses import dataclass

TOKENS_MAX = 10**9  # larger counts are a provider's bug and must not reach a sum


@dataclass(frozen=True, slots=True)
class Usage:
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


def parse_usage(obj: object) -> Usage | None:
    """Return the token counts of a `usage` object, or None if it has none. Never raises."""
    if not isinstance(obj, dict):
        return None
    prompt = _count(obj, "prompt_tokens", "input_tokens")
    completion = _count(obj, "completion_tokens", "output_tokens")
    if prompt is None and completion is None:
        return None
    of_prompt, of_completion = (
        obj.get("prompt_tokens_details"),
        obj.get("completion_tokens_details"),
    )
    cached = _count(of_prompt, "cached_tokens")
    if cached is None:
        cached = _count(obj, "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")
    written = _count(of_prompt, "cache_write_tokens", "cache_creation_tokens")
    if written is None:
        written = _count(obj, "cache_creation_input_tokens")
    reasoning = _count(of_completion, "reasoning_tokens")
    if reasoning is None:
        reasoning = _count(obj, "reasoning_tokens")
    return Usage(
        prompt_tokens=prompt or 0,
        completion_tokens=completion or 0,
        cached_tokens=min(cached or 0, prompt or 0),
        cache_write_tokens=written or 0,
        reasoning_tokens=reasoning or 0,
    )


def _count(obj: object, *names: str) -> int | None:
    if not isinstance(obj, dict):
        return None
    for name in names:
        value = obj.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            continue
        return int(min(max(value, 0), TOKENS_MAX))
    return None
