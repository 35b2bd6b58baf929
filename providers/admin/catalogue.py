"""Providers, models and endpoints in the admin.

Knows nothing of allowlists: `routing.admin` adds to the endpoints' list what only it can know.
"""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet, URLField
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.safestring import SafeString

from providers.admin.forms import CredentialForm, EndpointForm, ModelForm
from providers.admin.in_use import RefusesDeletionInUse
from providers.admin.switches import LeavesSwitchesAlone
from providers.admin.theme import StackedInline, badge, per_million, switch_badge
from providers.models import Credential, Endpoint, Model, Provider
from providers.secrets import SealError


def credential_state(credential: Credential) -> SafeString:
    """Say how a credential is had and whether it can be, never what it is."""
    if credential.api_key_env:
        is_set = credential.open() is not None
        state = "set" if is_set else "NOT SET"
        return badge(f"reads {credential.api_key_env}: {state}", "good" if is_set else "bad")
    try:
        if credential.open() is None:
            return badge("none", "warn")
    except SealError:
        return badge("stored, but no key in CREDENTIAL_KEYS opens it", "bad")
    return badge(f"stored, set on {date_format(credential.updated_at, 'j M Y')}", "good")


class SwitchActions(RefusesDeletionInUse, LeavesSwitchesAlone):
    """Stop and resume sending to the selected rows; each change is on the row's history."""

    switches = ["enabled"]
    actions = ["stop_sending", "resume_sending"]

    @admin.action(description="Stop sending", permissions=["change"])
    def stop_sending(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        self._switch(request, rows, on=False)

    @admin.action(description="Resume sending", permissions=["change"])
    def resume_sending(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        self._switch(request, rows, on=True)

    def _switch(self, request: HttpRequest, rows: QuerySet[Any], *, on: bool) -> None:
        switched = list(rows.exclude(enabled=on))
        self.model._default_manager.filter(pk__in=[row.pk for row in switched]).update(enabled=on)
        for row in switched:
            self.log_change(request, row, "Resumed sending." if on else "Stopped sending.")
        names = ", ".join(str(row) for row in switched) or "nothing: it was so already"
        verb = "Resumed" if on else "Stopped"
        self.message_user(request, f"{verb} sending to {names}.", messages.SUCCESS)

    @admin.display(description="Service", ordering="enabled")
    def service(self, row: Any) -> SafeString:
        return switch_badge(on=row.enabled)


class CredentialInline(StackedInline[Credential, Provider]):
    model = Credential
    form = CredentialForm
    fields = ["state", "source", "api_key_env", "new_key"]
    readonly_fields = ["state"]

    @admin.display(description="Now")
    def state(self, credential: Credential) -> SafeString:
        return credential_state(credential) if credential.pk else badge("none", "warn")


@admin.register(Provider)
class ProviderAdmin(SwitchActions):
    list_display = ["name", "slug", "base_url", "data_policy", "endpoint_count", "service"]
    list_filter = ["enabled", "trains_on_data", "zero_data_retention"]
    search_fields = ["name", "slug"]
    inlines = [CredentialInline]
    change_form_template = "admin/inlines_second.html"
    fieldsets = [
        (None, {"fields": ["name", "slug", "base_url", "enabled"]}),
        ("Data policy", {"fields": ["trains_on_data", "zero_data_retention"]}),
        (
            "For the public page",
            {
                "fields": [
                    "headquarters",
                    "status_page_url",
                    "privacy_policy_url",
                    "terms_of_service_url",
                ]
            },
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        rows: QuerySet[Provider] = super().get_queryset(request).select_related("credential")
        return rows.annotate(n_endpoints=Count("endpoints"))

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        columns = list(super().get_list_display(request))
        if request.user.has_perm("providers.view_credential"):
            columns.insert(3, "credential_column")
        return columns

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None and "slug" in form.base_fields:
            # The seal of a stored credential names the slug. And whoever may not see credentials
            # must not be able to have one sent to an address of their own.
            form.base_fields["slug"].disabled = True
            form.base_fields["base_url"].disabled = not request.user.has_perm(
                "providers.change_credential"
            )
        return form

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if isinstance(db_field, URLField):
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="Credential")
    def credential_column(self, provider: Provider) -> SafeString:
        credential = getattr(provider, "credential", None)
        return credential_state(credential) if credential else badge("none", "warn")

    @admin.display(description="Data")
    def data_policy(self, provider: Provider) -> SafeString:
        if provider.zero_data_retention:
            return badge("keeps nothing", "good")
        return badge("trains on data", "warn") if provider.trains_on_data else badge("no training")

    @admin.display(description="Endpoints", ordering="n_endpoints")
    def endpoint_count(self, provider: Any) -> int:
        return int(provider.n_endpoints)


@admin.register(Model)
class CatalogueModelAdmin(SwitchActions):
    form = ModelForm
    list_display = ["slug", "name", "context", "endpoint_count", "released_at", "service"]
    list_filter = ["enabled"]
    search_fields = ["slug", "name"]
    fieldsets = [
        (None, {"fields": ["slug", "name", "description", "enabled"]}),
        ("Limits", {"fields": ["context_length", "input_modalities", "output_modalities"]}),
        ("Origin", {"fields": ["released_at", "hugging_face_id", "tokenizer"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        rows: QuerySet[Model] = super().get_queryset(request)
        return rows.annotate(
            n_endpoints=Count("endpoints"),
            n_in_service=Count(
                "endpoints",
                filter=Q(endpoints__enabled=True, endpoints__provider__enabled=True),
            ),
        )

    @admin.display(description="Context", ordering="context_length")
    def context(self, model: Model) -> str:
        return f"{model.context_length:,} tokens"

    @admin.display(description="Endpoints", ordering="n_in_service")
    def endpoint_count(self, model: Any) -> str:
        return f"{model.n_in_service} of {model.n_endpoints} in service"


@admin.register(Endpoint)
class EndpointAdmin(SwitchActions):
    form = EndpointForm
    list_display = [
        "tag", "model", "provider", "prices", "context", "quantization", "tools", "service",
    ]  # fmt: skip
    list_filter = ["model", "provider", "enabled", "quantization"]
    list_select_related = ["model", "provider"]
    search_fields = ["tag", "model__slug", "provider__name"]
    fieldsets = [
        (None, {"fields": ["model", "provider", "tag", "upstream_model", "enabled", "reference"]}),
        (
            "Prices, $ per million tokens",
            {
                "fields": [
                    ("price_prompt", "price_completion"),
                    ("price_cache_read", "price_cache_write"),
                    "price_request",
                ]
            },
        ),
        (
            "What it can do",
            {
                "fields": [
                    ("context_length", "max_completion_tokens"),
                    "quantization",
                    "supported_parameters",
                    "tool_choices",
                    "first_token_seconds",
                ]
            },
        ),
        (
            "Data policy, where it differs from the provider's",
            {"fields": ["trains_on_data", "zero_data_retention"]},
        ),
    ]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        for name in ("model", "provider"):
            if obj is not None and name in form.base_fields:
                # Its counters, its scores and the lists it is on are those of what it is.
                form.base_fields[name].disabled = True
        return form

    @admin.display(description="$ per million: in · out", ordering="price_prompt")
    def prices(self, endpoint: Endpoint) -> str:
        parts = [per_million(endpoint.price_prompt), per_million(endpoint.price_completion)]
        text = " · ".join(parts)
        if endpoint.price_cache_read is not None:
            text += f" (cached {per_million(endpoint.price_cache_read)})"
        return text

    @admin.display(description="Context", ordering="context_length")
    def context(self, endpoint: Endpoint) -> str:
        return f"{endpoint.context_length:,}"

    @admin.display(description="Tools", boolean=True)
    def tools(self, endpoint: Endpoint) -> bool:
        return "tools" in endpoint.supported_parameters

    @admin.display(description="Service", ordering="enabled")
    def service(self, row: Any) -> SafeString:
        if row.enabled and not row.provider.enabled:
            return badge("provider stopped", "bad")
        return switch_badge(on=row.enabled)
