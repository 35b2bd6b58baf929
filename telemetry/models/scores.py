"""What the counters say of an endpoint: its three criteria, and what follows from them.

Owns the result as rows. It is derived and can be rebuilt; `telemetry.scoring` computes it. The
rule others rely on: there is at most one current score per endpoint, and a score says which
method and inputs it came from.
"""

from django.db import models

from providers.models import Endpoint

# The key of `criteria` that decides nothing: what benchmarks say, and whether traffic bears it out.
BENCHMARKS = "benchmarks"


class Standing(models.TextChoices):
    """What the evidence says of an endpoint; a curator's decision may differ and says why."""

    VERIFIED = "verified", "verified"
    INSUFFICIENT_DATA = "insufficient_data", "too little data"
    BELOW_PAR = "below_par", "below par"
    QUARANTINED = "quarantined", "quarantined"


class EndpointScore(models.Model):
    """The current score of one endpoint.

    `criteria` maps "accuracy", "propensity" and "ignores" to a criterion: {"verdict": pass, fail
    or insufficient; "estimate", "low", "high": of a 90 % interval, or null; "probability": that
    it holds, 0 to 1, or null; "requests", "owners": the sample; "sentence": for curators}.
    "benchmarks" is no criterion: `telemetry.scoring.divergence.Benchmarked`, for curators only.
    """

    endpoint = models.OneToOneField(Endpoint, models.PROTECT, related_name="score")
    computed_at = models.DateTimeField()
    method = models.CharField(max_length=40)
    inputs_hash = models.CharField(max_length=64)
    standing = models.CharField(max_length=20, choices=Standing)
    standing_since = models.DateTimeField()
    eligible = models.BooleanField(help_text="Whether the method would have it on the list.")
    sentence = models.TextField(help_text="Why, in one sentence.")
    criteria = models.JSONField()
    failures = models.JSONField(default=dict, help_text="Requests by kind of failure.")
    disputed = models.BooleanField(
        default=False, help_text="Most failures come from very few owners: look at it."
    )
    evidence_since = models.DateTimeField(
        null=True, help_text="Older accuracy counters are set aside: the endpoint changed then."
    )
    propensity_since = models.DateTimeField(
        null=True, help_text="Older propensity counters are set aside."
    )

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.get_standing_display()}"


class ScorePoint(models.Model):
    """One hour's last score of an endpoint, kept for plots over time."""

    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="+")
    hour = models.DateTimeField()
    standing = models.CharField(max_length=20, choices=Standing)
    error_rate = models.FloatField(null=True)
    error_low = models.FloatField(null=True)
    error_high = models.FloatField(null=True)
    propensity = models.FloatField(null=True, help_text="Odds ratio to the reference.")
    ignore_rate = models.FloatField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "hour"], name="telemetry_scorepoint_once")
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} at {self.hour:%Y-%m-%d %H}:00"
