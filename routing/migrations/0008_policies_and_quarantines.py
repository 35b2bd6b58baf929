"""Make the tables of how lists are kept and of endpoints set aside.

Locks: none beyond creating tables and their foreign keys. Undo: `migrate routing 0007` drops them.
"""

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0002_revision_triggers"),
        ("routing", "0007_account_vouched"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ModelPolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("variant", models.CharField(default="exacto", max_length=20)),
                ("mode", models.CharField(choices=[("manual", "manual: curators draft and publish"), ("propose", "propose: drafts are made, curators publish"), ("auto", "auto: published within the guard rails")], default="propose", max_length=10)),
                ("method", models.CharField(choices=[("assay", "assay: intervals against the best"), ("openrouter", "openrouter: median and MAD")], default="assay", max_length=12)),
                ("min_pool", models.PositiveSmallIntegerField(default=1, help_text="Nothing but a curator makes the pool smaller than this.", validators=[django.core.validators.MinValueValidator(1)], verbose_name="smallest pool")),
                ("max_changes_per_day", models.PositiveSmallIntegerField(default=2, help_text="Endpoints that auto may add or remove in 24 hours.")),
                ("second_person_required", models.BooleanField(blank=True, help_text="Unknown: as SECOND_PERSON says.", null=True)),
                ("frozen_until", models.DateTimeField(blank=True, help_text="Until then nothing but a curator changes the list or the pool.", null=True)),
                ("model", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="policies", to="providers.model")),
            ],
            options={
                "verbose_name": "policy",
                "verbose_name_plural": "policies",
                "ordering": ["model__slug", "variant"],
                "constraints": [
                    models.UniqueConstraint(fields=("model", "variant"), name="routing_modelpolicy_once"),
                    models.CheckConstraint(condition=models.Q(("min_pool__gte", 1)), name="routing_modelpolicy_pool"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Quarantine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("variant", models.CharField(default="exacto", max_length=20)),
                ("kind", models.CharField(choices=[("failures", "tool calls broke"), ("propensity", "calls tools unlike before"), ("manual", "by a curator")], max_length=10)),
                ("reason", models.TextField(help_text="One sentence for curators.")),
                ("evidence", models.JSONField(default=dict, help_text="What the detector saw.")),
                ("started_at", models.DateTimeField()),
                ("back_off_until", models.DateTimeField(help_text="Not back by proof before this.")),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_reason", models.TextField(blank=True)),
                ("ended_by", models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("endpoint", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="quarantines", to="providers.endpoint")),
                ("model", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="providers.model")),
                ("started_by", models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "ordering": ["-started_at"],
                "permissions": [("release_quarantine", "Can quarantine and release an endpoint")],
                "indexes": [
                    models.Index(condition=models.Q(("ended_at", None)), fields=["model", "variant"], name="routing_quarantine_open")
                ],
                "constraints": [
                    models.UniqueConstraint(condition=models.Q(("ended_at", None)), fields=("endpoint", "variant"), name="routing_quarantine_one_open")
                ],
            },
        ),
    ]
