"""Let curators set endpoints aside, keep policies, and read the audit trail and notices.

Locks: none beyond inserts. Undo: `migrate routing 0011` takes these rights back. The permissions
are made here as Django would after migrating, so that they can be given.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

GROUP = "Curators"
# (model, its name, what curators may do)
RIGHTS = [
    ("modelpolicy", "policy", ["add", "change", "view"]),
    ("quarantine", "quarantine", ["view"]),
    ("leftout", "endpoint left out", ["view"]),
    ("auditentry", "audit entry", ["view"]),
    ("notice", "notice", ["change", "view"]),
    ("delivery", "delivery", ["view"]),
]


def allow(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    content_type = apps.get_model("contenttypes", "ContentType")
    permission = apps.get_model("auth", "Permission")
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)

    def give(model: str, codename: str, name: str) -> None:
        kind, _ = content_type.objects.get_or_create(app_label="routing", model=model)
        right, _ = permission.objects.get_or_create(
            content_type=kind, codename=codename, defaults={"name": name}
        )
        group.permissions.add(right)

    for model, words, deeds in RIGHTS:
        for deed in deeds:
            give(model, f"{deed}_{model}", f"Can {deed} {words}")
    give("quarantine", "release_quarantine", "Can quarantine and release an endpoint")


def take_back(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    group = apps.get_model("auth", "Group").objects.filter(name=GROUP).first()
    if group is not None:
        given = group.permissions.filter(
            content_type__app_label="routing",
            content_type__model__in=[model for model, _, _ in RIGHTS],
        )
        group.permissions.remove(*given)


class Migration(migrations.Migration):
    dependencies = [("routing", "0011_review_and_audit_triggers")]

    operations = [migrations.RunPython(allow, take_back)]
