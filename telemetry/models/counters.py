"""Counters made of facts: what scoring reads instead of rows.

Owns their shape. `telemetry.ingest` keeps them in the transaction of the rows. The rules others
rely on: every counter is a sum, so any order and any split of the facts gives the same number;
and each equals a fold over the rows that are still there. No counter holds what was said.
"""

from django.db import models

from providers.models import Endpoint, Model


class Rollup(models.Model):
    """One endpoint's tool-calling counters over one hour or, once that is old, one day."""

    class Period(models.TextChoices):
        HOUR = "hour"
        DAY = "day"

    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="+")
    period = models.CharField(max_length=4, choices=Period)
    starts_at = models.DateTimeField()
    cells = models.BinaryField(help_text="Sparse stratum x slot x field: scoring.cells.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "period", "starts_at"], name="telemetry_rollup_once"
            )
        ]
        indexes = [
            # Used by compaction: all hours before a moment.
            models.Index(fields=["period", "starts_at"], name="telemetry_rollup_period"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.period} from {self.starts_at:%Y-%m-%d %H:%M}"


class OwnerUse(models.Model):
    """What one owner sent to one endpoint on one day, of requests that offered tools.

    Says who shares endpoints with others, who has tried an endpoint, and how many owners stand
    behind a figure. `requests` and `failures` are those that scores count; `tool_calls` are replies
    that ended in any, `pinned` requests that named their provider, scored or not.
    """

    account_id = models.BigIntegerField()
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="+")
    day = models.DateField()
    requests = models.PositiveBigIntegerField(default=0)
    tool_calls = models.PositiveBigIntegerField(default=0, help_text="Replies that ended in any.")
    failures = models.PositiveBigIntegerField(default=0, help_text="Requests with a bad one.")
    pinned = models.PositiveBigIntegerField(default=0)
    # Whole numbers, because SQLite adds decimals as floats.
    cost_pico = models.PositiveBigIntegerField("cost, 1e-12 USD", default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "day", "account_id"], name="telemetry_owneruse_once"
            )
        ]

    def __str__(self) -> str:
        return f"account {self.account_id} at {self.endpoint} on {self.day}"


class PreferenceSignal(models.Model):
    """How often one owner ignored or pinned an endpoint on one day, on requests with tools."""

    account_id = models.BigIntegerField()
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="+")
    day = models.DateField()
    ignored = models.PositiveBigIntegerField(default=0)
    pinned = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "day", "account_id"], name="telemetry_preferencesignal_once"
            )
        ]

    def __str__(self) -> str:
        return f"account {self.account_id} on {self.endpoint}, {self.day}"


class OwnerSlot(models.Model):
    """The slot that an owner's requests for one model are counted in; rebuilt daily."""

    model = models.ForeignKey(Model, models.PROTECT, related_name="+")
    account_id = models.BigIntegerField()
    slot = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "account_id"], name="telemetry_ownerslot_once")
        ]

    def __str__(self) -> str:
        return f"account {self.account_id} of {self.model}: slot {self.slot}"


class ServiceRollup(models.Model):
    """How one endpoint served in one minute or one hour, whoever asked and for whatever.

    An attempt counts when it ends, both in its minute and in its hour; histograms are the minutes'
    alone. `ok` and `failed` are attempts that say whether the endpoint is there: a refusal by rate
    limit, a caller's own fault or departure is neither.
    """

    class Period(models.TextChoices):
        MINUTE = "minute"
        HOUR = "hour"

    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="+")
    period = models.CharField(max_length=6, choices=Period)
    starts_at = models.DateTimeField()
    ok = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    tokens = models.PositiveBigIntegerField(default=0, help_text="Read and written.")
    latencies = models.BinaryField(
        default=b"", help_text="Of streams, to the first content, ms: histograms."
    )
    speeds = models.BinaryField(default=b"", help_text="Tokens a second: histograms.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "period", "starts_at"], name="telemetry_servicerollup_once"
            )
        ]
        indexes = [
            # Used by compaction, and by the figures of all endpoints at once.
            models.Index(fields=["period", "starts_at"], name="telemetry_servicerollup_period"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.period} from {self.starts_at:%Y-%m-%d %H:%M}"
