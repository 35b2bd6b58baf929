"""Raise the "catalog" revision when an endpoint's standing changes, so that routing knows at once.

A score is written every few minutes and mostly says the same: only a new standing or method counts,
lest every process rebuild its snapshot each time. Locks: SHARE ROW EXCLUSIVE on
telemetry_endpointscore while its triggers are made. Undo: `migrate routing 0024` drops them.
"""

from django.db import migrations

from providers.triggers import raise_revision_for_columns


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0024_curators_react"),
        ("telemetry", "0002_counters_and_scores"),
    ]

    operations = [
        raise_revision_for_columns("catalog", "telemetry_endpointscore", ["standing", "method"])
    ]
