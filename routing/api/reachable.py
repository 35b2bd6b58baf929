"""What a request could reach now: models with the endpoints that may be called, and their pools.

Owns the queries behind every answer about the catalogue; their number does not grow with it. It
shapes no JSON. The rules others rely on: a model, endpoint or provider that is switched off is
nowhere in here; a pool is the published `:exacto` edition less the endpoints that are quarantined.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from django.db.models import Prefetch

from providers.models import Endpoint, Model
from routing.models import Allowlist, AllowlistEntry, Quarantine

VARIANT = "exacto"


@dataclass(frozen=True, slots=True)
class Pool:
    """The live edition behind a model's `:exacto`, and who is set aside from it."""

    edition: int | None = None
    listed: frozenset[int] = frozenset()
    quarantined: frozenset[int] = frozenset()

    def serves(self, endpoint: Endpoint) -> bool:
        return endpoint.pk in self.listed and endpoint.pk not in self.quarantined


NO_POOL = Pool()


@dataclass(frozen=True, slots=True)
class Listing:
    """A model, or its pool behind a variant, and its endpoints, cheapest first.

    Those of a tier come last: only who asks for it pays their price.
    """

    model: Model
    endpoints: tuple[Endpoint, ...]
    variant: str = ""

    @property
    def id(self) -> str:
        return f"{self.model.slug}:{self.variant}" if self.variant else self.model.slug

    @property
    def name(self) -> str:
        return f"{self.model.name} ({self.variant})" if self.variant else self.model.name

    @property
    def context_length(self) -> int:
        """The model's, or the longest of the pool behind a variant."""
        if not self.variant:
            return self.model.context_length
        return max(endpoint.context_length for endpoint in self.endpoints)

    @property
    def supported_parameters(self) -> list[str]:
        """What some endpoint takes."""
        return sorted({name for one in self.endpoints for name in one.supported_parameters})

    def pooled(self, pool: Pool) -> "Listing":
        """Return the listing of the model's pool."""
        serving = tuple(one for one in self.endpoints if pool.serves(one))
        return replace(self, endpoints=serving, variant=VARIANT)


def reachable(slug: str | None = None) -> list[Listing]:
    """Return all models that are switched on, or the one of this slug, with who serves them."""
    endpoints = Endpoint.objects.filter(enabled=True, provider__enabled=True)
    models = Model.objects.filter(enabled=True)
    if slug is not None:
        models = models.filter(slug=slug)
    rows = models.prefetch_related(
        Prefetch("endpoints", endpoints.select_related("provider"), to_attr="reachable")
    )
    return [_listing(row, row.reachable) for row in rows]


def _listing(model: Model, endpoints: Iterable[Endpoint]) -> Listing:
    endpoints = list(endpoints)
    for endpoint in endpoints:
        endpoint.model = model
    return Listing(model, tuple(sorted(endpoints, key=_place)))


def _place(endpoint: Endpoint) -> tuple[bool, object, str]:
    price = endpoint.price_prompt + endpoint.price_completion
    return endpoint.tier != "", price, endpoint.tag


def pools(model_ids: Collection[int]) -> dict[int, Pool]:
    """Return {model id: its pool} of the models that have an edition or a quarantine."""
    editions: dict[int, int] = {}
    listed: defaultdict[int, set[int]] = defaultdict(set)
    entries = AllowlistEntry.objects.filter(
        allowlist__model__in=model_ids,
        allowlist__variant=VARIANT,
        allowlist__status=Allowlist.Status.PUBLISHED,
    )
    for model_id, version, endpoint_id in entries.values_list(
        "allowlist__model_id", "allowlist__version", "endpoint_id"
    ):
        editions[model_id] = version
        listed[model_id].add(endpoint_id)
    aside: defaultdict[int, set[int]] = defaultdict(set)
    open_ones = Quarantine.objects.filter(model__in=model_ids, variant=VARIANT, ended_at=None)
    for model_id, endpoint_id in open_ones.values_list("model_id", "endpoint_id"):
        aside[model_id].add(endpoint_id)
    return {
        model_id: Pool(
            editions.get(model_id), frozenset(listed[model_id]), frozenset(aside[model_id])
        )
        for model_id in editions.keys() | aside.keys()
    }


def with_pools(listings: Sequence[Listing]) -> list[Listing]:
    """Return the listings, each followed by that of its pool if that serves."""
    known = pools([listing.model.pk for listing in listings])
    found: list[Listing] = []
    for listing in listings:
        found.append(listing)
        pooled = listing.pooled(known.get(listing.model.pk, NO_POOL))
        if pooled.endpoints:
            found.append(pooled)
    return found


def zero_data_retention(endpoint: Endpoint) -> bool:
    """Whether neither the endpoint nor, where it says nothing itself, its provider keeps data."""
    own = endpoint.zero_data_retention
    return endpoint.provider.zero_data_retention if own is None else own
