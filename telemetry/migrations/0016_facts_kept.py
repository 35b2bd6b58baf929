"""Keep the first day of which no generation or attempt was removed.

Locks: none but the new table's. Undo: `migrate telemetry 0015` drops it; where facts were removed,
`check_counts` would then compare their days again, and `--repair` take what was counted of them.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0015_long_work")]

    operations = [
        migrations.CreateModel(
            name="FactsKept",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("since", models.DateField()),
            ],
            options={"verbose_name_plural": "facts kept"},
        ),
    ]
