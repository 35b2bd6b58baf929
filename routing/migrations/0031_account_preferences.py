"""Make the table of accounts' standing preferences.

Locks: none beyond creating a table and its foreign key. Undo: `migrate routing 0030` drops it.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("routing", "0030_standing_triggers")]

    operations = [
        migrations.CreateModel(
            name="AccountPreferences",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("only", models.JSONField(blank=True, default=list, help_text="Provider slugs or endpoint tags; empty allows all.")),
                ("ignore", models.JSONField(blank=True, default=list, help_text="Never used for this account.")),
                ("order", models.JSONField(blank=True, default=list, help_text="Tried first, where a request has no order or sort.")),
                ("auto_exacto", models.CharField(blank=True, choices=[("", "as AUTO_EXACTO says"), ("off", "off"), ("on", "on")], default="", max_length=3, verbose_name="reorder by standing")),
                ("quality_gate", models.BooleanField(default=False, help_text="Retry a reply whose tool call is invalid on the next endpoint.")),
                ("changed_at", models.DateTimeField(auto_now=True)),
                ("account", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name="preferences", to="routing.account")),
            ],
            options={"verbose_name_plural": "account preferences"},
        ),
    ]
