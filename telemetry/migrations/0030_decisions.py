"""Keep with a generation why it went where it went, and with an attempt whether it was withheld.

Locks: ACCESS EXCLUSIVE on telemetry_generation and telemetry_attempt while empty or constant columns
are added: no rewrite. Undo: `migrate telemetry 0002` drops the columns and what they say.
"""

from django.db import migrations, models

from providers.columns import AddColumn


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0002_counters_and_scores")]

    operations = [
        AddColumn(
            "generation",
            "decision",
            models.JSONField(null=True, help_text="Seed, candidates and exclusions, by number."),
        ),
        AddColumn(
            "generation",
            "auto_exacto",
            models.CharField(
                blank=True,
                choices=[
                    ("shadow_same", "shadow: the same first choice"),
                    ("shadow_moved", "shadow: another first choice"),
                    ("applied", "reordered"),
                ],
                db_default="",
                default="",
                max_length=16,
                verbose_name="reordered by standing",
            ),
        ),
        AddColumn(
            "generation",
            "quality_gate",
            models.CharField(
                blank=True,
                choices=[
                    ("passed", "first reply passed"),
                    ("retried", "a later reply passed"),
                    ("exhausted", "no reply passed"),
                    ("unjudged", "handed over unjudged"),
                ],
                db_default="",
                default="",
                max_length=16,
            ),
        ),
        AddColumn(
            "attempt",
            "withheld",
            models.BooleanField(
                db_default=False, default=False, help_text="The quality gate kept its reply back."
            ),
        ),
    ]
