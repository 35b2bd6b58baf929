"""Rows for tests: each function makes one, with plain defaults for all that a test leaves out.

A provider or model may be given by its slug: it is made on first use and found again after that.
"""

from decimal import Decimal
from typing import Any

from providers.models import Credential, Endpoint, Model, Provider
from routing.models import Account, Allowlist, ApiKey

MODEL = "acme/falcon-1"


def make_provider(slug: str = "cobalt", *, api_key_env: str = "", **fields: Any) -> Provider:
    defaults = {"name": slug.title(), "base_url": f"http://{slug}.test/v1"}
    provider = Provider.objects.create(slug=slug, **{**defaults, **fields})
    if api_key_env:
        Credential.objects.create(provider=provider, api_key_env=api_key_env)
    return provider


def make_model(slug: str = MODEL, **fields: Any) -> Model:
    defaults: dict[str, Any] = {
        "name": slug,
        "context_length": 131_072,
        "input_modalities": ["text"],
        "output_modalities": ["text"],
    }
    return Model.objects.create(slug=slug, **{**defaults, **fields})


def make_endpoint(
    provider: Provider | str = "cobalt",
    model: Model | str = MODEL,
    *,
    tag: str = "",
    **fields: Any,
) -> Endpoint:
    """Make an endpoint that takes tools; its tag is the provider's slug unless given."""
    if isinstance(provider, str):
        provider = Provider.objects.filter(slug=provider).first() or make_provider(provider)
    if isinstance(model, str):
        model = Model.objects.filter(slug=model).first() or make_model(model)
    defaults: dict[str, Any] = {
        "upstream_model": model.slug.split("/")[1],
        "context_length": model.context_length,
        "price_prompt": Decimal("0.0000006"),
        "price_completion": Decimal("0.0000025"),
        "supported_parameters": ["max_tokens", "temperature", "tool_choice", "tools"],
    }
    return Endpoint.objects.create(
        provider=provider, model=model, tag=tag or provider.slug, **{**defaults, **fields}
    )


def make_allowlist(
    *endpoints: Endpoint, variant: str = "exacto", published: bool = True, reason: str = "Measured."
) -> Allowlist:
    """Make an edition of these endpoints of one model, published unless told otherwise."""
    edition = Allowlist.draft(endpoints[0].model, variant=variant, reason=reason)
    for endpoint in endpoints:
        edition.entries.create(endpoint=endpoint, reason=reason)
    if published:
        edition.publish(by=None)
    return edition


def make_key(account: Account | str = "Alice", label: str = "test", **fields: Any) -> str:
    """Issue a key of this account and return its text."""
    if isinstance(account, str):
        account, _ = Account.objects.get_or_create(name=account)
    return ApiKey.issue(account, label, **fields)[1]
