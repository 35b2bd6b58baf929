"""Let curators read what callers say of their generations.

Locks: none beyond inserts. Undo: `migrate routing 0020` takes the right back. The permission is
made here as Django would after migrating, so that it can be given.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

GROUP = "Curators"
MODEL, CODENAME = "feedback", "view_feedback"


def allow(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="telemetry", model=MODEL
    )
    right, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=CODENAME, defaults={"name": "Can view feedback"}
    )
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)
    group.permissions.add(right)


def take_back(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    group = apps.get_model("auth", "Group").objects.filter(name=GROUP).first()
    if group is not None:
        group.permissions.remove(*group.permissions.filter(codename=CODENAME))


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0020_key_limits_and_rotation"),
        ("telemetry", "0008_spending"),
    ]

    operations = [migrations.RunPython(allow, take_back)]
