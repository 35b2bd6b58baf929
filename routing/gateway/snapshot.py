"""The catalogue and the published editions in memory: what routing reads instead of the database.

Owns the frozen `Snapshot` and how it is built from rows. It never reads on the request path:
`routing.gateway.refresh` replaces it when the "catalog" revision rises. The rules others rely on:
a snapshot is whole and from one transaction; what cannot be proven usable (an address variable
not set, a credential that does not open) is left out and said in `problems`, never guessed.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from providers.client import Target
from providers.models import TOOL_CHOICES, Credential, Endpoint, Provider, Revision
from providers.models import Model as ModelRow
from providers.secrets import SealError, Secret
from routing.gateway.admission import (
    INSUFFICIENT_DATA,
    PICODOLLARS,
    QUARANTINED,
    Edition,
    EndpointSpec,
    ModelSpec,
    Prices,
)
from routing.gateway.holdings import Holdings, OwnCredential
from routing.gateway.presets import Preset
from routing.models import Allowlist, AllowlistEntry, Quarantine
from routing.models import OwnCredential as OwnCredentialRow
from routing.models import Preset as PresetRow
from telemetry.models import EndpointScore

_REVISIONS = f"SELECT topic, number FROM {Revision._meta.db_table}"  # noqa: S608  # our own name


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything routing knows, as of one revision of the catalogue."""

    revision: int
    models: Mapping[str, ModelSpec]
    enabled: frozenset[int] = frozenset()
    problems: tuple[str, ...] = ()
    # By account; one that holds nothing is not there.
    holdings: Mapping[int, Holdings] = field(default_factory=dict)


EMPTY = Snapshot(revision=-1, models={})


def read_revisions() -> dict[str, int]:
    """Return the current number per topic: the one query a process polls."""
    # By hand: this is asked all the time, and putting the query together was most of its cost.
    with connection.cursor() as cursor:
        cursor.execute(_REVISIONS)
        return dict(cursor.fetchall())


def build(endpoint_in_flight: int, previous: Snapshot = EMPTY) -> Snapshot:
    """Read the whole catalogue in one transaction.

    An endpoint whose address and credential did not change keeps its `Target` from `previous`,
    and with it the upstream client's prepared headers.
    """
    with transaction.atomic():
        revision = read_revisions().get("catalog", 0)
        builder = _Builder(endpoint_in_flight, previous)
        endpoints = builder.endpoints()
        editions, quarantined = _editions(), _quarantined()
        models = {
            row.slug: ModelSpec(
                slug=row.slug,
                name=row.name,
                context_length=row.context_length,
                endpoints=tuple(endpoints.get(row.pk, ())),
                editions=editions.get(row.pk, {}),
                quarantined=quarantined.get(row.pk, {}),
                output="embeddings" if row.embeds else "text",
            )
            for row in ModelRow.objects.filter(enabled=True)
        }
        holdings = builder.holdings()
    enabled = frozenset(e.id for model in models.values() for e in model.endpoints)
    return Snapshot(revision, models, enabled, tuple(builder.problems), holdings)


def _editions() -> dict[int, dict[str, Edition]]:
    members: defaultdict[int, set[int]] = defaultdict(set)
    entries = AllowlistEntry.objects.filter(allowlist__status=Allowlist.Status.PUBLISHED)
    for allowlist_id, endpoint_id in entries.values_list("allowlist_id", "endpoint_id"):
        members[allowlist_id].add(endpoint_id)
    editions: defaultdict[int, dict[str, Edition]] = defaultdict(dict)
    for row in Allowlist.objects.filter(status=Allowlist.Status.PUBLISHED):
        editions[row.model_id][row.variant] = Edition(row.version, frozenset(members[row.pk]))
    return editions


