"""Index the few generations that AUTO_EXACTO or the quality gate had to do with, for the admin.

Locks: SHARE on telemetry_generation while two partial indexes are built; no row has a value in
them before. Undo: `migrate telemetry 0030` drops them.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0030_decisions")]

    operations = [
        migrations.AddIndex(
            "generation",
            models.Index(
                condition=models.Q(("auto_exacto__gt", "")),
                fields=["auto_exacto", "-created_at"],
                name="telemetry_generation_auto",
            ),
        ),
        migrations.AddIndex(
            "generation",
            models.Index(
                condition=models.Q(("quality_gate__gt", "")),
                fields=["quality_gate", "-created_at"],
                name="telemetry_generation_gate",
            ),
        ),
    ]
