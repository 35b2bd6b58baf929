"""Count what has been spent so far, so that limits and /activity know of it.

Reads every generation once. Stop the workers before: what an older one ingests meanwhile is not
counted (`manage.py check_counts --repair` finds it). Locks: none that block readers. Undo:
nothing to undo; run again after `migrate telemetry 0007`.
"""

from collections import defaultdict
from datetime import UTC, date, timedelta

from django.db import migrations

_COLUMNS = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens")


def count(apps, schema_editor):
    generations = apps.get_model("telemetry", "Generation").objects.filter(endpoint__isnull=False)
    uses = defaultdict(lambda: [0] * 6)
    spending = defaultdict(int)
    rows = generations.values_list(
        "account_id", "created_at", "api_key_id", "endpoint_id", "cost", *_COLUMNS
    )
    for account, at, key, endpoint, cost, *tokens in rows.iterator():
        day = at.astimezone(UTC).date()
        pico = int(cost.scaleb(12)) if cost else 0
        row = uses[account, day, key, endpoint]
        for column, number in enumerate([1, *tokens, pico]):
            row[column] += number or 0
        for holder in (("key", key), ("account", account)) if pico else ():
            spending[(*holder, "total", date(1970, 1, 1))] += pico
            spending[(*holder, "daily", day)] += pico
            spending[(*holder, "weekly", day - timedelta(days=day.weekday()))] += pico
            spending[(*holder, "monthly", day.replace(day=1))] += pico
    daily, periods = apps.get_model("telemetry", "DailyUse"), apps.get_model("telemetry", "Spending")
    names = ("account_id", "day", "api_key_id", "endpoint_id", "requests", *_COLUMNS, "cost_pico")
    daily.objects.bulk_create(
        (daily(**dict(zip(names, [*key, *numbers], strict=True))) for key, numbers in uses.items()),
        batch_size=500,
    )
    names = ("holder", "holder_id", "period", "starts_on", "cost_pico")
    periods.objects.bulk_create(
        (periods(**dict(zip(names, [*key, pico], strict=True))) for key, pico in spending.items()),
        batch_size=500,
    )


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0008_spending")]

    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
