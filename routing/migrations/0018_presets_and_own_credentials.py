"""Make the tables of accounts' presets and of their own credentials at providers.

Locks: none beyond creating two tables and their foreign keys. Undo: `migrate routing 0017` drops
them and what they hold.
"""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0003_endpoint_reference"),
        ("routing", "0017_curators_import_benchmarks"),
    ]

    operations = [
        migrations.CreateModel(
            name="OwnCredential",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sealed", models.BinaryField(default=b"")),
                ("shared_too", models.BooleanField(default=True, help_text="Off: this account's requests go to this provider with its own key only.", verbose_name="fall back to the gateway's key")),
                ("enabled", models.BooleanField(default=True)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                ("account", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="own_credentials", to="routing.account")),
                ("provider", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="providers.provider")),
            ],
            options={
                "verbose_name": "own credential",
                "ordering": ["account__name", "provider__name"],
                "constraints": [models.UniqueConstraint(fields=("account", "provider"), name="routing_owncredential_one_each")],
            },
        ),
        migrations.CreateModel(
            name="Preset",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.CharField(help_text="Requests name it as @preset/slug.", max_length=64, validators=[django.core.validators.RegexValidator("\\A[a-z0-9][a-z0-9_-]*\\Z", "Use a-z, 0-9, dash, underscore.")])),
                ("description", models.CharField(blank=True, max_length=200)),
                ("system_prompt", models.TextField(blank=True, help_text="Goes before the messages of every request.", max_length=32000)),
                ("parameters", models.JSONField(blank=True, default=dict, help_text="Fields of a chat request: model, provider, temperature, tools and so on.")),
                ("changed_at", models.DateTimeField(auto_now=True)),
                ("account", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="presets", to="routing.account")),
            ],
            options={
                "ordering": ["account__name", "slug"],
                "constraints": [models.UniqueConstraint(fields=("account", "slug"), name="routing_preset_one_slug")],
            },
        ),
    ]
