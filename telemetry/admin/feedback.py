"""What callers said of their generations, to be read. Nothing here can be changed."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from providers.admin.theme import ModelAdmin
from telemetry.models import Feedback


@admin.register(Feedback)
class FeedbackAdmin(ModelAdmin[Feedback]):
    list_display = ["created_at", "category", "comment", "generation_id"]
    list_filter = ["category"]
    search_fields = ["=generation__pk"]
    ordering = ["-created_at"]
    fields = [("category", "created_at", "changed_at"), "generation", "comment"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
