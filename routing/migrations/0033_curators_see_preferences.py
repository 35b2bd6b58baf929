"""Let curators see accounts' standing preferences, which count as votes; operators edit them.

Locks: none beyond inserts. Undo: `migrate routing 0032` takes the right back. The permission is
made here as Django would after migrating, so that it can be given.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

GROUP = "Curators"
MODEL, CODENAME = "accountpreferences", "view_accountpreferences"


def allow(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="routing", model=MODEL
    )
    right, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=CODENAME, defaults={"name": "Can view account preferences"}
    )
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)
    group.permissions.add(right)


def take_back(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    group = apps.get_model("auth", "Group").objects.filter(name=GROUP).first()
    if group is not None:
        group.permissions.remove(*group.permissions.filter(codename=CODENAME))


class Migration(migrations.Migration):
    dependencies = [("routing", "0032_account_preferences_triggers")]

    operations = [migrations.RunPython(allow, take_back)]
