"""Benchmark evidence: one run of a suite against one endpoint, and the figures it gave.

Owns the rows. It runs and reads nothing. The rules others rely on: a run is stored once, by the
hash of what it was read from; runs are comparable only if suite, version, judge and request set
are all equal (`comparable_with`), and one without a request set with none.
"""

from django.db import models

from providers.models import Endpoint


class BenchmarkRun(models.Model):
    """One suite run against one endpoint."""

    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="benchmark_runs")
    suite = models.CharField(max_length=60)
    suite_version = models.CharField(max_length=60, blank=True)
    judge = models.CharField(
        max_length=120, blank=True, help_text="Every model that took part in scoring."
    )
    request_set = models.CharField(max_length=64, blank=True, help_text="Hash of what was asked.")
    origin = models.CharField(max_length=300, blank=True, help_text="Who ran it, and where from.")
    content_hash = models.CharField(max_length=64)
    measured_at = models.DateTimeField()
    imported_at = models.DateTimeField(auto_now_add=True)
    requests = models.PositiveIntegerField(help_text="The sample: requests that were answered.")
    tool_calls = models.PositiveIntegerField(
        default=0, help_text="Of these, replies that are, or should have been, tool calls."
    )
    failures = models.PositiveIntegerField(default=0, help_text="Of those, replies with a bad one.")
    excluded = models.JSONField(
        default=dict, blank=True,
        help_text="Left out of every figure, as it says nothing of the endpoint: reason, how many.",
    )  # fmt: skip
    remarks = models.JSONField(
        default=list, blank=True, help_text="Where a figure differs from the tool's own, and why."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "content_hash"], name="telemetry_benchmarkrun_once"
            )
        ]
        indexes = [
            # Used by scoring: one endpoint's latest runs.
            models.Index(fields=["endpoint", "-measured_at"], name="telemetry_benchmarkrun_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.suite} at {self.endpoint}, {self.measured_at:%Y-%m-%d}"

    def comparable_with(self) -> models.QuerySet["BenchmarkRun"]:
        """Return the runs whose scores may be set beside this one's, itself included."""
        if not self.request_set:
            return BenchmarkRun.objects.filter(pk=self.pk)
        return BenchmarkRun.objects.filter(
            suite=self.suite,
            suite_version=self.suite_version,
            judge=self.judge,
            request_set=self.request_set,
        )


class BenchmarkResult(models.Model):
    """One figure of a run, with its 95 % interval where the suite allows one."""

    run = models.ForeignKey(BenchmarkRun, models.CASCADE, related_name="results")
    metric = models.CharField(max_length=60)
    value = models.FloatField()
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    sample = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "metric"], name="telemetry_benchmarkresult_once")
        ]

    def __str__(self) -> str:
        return f"{self.metric} = {self.value:g}"
