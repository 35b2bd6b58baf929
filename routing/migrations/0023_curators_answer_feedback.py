"""Let the group "Curators" answer feedback, and name the notice that tells them of it.

Locks: none beyond inserts; naming a kind of notice changes no table. Undo: `migrate routing 0022`
takes the right back. The permission is made here as Django would after migrating, so that it can
be given.
"""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

GROUP = "Curators"
MODEL, CODENAME = "feedback", "change_feedback"
KINDS = [
    ("proposal", "proposal"),
    ("review", "sent to review"),
    ("published", "published"),
    ("quarantine", "quarantine"),
    ("release", "release"),
    ("unconfirmed", "not confirmed yet"),
    ("small_pool", "pool too small"),
    ("frozen", "frozen"),
    ("feedback", "feedback"),
]


def allow(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="telemetry", model=MODEL
    )
    right, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=CODENAME, defaults={"name": "Can change feedback"}
    )
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)
    group.permissions.add(right)


def take_back(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    group = apps.get_model("auth", "Group").objects.filter(name=GROUP).first()
    if group is not None:
        group.permissions.remove(*group.permissions.filter(codename=CODENAME))


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0022_curators_verify"),
        ("telemetry", "0012_feedback_cases"),
    ]

    operations = [
        migrations.AlterField("notice", "kind", models.CharField(choices=KINDS, max_length=12)),
        migrations.RunPython(allow, take_back),
    ]
