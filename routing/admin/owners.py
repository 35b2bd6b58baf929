"""Generations as seen from above: whose they are, by name. Facts know accounts by number only."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from routing.models import Account, ApiKey
from telemetry.admin.generations import GenerationAdmin
from telemetry.models import Generation

admin.site.unregister(Generation)


@admin.register(Generation)
class OwnedGenerationAdmin(GenerationAdmin):
    list_display = [GenerationAdmin.list_display[0], "owner", *GenerationAdmin.list_display[1:]]
    fieldsets = [
        (None, {"fields": [("owner", "key_label"), *GenerationAdmin.fieldsets[0][1]["fields"]]}),
        *GenerationAdmin.fieldsets[1:],
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Generation]:
        name = Account.objects.filter(pk=OuterRef("account_id")).values("name")
        rows: QuerySet[Generation] = super().get_queryset(request)
        return rows.annotate(owner_name=Subquery(name[:1]))

    @admin.display(description="Owner")
    def owner(self, generation: Any) -> str:
        return generation.owner_name or f"account {generation.account_id}, removed"

    @admin.display(description="Key")
    def key_label(self, generation: Generation) -> str:
        key = ApiKey.objects.filter(pk=generation.api_key_id).first()
        return str(key) if key else f"key {generation.api_key_id}, removed"
