"""Count how endpoints serve, by minute and hour, and keep whether an attempt's tokens are estimates.

Locks: ACCESS EXCLUSIVE on telemetry_attempt while a column with a constant default is added: no
rewrite. Undo: `migrate telemetry 0005` drops both; `check_counts --repair` makes the counters anew
from the attempts, and is how to have those of the days before this migration.
"""

import django.db.models.deletion
from django.db import migrations, models

from providers.columns import AddColumn


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0003_endpoint_reference"),
        ("telemetry", "0005_benchmark_exclusions"),
    ]

    operations = [
        AddColumn(
            "attempt",
            "usage_estimated",
            models.BooleanField(
                db_default=False, default=False, help_text="The provider counted no tokens: we did."
            ),
        ),
        migrations.CreateModel(
            name="ServiceRollup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("period", models.CharField(choices=[("minute", "Minute"), ("hour", "Hour")], max_length=6)),
                ("starts_at", models.DateTimeField()),
                ("ok", models.PositiveBigIntegerField(default=0)),
                ("failed", models.PositiveBigIntegerField(default=0)),
                ("tokens", models.PositiveBigIntegerField(default=0, help_text="Read and written.")),
                ("latencies", models.BinaryField(default=b"", help_text="Of streams, to the first content, ms: histograms.")),
                ("speeds", models.BinaryField(default=b"", help_text="Tokens a second: histograms.")),
                ("endpoint", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="providers.endpoint")),
            ],
            options={
                "indexes": [models.Index(fields=["period", "starts_at"], name="telemetry_servicerollup_period")],
                "constraints": [models.UniqueConstraint(fields=("endpoint", "period", "starts_at"), name="telemetry_servicerollup_once")],
            },
        ),
    ]
