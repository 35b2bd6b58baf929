"""Keep what accounts pay their own providers, apart from what they are asked here.

Locks: ACCESS EXCLUSIVE on telemetry_dailyuse and telemetry_spending while constant columns are
added: no rewrite. Undo: `migrate telemetry 0016` drops the columns and what they say.
"""

from django.db import migrations, models

from providers.columns import AddColumn


def _picodollars() -> "models.PositiveBigIntegerField[int, int]":
    return models.PositiveBigIntegerField(
        "asked by the account's own providers, 1e-12 USD", db_default=0, default=0
    )


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0016_facts_kept")]

    operations = [
        AddColumn("dailyuse", "own_cost_pico", _picodollars()),
        AddColumn("spending", "own_cost_pico", _picodollars()),
    ]
