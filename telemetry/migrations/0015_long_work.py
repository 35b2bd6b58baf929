"""Make the table of long work under way.

Locks: none beyond creating one table. Undo: `migrate telemetry 0014` drops it.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0014_account_generations")]

    operations = [
        migrations.CreateModel(
            name="LongWork",
            fields=[
                ("name", models.CharField(max_length=160, primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=[("scores", "Scores"), ("benchmark", "Benchmark")], max_length=10)),
                ("text", models.CharField(max_length=300)),
                ("unit", models.CharField(help_text="What is counted: models, samples.", max_length=20)),
                ("done", models.PositiveIntegerField(default=0)),
                ("asked", models.PositiveIntegerField(default=0, help_text="0 where nobody knows.")),
                ("began_at", models.DateTimeField()),
                ("heard_at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
    ]
