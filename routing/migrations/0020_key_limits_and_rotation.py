"""Let keys have spending limits, be disabled, manage others and be rotated; let accounts have credits.

Locks: ACCESS EXCLUSIVE on routing_account and routing_apikey while empty or constant columns are
added, without a rewrite. Undo: `migrate routing 0019` drops the columns: management keys may then
call models, and disabled keys work again, so revoke both first.
"""

from decimal import Decimal

import django.core.validators
from django.db import migrations, models

from providers.columns import AddColumn

_NOT_NEGATIVE = [django.core.validators.MinValueValidator(Decimal("0"))]


class Migration(migrations.Migration):
    dependencies = [("routing", "0019_preset_triggers")]

    operations = [
        AddColumn("account", "credits", models.DecimalField(blank=True, decimal_places=6, help_text="What all its keys together may ever spend. Empty: no limit.", max_digits=15, null=True, validators=_NOT_NEGATIVE, verbose_name="credits, USD")),
        AddColumn("apikey", "updated_at", models.DateTimeField(editable=False, null=True)),
        AddColumn("apikey", "disabled", models.BooleanField(db_default=False, default=False, help_text="Refused until it is enabled again.")),
        AddColumn("apikey", "management", models.BooleanField(db_default=False, default=False, help_text="Manages its account's other keys and sees all its spending; calls no model.")),
        AddColumn("apikey", "previous_digest", models.CharField(editable=False, max_length=64, null=True)),
        AddColumn("apikey", "previous_until", models.DateTimeField(editable=False, null=True)),
        AddColumn("apikey", "spend_limit", models.DecimalField(blank=True, decimal_places=6, help_text="Further requests get 402. Empty: no limit.", max_digits=15, null=True, validators=_NOT_NEGATIVE, verbose_name="spending limit, USD")),
        AddColumn("apikey", "limit_reset", models.CharField(blank=True, choices=[("", "never: the limit is for all time"), ("daily", "every day at midnight"), ("weekly", "every Monday"), ("monthly", "on the first of every month")], db_default="", default="", max_length=7, verbose_name="the limit begins anew")),
        AddColumn("apikey", "include_byok_in_limit", models.BooleanField(db_default=False, default=False, help_text="Calls paid by the account's own provider credential count for the limit, too.", verbose_name="count own-key calls")),
        migrations.AddConstraint("apikey", models.UniqueConstraint(condition=models.Q(("previous_digest__isnull", False)), fields=("previous_digest",), name="routing_apikey_previous_once")),
    ]
