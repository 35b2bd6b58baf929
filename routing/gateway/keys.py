"""API keys on the request path: who is calling and what they always want, without a query.

Owns the cache of callers by full key digest. It decides nothing about key formats, and enforces
no limit. The rules others rely on: while the database
answers, a revoked key stops within KEY_FRESH_S; while it does not, a known key works on for
KEY_STALE_S and an unknown one gets 503, never 401; a revoked, disabled or expired key is looked
up and refused exactly as one that never was.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.conf import settings
from django.utils.timezone import now

from routing.errors import ApiError, unauthorized
from routing.gateway.ledger import Budget
from routing.gateway.preferences import NO_ACCOUNT_WISHES, AccountWishes
from routing.limits import Limits
from routing.models import AccountPreferences, ApiKey, Scope
from telemetry.periods import PERIODS, Period

_MOST_ENTRIES = 100_000
_LOAD_S = 2.0
_DOUBT_S = 1.0
_OVERRIDES: Mapping[str, Literal["off", "on"]] = {"off": "off", "on": "on"}


@dataclass(frozen=True, slots=True)
class Caller:
    """The key behind a request, with the limits in force for it (0: none).

    `scopes` are what it may do; None is everything. `budgets` are what it may spend; without any
    it has no limit. `public_id` and `account_tag` name key and account among all Assays.
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
    budgets: tuple[Budget, ...] = ()
    management: bool = False
    public_id: str = ""
    account_tag: str = ""

    def may(self, scope: str) -> bool:
        return self.scopes is None or scope in self.scopes


def load_caller(digest: str) -> Caller | None:
    """Return the caller behind a key's digest, or None if it may not call (now)."""
    key = ApiKey.with_digest(digest, now())
    if key is None:
        return None
    limits = settings.LIMITS
    return Caller(
        account_id=key.account_id,
        api_key_id=key.pk,
        label=key.label,
        digest=digest,
        requests_per_minute=_limit(key.requests_per_minute, limits.key_rpm),
        max_in_flight=_limit(key.max_in_flight, limits.key_in_flight),
        expires_at=key.expires_at if digest == key.digest else _sooner(key),
        scopes=_scopes(key),
        wishes=_wishes(key),
        budgets=_budgets(key),
        management=key.management,
        public_id=key.public_id,
        account_tag=f"{key.account_id}.{key.account.created_at.timestamp():.6f}",
    )


def _sooner(key: ApiKey) -> datetime | None:
    """Return when a former secret ends: with its overlap, or with the key itself."""
    ends = [at for at in (key.previous_until, key.expires_at) if at is not None]
    return min(ends, default=None)


def _budgets(key: ApiKey) -> tuple[Budget, ...]:
    budgets = []
    if key.spend_limit is not None:
        pico = int(key.spend_limit.scaleb(12))
        period, counts_own = period_of(key.limit_reset), key.include_byok_in_limit
        budgets.append(Budget("key", key.pk, period, pico, counts_own))
    if key.account.credits is not None:
        pico = int(key.account.credits.scaleb(12))
        budgets.append(Budget("account", key.account_id, "total", pico))
    return tuple(budgets)


def period_of(limit_reset: str) -> Period:
    """Return the period that a key's limit is for."""
    return next((period for period in PERIODS if period == limit_reset), "total")


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


def _scopes(key: ApiKey) -> frozenset[str] | None:
    """Return what a key's columns mean; what is no list of names was never written by us."""
    if key.management:
        return frozenset({Scope.READ, Scope.MANAGE})
    stored: object = key.scopes
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
        if confirmed < self._clock() - self._limits.key_fresh_s or _expired(entry.caller):
            return None
        return entry.caller

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
        if caller is None or _expired(caller):
            self._forget(digest)
            raise unauthorized()
        return caller

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
                if _expired(entry.caller):
                    raise unauthorized()
                return entry.caller
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


def _expired(caller: Caller) -> bool:
    return caller.expires_at is not None and caller.expires_at <= now()
