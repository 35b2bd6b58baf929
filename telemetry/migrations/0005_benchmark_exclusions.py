"""Give benchmark runs what was left out of their figures, and where they differ from the tool's.

Locks: adds two columns with a constant default; on PostgreSQL this rewrites nothing. The release
before writes no runs, so the columns may be required. Undo: `migrate telemetry 0004` drops them;
import the files again to have them back.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("telemetry", "0004_decision_indexes")]

    operations = [
        migrations.AddField(
            model_name="benchmarkrun",
            name="excluded",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="Left out of every figure, as it says nothing of the endpoint: reason, how many.",
            ),
        ),
        migrations.AddField(
            model_name="benchmarkrun",
            name="remarks",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Where a figure differs from the tool's own, and why.",
            ),
        ),
        migrations.AlterField(
            model_name="benchmarkrun",
            name="judge",
            field=models.CharField(
                blank=True, help_text="Every model that took part in scoring.", max_length=120
            ),
        ),
    ]
