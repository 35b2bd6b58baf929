"""API keys on the request path: who is calling and what they always want, without a query.

Owns the cache of callers by full key digest and the limits per key (requests per minute, calls
in flight). It decides nothing about key formats. The rules others rely on: while the database
answers, a revoked key stops within KEY_FRESH_S; while it does not, a known key works on for
KEY_STALE_S and an unknown one gets 503, never 401.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Literal

from django.conf import settings
from django.utils.timezone import now

from routing.errors import ApiError, unauthorized
from routing.gateway.preferences import NO_ACCOUNT_WISHES, AccountWishes
from routing.limits import Limits
from routing.models import AccountPreferences, ApiKey

_MOST_ENTRIES = 100_000
_LOAD_S = 2.0
_DOUBT_S = 1.0
_OVERRIDES: Mapping[str, Literal["off", "on"]] = {"off": "off", "on": "on"}


@dataclass(frozen=True, slots=True)
class Caller:
    """The key behind a request, with the limits in force for it (0: none).

    `scopes` are what it may do; None is everything.
    """

    account_id: int
    api_key_id: int
    label: str
    digest: str
    requests_per_minute: int
    max_in_flight: int
    expires_at: datetime | None
    scopes: frozenset[str] | None = None
    wishes: AccountWishes = NO_ACCOUNT_WISHES

    def may(self, scope: str) -> bool:
        return self.scopes is None or scope in self.scopes


def load_caller(digest: str) -> Caller | None:
    """Return the caller behind a key's digest, or None if it may not call (now)."""
    rows = ApiKey.objects.select_related("account__preferences")
    key = rows.filter(digest=digest).first()
    if key is None or not key.usable(now()):
        return None
    limits = settings.LIMITS
    return Caller(
        account_id=key.account_id,
        api_key_id=key.pk,
        label=key.label,
        digest=digest,
        requests_per_minute=_limit(key.requests_per_minute, limits.key_rpm),
        max_in_flight=_limit(key.max_in_flight, limits.key_in_flight),
        expires_at=key.expires_at,
        scopes=_scopes(key.scopes),
        wishes=_wishes(key),
    )


def _wishes(key: ApiKey) -> AccountWishes:
    try:
        row = key.account.preferences
    except AccountPreferences.DoesNotExist:
        return NO_ACCOUNT_WISHES
    return AccountWishes(
        only=frozenset(row.only) if row.only else None,
        ignore=frozenset(row.ignore),
        order=tuple(row.order),
        auto_exacto=_OVERRIDES.get(row.auto_exacto),
        quality_gate=row.quality_gate,
    )


def _scopes(stored: object) -> frozenset[str] | None:
    """Return what a key's column means; what is no list of names was never written by us."""
    if stored is None or stored == []:
        return None
    names = stored if isinstance(stored, list) else []
    return frozenset(name for name in names if isinstance(name, str))


def _limit(own: int | None, default: int) -> int:
    return default if own is None else own


@dataclass(slots=True)
class _Entry:
    caller: Caller
    confirmed_at: float


class KeyRing:
    """The callers this process has seen.

    `load` reads one caller by digest (blocking; run in a thread). The poller, in its own thread,
    calls `confirm` while the "keys" revision stands still and `replace` after it rose.
    """

    def __init__(
        self,
        limits: Limits,
        load: Callable[[str], Caller | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._load = load
        self._clock = clock
        self._known: dict[str, _Entry] = {}
        self._unknown: dict[str, float] = {}
        self._confirmed_at = float("-inf")
        self._doubtful_until = float("-inf")
        self._replacements = 0

    def cached(self, digest: str) -> Caller | None:
        """Return the caller if it is known and fresh; the way nearly every request goes."""
        entry = self._known.get(digest)
        if entry is None:
            return None
        confirmed = max(entry.confirmed_at, self._confirmed_at)
        if confirmed < self._clock() - self._limits.key_fresh_s:
            return None
        return self._unexpired(entry.caller)

    async def caller(self, digest: str) -> Caller:
        """Return the caller. Raises ApiError: 401 unknown or expired, 503 when in doubt."""
        if (caller := self.cached(digest)) is not None:
            return caller
        if self._unknown.get(digest, float("-inf")) > self._clock() - self._limits.key_fresh_s:
            raise unauthorized()
        if self._doubtful_until > self._clock():
            return self._stale(digest)
        try:
            async with asyncio.timeout(_LOAD_S):
                caller = await self._loaded(digest)
        except Exception:  # noqa: BLE001  # whatever ails the database, the key is in doubt
            # The next ones need not wait for a database that hangs.
            self._doubtful_until = self._clock() + _DOUBT_S
            return self._stale(digest)
        if caller is None:
            self._forget(digest)
            raise unauthorized()
        return self._unexpired(caller)

    async def _loaded(self, digest: str) -> Caller | None:
        """Read a caller and keep it, as of no earlier than the last replacement."""
        while True:
            replacements = self._replacements
            caller = await asyncio.to_thread(self._load, digest)
            if replacements == self._replacements:
                break
        if caller is not None:
            if len(self._known) >= _MOST_ENTRIES:
                self._known.clear()
            self._known[digest] = _Entry(caller, self._clock())
        return caller

    def digests(self) -> list[str]:
        return list(self._known)

    def confirm(self) -> None:
        """Note that nothing has changed until now."""
        self._confirmed_at = self._clock()

    def replace(self, callers: Mapping[str, Caller]) -> None:
        """Keep these callers, freshly read, and no others."""
        self._replacements += 1
        at = self._clock()
        self._known = {digest: _Entry(caller, at) for digest, caller in callers.items()}
        self._unknown.clear()
        self._confirmed_at = at

    def _stale(self, digest: str) -> Caller:
        entry = self._known.get(digest)
        if entry is not None:
            confirmed = max(entry.confirmed_at, self._confirmed_at)
            if confirmed >= self._clock() - self._limits.key_stale_s:
                return self._unexpired(entry.caller)
        raise ApiError(
            503,
            "The key cannot be checked right now. Try again shortly.",
            error_type="server",
            headers={"Retry-After": "5"},
        )

    def _forget(self, digest: str) -> None:
        self._known.pop(digest, None)
        if len(self._unknown) >= self._limits.key_unknown:
            self._unknown.clear()
        self._unknown[digest] = self._clock()

    def _unexpired(self, caller: Caller) -> Caller:
        if caller.expires_at is not None and caller.expires_at <= now():
            raise unauthorized()
        return caller


@dataclass(slots=True)
class _Use:
    tokens: float
    filled_at: float
    in_flight: int = 0


class KeyLimits:
    """Requests per minute and calls in flight, per key, in this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
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

    def _take(self, caller: Caller) -> _Use:
        at, rpm = self._clock(), caller.requests_per_minute
        use = self._uses.get(caller.api_key_id)
        if use is None:
            use = self._uses[caller.api_key_id] = _Use(float(rpm), at)
        if caller.max_in_flight and use.in_flight >= caller.max_in_flight:
            raise _too_many(f"at most {caller.max_in_flight} requests at once", 1)
        if rpm:
            use.tokens = min(rpm, use.tokens + (at - use.filled_at) * rpm / 60)
            use.filled_at = at
            if use.tokens < 1:
                raise _too_many(
                    f"at most {rpm} requests a minute", ceil((1 - use.tokens) * 60 / rpm)
                )
            use.tokens -= 1
        return use


def _too_many(what: str, retry_after_s: int) -> ApiError:
    return ApiError(
        429,
        f"Rate limit of this key: {what}.",
        metadata={"limit_source": "api_key"},
        headers={"Retry-After": str(retry_after_s)},
    )
