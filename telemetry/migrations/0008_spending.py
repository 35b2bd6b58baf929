"""Make the counters of spending, and the queue of what callers say of their generations.

Locks: none beyond creating tables. Undo: `migrate telemetry 0007` drops them; feedback is lost,
spending can be counted again from the rows.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0003_endpoint_reference"),
        ("telemetry", "0007_chat_extras"),
    ]

    operations = [
        migrations.CreateModel(
            name="Spending",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("holder", models.CharField(choices=[("key", "Key"), ("account", "Account")], max_length=7)),
                ("holder_id", models.BigIntegerField()),
                ("period", models.CharField(choices=[("total", "total"), ("daily", "daily"), ("weekly", "weekly"), ("monthly", "monthly")], max_length=7)),
                ("starts_on", models.DateField()),
                ("cost_pico", models.PositiveBigIntegerField(default=0, verbose_name="cost, 1e-12 USD")),
            ],
            options={
                "verbose_name_plural": "spending",
                "constraints": [models.UniqueConstraint(fields=("holder", "holder_id", "period", "starts_on"), name="telemetry_spending_once")],
            },
        ),
        migrations.CreateModel(
            name="DailyUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("account_id", models.BigIntegerField()),
                ("api_key_id", models.BigIntegerField()),
                ("requests", models.PositiveBigIntegerField(default=0)),
                ("prompt_tokens", models.PositiveBigIntegerField(default=0)),
                ("completion_tokens", models.PositiveBigIntegerField(default=0)),
                ("reasoning_tokens", models.PositiveBigIntegerField(default=0)),
                ("cached_tokens", models.PositiveBigIntegerField(default=0)),
                ("cost_pico", models.PositiveBigIntegerField(default=0, verbose_name="cost, 1e-12 USD")),
                ("endpoint", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="providers.endpoint")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("account_id", "day", "api_key_id", "endpoint"), name="telemetry_dailyuse_once")],
            },
        ),
        migrations.CreateModel(
            name="Feedback",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account_id", models.BigIntegerField()),
                ("api_key_id", models.BigIntegerField()),
                ("category", models.CharField(choices=[("latency", "slow"), ("incoherence", "incoherent"), ("incorrect_response", "incorrect"), ("formatting", "badly formatted"), ("billing", "billing"), ("api_error", "API error"), ("other", "something else")], max_length=20)),
                ("comment", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(auto_now_add=True, db_index=True)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                ("generation", models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name="feedback", to="telemetry.generation")),
            ],
            options={
                "verbose_name_plural": "feedback",
                "constraints": [models.UniqueConstraint(fields=("generation", "api_key_id", "category"), name="telemetry_feedback_once")],
            },
        ),
    ]
