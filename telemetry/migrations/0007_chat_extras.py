"""Keep with a generation its session, preset, tier, categories and whose key it was served with.

Locks: ACCESS EXCLUSIVE on telemetry_generation and telemetry_attempt while empty or constant columns
are added: no rewrite. Undo: `migrate telemetry 0006` drops the columns and what they say.
"""

from django.db import migrations, models

from providers.columns import AddColumn


def _text(width: int) -> "models.CharField[str, str]":
    return models.CharField(blank=True, db_default="", default="", max_length=width)


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0006_service_rollups")]

    operations = [
        AddColumn(
            "attempt",
            "own_credential",
            models.BooleanField(
                db_default=False, default=False, help_text="Asked with the account's own key."
            ),
        ),
        AddColumn("generation", "app_categories", _text(200)),
        AddColumn("generation", "session_id", _text(256)),
        AddColumn("generation", "preset", _text(64)),
        AddColumn("generation", "service_tier", _text(16)),
        AddColumn(
            "generation",
            "own_credential",
            models.BooleanField(
                db_default=False, default=False, help_text="Served with the account's own key."
            ),
        ),
        AddColumn(
            "generation",
            "upstream_cost",
            models.DecimalField(
                decimal_places=12,
                help_text="Where it is not what the caller is asked.",
                max_digits=15,
                null=True,
                verbose_name="asked by the provider, USD",
            ),
        ),
    ]
