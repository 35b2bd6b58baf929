"""Count what accounts have paid their own providers so far.

Reads the generations that were served with an account's own key. Stop the workers before: what an
older one ingests meanwhile is not counted (`manage.py check_counts --repair` finds it). Locks: none
that block readers. Undo: nothing to undo; run again after `migrate telemetry 0017`.
"""

from collections import defaultdict
from datetime import UTC, date, timedelta

from django.db import migrations


def count(apps, schema_editor):
    generations = apps.get_model("telemetry", "Generation").objects.filter(
        endpoint__isnull=False, own_credential=True, upstream_cost__isnull=False
    )
    uses, spending = defaultdict(int), defaultdict(int)
    rows = generations.values_list(
        "account_id", "created_at", "api_key_id", "endpoint_id", "upstream_cost"
    )
    for account, at, key, endpoint, cost in rows.iterator():
        day, pico = at.astimezone(UTC).date(), int(cost.scaleb(12))
        uses[account, day, key, endpoint] += pico
        for holder in (("key", key), ("account", account)):
            spending[(*holder, "total", date(1970, 1, 1))] += pico
            spending[(*holder, "daily", day)] += pico
            spending[(*holder, "weekly", day - timedelta(days=day.weekday()))] += pico
            spending[(*holder, "monthly", day.replace(day=1))] += pico
    _store(apps.get_model("telemetry", "DailyUse"), uses,
           ("account_id", "day", "api_key_id", "endpoint_id"))  # fmt: skip
    _store(apps.get_model("telemetry", "Spending"), spending,
           ("holder", "holder_id", "period", "starts_on"))  # fmt: skip


def _store(model, sums, names):
    for key, pico in sums.items():
        model.objects.update_or_create(
            **dict(zip(names, key, strict=True)), defaults={"own_cost_pico": pico}
        )


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0017_own_cost")]

    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
