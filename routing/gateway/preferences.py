"""What the caller wants of the endpoints: the `provider` object, and the account's own wishes.

Owns their types, defaults, normal form and how the two combine. It filters and sorts nothing. The
rules others rely on: after `normalise` every name is lower case, every price is in picodollars
(1e-12 USD) per token or per request, and an absent wish is None or empty; an account's wishes
only ever take endpoints away from what its request could use.
Source: OpenRouter's provider routing (2026-08), openrouter-contract §2.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Literal

import msgspec

PICO = Decimal(10) ** 12
SortKey = Literal["price", "throughput", "latency", "exacto"]
# A wider name also stands for its micro-scaled kin.
_QUANTIZATION_KIN = {"fp4": {"fp4", "mxfp4", "nvfp4"}, "fp8": {"fp8", "mxfp8"}}


class PreferenceError(ValueError):
    """A preference cannot be used; `path` says which, the message why."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


class Percentiles(msgspec.Struct, frozen=True):
    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p99: float | None = None


class SortBy(msgspec.Struct, frozen=True):
    by: SortKey | None = None
    partition: Literal["model", "none"] | None = None


class MaxPrice(msgspec.Struct, frozen=True):
    prompt: float | str | None = None
    completion: float | str | None = None
    request: float | str | None = None
    image: float | str | None = None
    audio: float | str | None = None


class ProviderWishes(msgspec.Struct, frozen=True):
    """The object as it is sent; unknown keys are ignored."""

    order: list[str] | None = None
    only: list[str] | None = None
    ignore: list[str] | None = None
    allow_fallbacks: bool | None = None
    require_parameters: bool | None = None
    data_collection: Literal["allow", "deny"] | None = None
    zdr: bool | None = None
    quantizations: list[str] | None = None
    sort: SortKey | SortBy | None = None
    max_price: MaxPrice | None = None
    preferred_min_throughput: float | Percentiles | None = None
    preferred_max_latency: float | Percentiles | None = None
    quality_gate: bool | None = None


Cutoffs = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Preferences:
    """The normal form. Prices in picodollars; cutoffs as (percentile, value) pairs."""

    order: tuple[str, ...] = ()
    only: frozenset[str] | None = None
    ignore: frozenset[str] = frozenset()
    allow_fallbacks: bool = True
    require_parameters: bool = False
    deny_data_collection: bool = False
    zdr: bool = False
    quantizations: frozenset[str] | None = None
    sort: SortKey | None = None
    across_models: bool = False
    max_prompt_price: int | None = None
    max_completion_price: int | None = None
    max_request_price: int | None = None
    min_throughput: Cutoffs = ()
    max_latency: Cutoffs = ()
    quality_gate: bool | None = None
    tier: str = ""  # flex, priority, or "" for none
    pin: str = ""  # the tag of the only endpoint that may serve
    # What the account always wants; its order stands in `order`, where the request has none.
    account_only: frozenset[str] | None = None
    account_ignore: frozenset[str] = frozenset()
    account_order: bool = False

    @property
    def pinned(self) -> bool:
        """Whether the caller named providers, so that the choice says nothing of quality."""
        named = self.only is not None or self.account_only is not None
        return named or bool(self.order or self.pin)

    @property
    def named(self) -> tuple[str, ...]:
        """The names the caller asks for, in whichever way."""
        pin = (self.pin,) if self.pin else ()
        return (*pin, *self.order, *(self.only or ()), *(self.account_only or ()))

    @property
    def steered(self) -> bool:
        """Whether the caller had a hand in which endpoint comes first, by name or by trait."""
        caps = (self.max_prompt_price, self.max_completion_price, self.max_request_price)
        return (
            self.pinned
            or bool(
                self.ignore
                or self.account_ignore
                or self.sort
                or self.tier
                or self.min_throughput
                or self.max_latency
            )
            or self.quantizations is not None
            or any(cap is not None for cap in caps)
        )


NO_PREFERENCES = Preferences()


@dataclass(frozen=True, slots=True)
class AccountWishes:
    """An account's standing preferences; `auto_exacto` None is as the service does."""

    only: frozenset[str] | None = None
    ignore: frozenset[str] = frozenset()
    order: tuple[str, ...] = ()
    auto_exacto: Literal["off", "on"] | None = None
    quality_gate: bool = False