def _quarantined() -> dict[int, dict[str, frozenset[int]]]:
    """Return {model id: {variant: ids of the endpoints set aside now}}."""
    found: defaultdict[int, defaultdict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    rows = Quarantine.objects.filter(ended_at=None)
    for model_id, variant, endpoint_id in rows.values_list("model_id", "variant", "endpoint_id"):
        found[model_id][variant].add(endpoint_id)
    return {
        model_id: {variant: frozenset(ids) for variant, ids in variants.items()}
        for model_id, variants in found.items()
    }


def _standings() -> dict[int, tuple[str, str]]:
    """Return {endpoint id: (standing, method)}; an open quarantine is ahead of the next score."""
    rows = EndpointScore.objects.values_list("endpoint_id", "standing", "method")
    standings = {endpoint_id: (standing, method) for endpoint_id, standing, method in rows}
    aside = Quarantine.objects.filter(ended_at=None).values_list("endpoint_id", flat=True)
    for endpoint_id in aside:
        _, method = standings.get(endpoint_id, ("", ""))
        standings[endpoint_id] = (QUARANTINED, method)
    return standings


@dataclass(slots=True)
class _Builder:
    in_flight: int
    previous: Snapshot
    problems: list[str] = field(default_factory=list)

    def endpoints(self) -> dict[int, list[EndpointSpec]]:
        kept = {e.id: e.target for model in self.previous.models.values() for e in model.endpoints}
        access, standings = self._access(), _standings()
        found: defaultdict[int, list[EndpointSpec]] = defaultdict(list)
        rows = Endpoint.objects.filter(enabled=True, provider__enabled=True, model__enabled=True)
        for row in rows.select_related("provider", "model").order_by("tag"):
            if row.provider_id in access:
                base_url, credential = access[row.provider_id]
                path = "embeddings" if row.model.embeds else "chat/completions"
                target = Target(row.pk, f"{base_url}/{path}", credential, self.in_flight)
                old = kept.get(row.pk)
                standing = standings.get(row.pk, (INSUFFICIENT_DATA, ""))
                spec = _spec(row, old if old == target else target, *standing)
                found[row.model_id].append(spec)
        return found

    def holdings(self) -> dict[int, Holdings]:
        """Return {account id: its presets and own credentials}."""
        presets: defaultdict[int, dict[str, Preset]] = defaultdict(dict)
        for row in PresetRow.objects.all():
            parameters = row.parameters if isinstance(row.parameters, dict) else {}
            presets[row.account_id][row.slug] = Preset(row.slug, parameters, row.system_prompt)
        credentials = self._own_credentials()
        return {
            account_id: Holdings(presets.get(account_id, {}), credentials.get(account_id, {}))
            for account_id in {*presets, *credentials}
        }

    def _own_credentials(self) -> dict[int, dict[str, OwnCredential]]:
        found: defaultdict[int, dict[str, OwnCredential]] = defaultdict(dict)
        rows = OwnCredentialRow.objects.filter(enabled=True).select_related("provider", "account")
        for row in rows:
            try:
                credential = OwnCredential(row.open(), row.shared_too)
            except SealError as error:
                self.problems.append(f"{row} is left out: {error}")
            else:
                found[row.account_id][row.provider.slug] = credential
        return found

    def _access(self) -> dict[int, tuple[str, Secret | None]]:
        """Return {provider id: (base URL, credential)} of the providers that can be called."""
        credentials = {
            row.provider_id: row for row in Credential.objects.select_related("provider")
        }
        access = {}
        for provider in Provider.objects.filter(enabled=True):
            try:
                access[provider.pk] = (
                    provider.resolved_base_url(),
                    self._secret(credentials.get(provider.pk)),
                )
            except (ValidationError, SealError) as error:
                reason = "; ".join(getattr(error, "messages", [str(error)]))
                self.problems.append(f"{provider.slug} is left out: {reason}")
        return access

    def _secret(self, credential: Credential | None) -> Secret | None:
        if credential is None:
            return None
        secret = credential.open()
        if secret is None and credential.api_key_env:
            raise SealError(f"environment variable {credential.api_key_env} is not set")
        return secret


def _spec(row: Endpoint, target: Target, standing: str, method: str) -> EndpointSpec:
    provider = row.provider
    return EndpointSpec(
        id=row.pk,
        tag=row.tag,
        provider_slug=provider.slug,
        provider_name=provider.name,
        model_slug=row.model.slug,
        upstream_model=row.upstream_model,
        target=target,
        quantization=row.quantization,
        context_length=row.context_length,
        max_completion_tokens=row.max_completion_tokens,
        prices=Prices(
            prompt=_pico(row.price_prompt),
            completion=_pico(row.price_completion),
            request=_pico(row.price_request),
            cache_read=None if row.price_cache_read is None else _pico(row.price_cache_read),
            cache_write=None if row.price_cache_write is None else _pico(row.price_cache_write),
        ),
        supported_parameters=frozenset(row.supported_parameters),
        tool_choices=frozenset(row.tool_choices or TOOL_CHOICES),
        trains_on_data=_own_or(row.trains_on_data, provider.trains_on_data),
        zero_data_retention=_own_or(row.zero_data_retention, provider.zero_data_retention),
        first_token_s=row.first_token_seconds,
        standing=standing,
        method=method,
        tier=row.tier,
    )


def _pico(price: Decimal) -> int:
    return int(price * PICODOLLARS)


def _own_or(own: bool | None, inherited: bool) -> bool:
    return inherited if own is None else own
