"""Refuse to delete what is used, in one sentence and without reading what uses it.

Django would list every row that refers to an endpoint; there can be a million attempts.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import PROTECT, ManyToOneRel, Model
from django.http import HttpRequest

from providers.admin.theme import ModelAdmin


def users_of(objects: Iterable[Model]) -> list[str]:
    """Return the plural names of what refers to these rows and forbids their deletion."""
    rows = list(objects)
    if not rows:
        return []
    relations = [
        relation
        for relation in rows[0]._meta.get_fields(include_hidden=True)
        if isinstance(relation, ManyToOneRel) and relation.on_delete is PROTECT
    ]
    return sorted(
        str(relation.related_model._meta.verbose_name_plural)
        for relation in relations
        if relation.related_model._base_manager.filter(
            **{f"{relation.field.name}__in": rows}
        ).exists()
    )


class RefusesDeletionInUse(ModelAdmin[Any]):
    """An admin whose rows are switched off rather than deleted once something refers to them."""

    delete_confirmation_template = "admin/in_use.html"
    delete_selected_confirmation_template = "admin/in_use_selected.html"

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        users = users_of(objs)
        if users:
            return [], {}, set(), users
        return super().get_deleted_objects(objs, request)