NO_ACCOUNT_WISHES = AccountWishes()


def combined(wishes: Preferences, account: AccountWishes) -> Preferences:
    """Return a request's wishes with those its account always has.

    Ignored is what either ignores; allowed, what both allow (an endpoint must be named in each
    list there is); the account's order holds only for a request without an order or a sort.
    """
    if account == NO_ACCOUNT_WISHES:
        return wishes
    ordered_by_account = bool(account.order) and not wishes.order and wishes.sort is None
    gate = account.quality_gate if wishes.quality_gate is None else wishes.quality_gate
    return replace(
        wishes,
        account_only=account.only,
        account_ignore=account.ignore,
        order=account.order if ordered_by_account else wishes.order,
        account_order=ordered_by_account,
        quality_gate=gate,
    )


def normalise(wishes: ProviderWishes | None, *, max_names: int) -> Preferences:
    """Return the wishes in their normal form.

    Raises PreferenceError naming the path of a list longer than `max_names`, a price that is
    not a decimal of 0 or more, or a negative cutoff.
    """
    if wishes is None:
        return NO_PREFERENCES
    by, across_models = _sort(wishes.sort)
    only = _names("only", wishes.only, max_names)
    price = wishes.max_price or MaxPrice()
    return Preferences(
        order=_names("order", wishes.order, max_names),
        # An empty list is how some clients say "no wish".
        only=frozenset(only) if only else None,
        ignore=frozenset(_names("ignore", wishes.ignore, max_names)),
        allow_fallbacks=wishes.allow_fallbacks is not False,
        require_parameters=wishes.require_parameters is True,
        deny_data_collection=wishes.data_collection == "deny",
        zdr=wishes.zdr is True,
        quantizations=_quantizations(wishes.quantizations, max_names),
        sort=by,
        across_models=across_models,
        max_prompt_price=_price("prompt", price.prompt, per=1_000_000),
        max_completion_price=_price("completion", price.completion, per=1_000_000),
        max_request_price=_price("request", price.request, per=1),
        min_throughput=_cutoffs("preferred_min_throughput", wishes.preferred_min_throughput),
        max_latency=_cutoffs("preferred_max_latency", wishes.preferred_max_latency),
        quality_gate=wishes.quality_gate,
    )


def _sort(sort: SortKey | SortBy | None) -> tuple[SortKey | None, bool]:
    if isinstance(sort, SortBy):
        return sort.by, sort.partition == "none"
    return sort, False


def _names(path: str, names: Sequence[str] | None, limit: int) -> tuple[str, ...]:
    if not names:
        return ()
    if len(names) > limit:
        raise PreferenceError(f"provider.{path}", f"at most {limit} names, not {len(names)}")
    return tuple(name.strip().lower() for name in names)


def _quantizations(names: Sequence[str] | None, limit: int) -> frozenset[str] | None:
    wanted = _names("quantizations", names, limit)
    if not wanted:
        return None
    return frozenset().union(*(_QUANTIZATION_KIN.get(name, {name}) for name in wanted))


def _price(name: str, price: float | str | None, *, per: int) -> int | None:
    if price is None:
        return None
    try:
        value = Decimal(str(price))
    except InvalidOperation:
        value = Decimal(-1)
    if not (value.is_finite() and 0 <= value <= 1_000_000):
        raise PreferenceError(
            f"provider.max_price.{name}", "give a number or a decimal string of 0 or more"
        )
    return int(value * PICO / per)


def _cutoffs(path: str, wish: float | Percentiles | None) -> Cutoffs:
    if wish is None:
        return ()
    if isinstance(wish, Percentiles):
        pairs = [(name, getattr(wish, name)) for name in ("p50", "p75", "p90", "p99")]
    else:
        pairs = [("p50", wish)]
    cutoffs = tuple((name, float(value)) for name, value in pairs if value is not None)
    if any(not value >= 0 for _, value in cutoffs):
        raise PreferenceError(f"provider.{path}", "give numbers of 0 or more")
    return cutoffs
