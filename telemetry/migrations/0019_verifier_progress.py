"""Keep how far a verifier's run came, when its single requests are removed.

Locks: ACCESS EXCLUSIVE on telemetry_verifierrun while a column without a value is added: no
rewrite. Undo: `migrate telemetry 0018` drops it and what it says.
"""

from django.db import migrations, models

from providers.columns import AddColumn


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0018_count_own_cost")]

    operations = [
        AddColumn(
            "verifierrun",
            "came_to",
            models.JSONField(
                help_text="By endpoint, once its requests were removed: what they came to.",
                null=True,
            ),
        ),
    ]
