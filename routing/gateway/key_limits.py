"""Requests per minute and calls in flight, per key, in this process; and every 429 of a key.

Owns the buckets and the counts. It asks nobody: what all processes together may do is
`shared_limits`' affair. The rules others rely on: who is over a limit is told at once and when to
come again, and only such an answer carries rate-limit headers.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

from routing.errors import ApiError
from routing.gateway.keys import Caller


@dataclass(slots=True)
class _Use:
    tokens: float
    filled_at: float
    in_flight: int = 0


class KeyLimits:
    """`ended` is called after each request of a key with a limit; it must not fail."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        ended: Callable[[Caller], None] | None = None,
    ) -> None:
        self._clock = clock
        self._ended = ended
        self._uses: dict[int, _Use] = {}

    @contextmanager
    def admit(self, caller: Caller) -> Iterator[None]:
        """Hold a place for one request. Raises ApiError 429 with Retry-After."""
        use = self._take(caller)
        use.in_flight += 1
        try:
            yield
        finally:
            use.in_flight -= 1
            if self._ended is not None:
                self._ended(caller)

    def in_flight(self, api_key_id: int) -> int:
        use = self._uses.get(api_key_id)
        return use.in_flight if use is not None else 0

    def _take(self, caller: Caller) -> _Use:
        at, rpm = self._clock(), caller.requests_per_minute
        use = self._uses.get(caller.api_key_id)
        if use is None:
            use = self._uses[caller.api_key_id] = _Use(float(rpm), at)
        if caller.max_in_flight and use.in_flight >= caller.max_in_flight:
            raise too_many_at_once(caller)
        if rpm:
            use.tokens = min(rpm, use.tokens + (at - use.filled_at) * rpm / 60)
            use.filled_at = at
            if use.tokens < 1:
                raise too_fast(caller, (1 - use.tokens) * 60 / rpm)
            use.tokens -= 1
        return use


def too_many_at_once(caller: Caller) -> ApiError:
    most = caller.max_in_flight
    return _too_many(f"at most {most} requests at once", most, 1)


def too_fast(caller: Caller, wait_s: float) -> ApiError:
    rpm = caller.requests_per_minute
    return _too_many(f"at most {rpm} requests a minute", rpm, wait_s)


def _too_many(what: str, limit: int, wait_s: float) -> ApiError:
    retry_after_s = max(1, ceil(wait_s))
    return ApiError(
        429,
        f"Rate limit of this key: {what}.",
        metadata={"limit_source": "api_key"},
        headers={
            "Retry-After": str(retry_after_s),
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": "0",
            # Unix time in milliseconds, as OpenRouter tells it.
            "X-RateLimit-Reset": str(round((time.time() + wait_s) * 1000)),
        },
    )
