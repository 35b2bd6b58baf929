"""Make the group "Curators": they see everything but credentials and keys, and decide on lists.

Locks: none beyond inserts. Undo: `migrate routing 0002` deletes the group; its members keep their
accounts. The permissions are made here as Django would after migrating, so that they can be given.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

GROUP = "Curators"
# (app, model, its name, what curators may do)
RIGHTS = [
    ("providers", "provider", "provider", ["add", "change", "delete", "view"]),
    ("providers", "model", "model", ["add", "change", "delete", "view"]),
    ("providers", "endpoint", "endpoint", ["add", "change", "delete", "view"]),
    ("telemetry", "generation", "generation", ["view"]),
    ("telemetry", "attempt", "attempt", ["view"]),
    ("telemetry", "verdictcount", "verdict count", ["view"]),
    ("routing", "account", "account", ["view"]),
    ("routing", "allowlist", "allowlist", ["add", "change", "delete", "view"]),
    ("routing", "allowlistentry", "allowlist entry", ["add", "change", "delete", "view"]),
]


def make_group(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    content_type = apps.get_model("contenttypes", "ContentType")
    permission = apps.get_model("auth", "Permission")
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)

    def allow(app: str, model: str, codename: str, name: str) -> None:
        kind, _ = content_type.objects.get_or_create(app_label=app, model=model)
        right, _ = permission.objects.get_or_create(
            content_type=kind, codename=codename, defaults={"name": name}
        )
        group.permissions.add(right)

    for app, model, words, deeds in RIGHTS:
        for deed in deeds:
            allow(app, model, f"{deed}_{model}", f"Can {deed} {words}")
    allow("routing", "allowlist", "publish_allowlist", "Can publish an allowlist")


def drop_group(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("auth", "Group").objects.filter(name=GROUP).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0002_edition_triggers"),
        ("telemetry", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_group, drop_group)]
