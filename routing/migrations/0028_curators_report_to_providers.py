"""Let the group "Curators" make and revoke links for providers, and settle what providers write.

Locks: none beyond inserts. Undo: `migrate routing 0027` takes the rights from the group. The
permissions are made here as Django would after migrating, so that they can be given.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

GROUP = "Curators"
RIGHTS = [
    ("providerreport", "provider report", ("add", "change", "view")),
    ("providermessage", "provider's message", ("change", "view")),
]


def give_rights(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    kinds = apps.get_model("contenttypes", "ContentType").objects
    rights = apps.get_model("auth", "Permission").objects
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)
    for model, words, deeds in RIGHTS:
        kind, _ = kinds.get_or_create(app_label="routing", model=model)
        for deed in deeds:
            right, _ = rights.get_or_create(
                content_type=kind,
                codename=f"{deed}_{model}",
                defaults={"name": f"Can {deed} {words}"},
            )
            group.permissions.add(right)


def take_rights(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    rights = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="routing",
        content_type__model__in=[model for model, _, _ in RIGHTS],
    )
    for group in apps.get_model("auth", "Group").objects.filter(name=GROUP):
        group.permissions.remove(*rights)


class Migration(migrations.Migration):
    dependencies = [("routing", "0027_provider_reports")]

    operations = [migrations.RunPython(give_rights, take_rights)]
