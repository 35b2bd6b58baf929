"""Let the group "Curators" see verifier runs, and order and stop them.

Locks: none beyond inserts. Undo: `migrate routing 0021` takes the rights from the group. The
permissions are made here as Django would after migrating, so that they can be given.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

GROUP = "Curators"
DEEDS = ["add", "view"]


def give_rights(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="telemetry", model="verifierrun"
    )
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)
    for deed in DEEDS:
        right, _ = apps.get_model("auth", "Permission").objects.get_or_create(
            content_type=kind,
            codename=f"{deed}_verifierrun",
            defaults={"name": f"Can {deed} verifier run"},
        )
        group.permissions.add(right)


def take_rights(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    rights = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="telemetry",
        codename__in=[f"{deed}_verifierrun" for deed in DEEDS],
    )
    for group in apps.get_model("auth", "Group").objects.filter(name=GROUP):
        group.permissions.remove(*rights)


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0021_curators_read_feedback"),
        ("telemetry", "0010_verifier"),
    ]

    operations = [migrations.RunPython(give_rights, take_rights)]
