"""Make the table of curators' wishes that a model be scored again at once.

Locks: none beyond creating one table and its foreign keys. Undo: `migrate routing 0024` drops it.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0003_endpoint_reference"),
        ("routing", "0024_process_reports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ScoreOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("asked_at", models.DateTimeField()),
                ("done_at", models.DateTimeField(null=True)),
                ("failed", models.BooleanField(default=False)),
                ("asked_by", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("model", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name="score_order", to="providers.model")),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(condition=models.Q(("done_at", None)), fields=["asked_at"], name="routing_scoreorder_open")],
            },
        ),
    ]
