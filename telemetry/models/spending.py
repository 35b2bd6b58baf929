"""What was spent: counters made of generations, read for limits, keys, credits and activity.

Owns their shape. `telemetry.ingest` keeps them in the transaction of the rows. The rule others
rely on: each equals a fold over the generations, every one counted once, and all are whole
picodollars, because SQLite adds decimals as floats; what an account pays its own providers is
counted apart, never in `cost_pico`.
"""

from django.db import models

from providers.models import Endpoint
from telemetry.periods import PERIODS


class DailyUse(models.Model):
    """What one key had answered by one endpoint on one day (UTC)."""

    day = models.DateField()
    account_id = models.BigIntegerField()
    api_key_id = models.BigIntegerField()
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, db_index=False, related_name="+")
    requests = models.PositiveBigIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    reasoning_tokens = models.PositiveBigIntegerField(default=0)
    cached_tokens = models.PositiveBigIntegerField(default=0)
    cost_pico = models.PositiveBigIntegerField("cost, 1e-12 USD", default=0)
    own_cost_pico = models.PositiveBigIntegerField(
        "asked by the account's own providers, 1e-12 USD", default=0, db_default=0
    )

    class Meta:
        constraints = [
            # Also used by GET /activity: the days of one account.
            models.UniqueConstraint(
                fields=["account_id", "day", "api_key_id", "endpoint"],
                name="telemetry_dailyuse_once",
            )
        ]

    def __str__(self) -> str:
        return f"key {self.api_key_id} at {self.endpoint} on {self.day}"


class Spending(models.Model):
    """What one key or one account has spent in one period; see `telemetry.periods`."""

    class Holder(models.TextChoices):
        KEY = "key"
        ACCOUNT = "account"

    holder = models.CharField(max_length=7, choices=Holder)
    holder_id = models.BigIntegerField()
    period = models.CharField(max_length=7, choices=[(name, name) for name in PERIODS])
    starts_on = models.DateField()
    cost_pico = models.PositiveBigIntegerField("cost, 1e-12 USD", default=0)
    own_cost_pico = models.PositiveBigIntegerField(
        "asked by the account's own providers, 1e-12 USD", default=0, db_default=0
    )

    class Meta:
        verbose_name_plural = "spending"
        constraints = [
            # Also used by limits: the one row that a limit is compared with.
            models.UniqueConstraint(
                fields=["holder", "holder_id", "period", "starts_on"],
                name="telemetry_spending_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.holder} {self.holder_id}, {self.period} from {self.starts_on}"
