"""The built-in verifier's rows: what is asked, one asking of it, and every single request sent.

Owns the rows and their states. It sends and measures nothing. The rules others rely on: a probe is
claimed (`SENT`) in the database before it is sent, and is never waiting again; one that was sent
and whose outcome nobody knows is `UNKNOWN`, counts as paid, and says nothing of its endpoint. What
a request set holds was written for asking: no caller's prompt, and no answer, is ever a column.
"""

from django.db import models

from providers.models import Endpoint, Model
from telemetry.models.benchmarks import BenchmarkRun
from telemetry.models.facts import Outcome, Verdict


class RequestSet(models.Model):
    """Requests that are put to every endpoint alike."""

    digest = models.CharField(max_length=64, unique=True, help_text="Hash of what is asked.")
    name = models.CharField(max_length=120)
    content = models.TextField(help_text="JSONL, as docs/verifier.md describes it.")
    requests = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.requests} requests, {self.digest[:12]})"


class VerifierRun(models.Model):
    """One request set put to endpoints of one model, each request whole and streamed."""

    class State(models.TextChoices):
        OPEN = "open", "running"
        FINISHED = "finished", "finished"
        STOPPED = "stopped", "stopped"

    class Cause(models.TextChoices):
        SCHEDULE = "schedule", "on schedule"
        PERSON = "person", "asked for"
        FIX = "fix", "the provider claims a fix"

    model = models.ForeignKey(Model, models.PROTECT, related_name="verifier_runs")
    request_set = models.ForeignKey(RequestSet, models.PROTECT, related_name="runs")
    reference = models.ForeignKey(
        Endpoint,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="Whose answers in this run say when a tool is to be called.",
    )
    recorded = models.JSONField(
        null=True, help_text="Else, by request: whether the reference called a tool."
    )
    reference_name = models.CharField(max_length=80, blank=True)
    cause = models.CharField(max_length=10, choices=Cause)
    asked_by = models.CharField(max_length=150, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    waits_for = models.CharField(max_length=200, blank=True, help_text="Why it does not go on.")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    came_to = models.JSONField(
        null=True, help_text="By endpoint, once its requests were removed: what they came to."
    )

    class Meta:
        indexes = [
            # Used by each sweep of the worker, and by the schedule.
            models.Index(fields=["state", "created_at"], name="telemetry_verifierrun_state"),
        ]

    def __str__(self) -> str:
        return f"{self.model} by {self.request_set.name}, {self.created_at:%Y-%m-%d %H:%M}"


class VerifierVerdict(models.Model):
    """What became of a run at one endpoint: benchmark evidence, or why there is none."""

    run = models.ForeignKey(VerifierRun, models.CASCADE, related_name="verdicts")
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="+")
    evidence = models.ForeignKey(BenchmarkRun, models.SET_NULL, null=True, related_name="+")
    why_none = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "endpoint"], name="telemetry_verifierverdict_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.why_none or 'measured'}"


class Probe(models.Model):
    """One request to one endpoint in one mode: sent once, whatever happens."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        SENT = "sent", "sent"
        DONE = "done", "done"
        UNKNOWN = "unknown", "outcome unknown"
        SKIPPED = "skipped", "not sent"

    run = models.ForeignKey(VerifierRun, models.CASCADE, related_name="probes", db_index=False)
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="+")
    request = models.PositiveIntegerField(help_text="Line of the request set, from 1.")
    streamed = models.BooleanField()
    position = models.PositiveIntegerField(help_text="In the order of sending.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    why_skipped = models.CharField(max_length=60, blank=True)
    sent_at = models.DateTimeField(null=True)
    # What it may cost at most, and what it did; both in picodollars. The first counts until the
    # second is known, and for ever where it never will be.
    reserved_pico = models.BigIntegerField(default=0)
    cost_pico = models.BigIntegerField(null=True)
    generation_id = models.CharField(max_length=64, blank=True)
    outcome = models.CharField(max_length=20, choices=Outcome, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    latency_ms = models.PositiveIntegerField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    finish_reason = models.CharField(max_length=20, blank=True)
    verdict = models.CharField(max_length=16, choices=Verdict, blank=True)
    verdict_reason = models.CharField(max_length=40, blank=True)
    tool_calls = models.PositiveSmallIntegerField(default=0)
    leaked_tool_text = models.BooleanField(default=False)
    tool_choice_violated = models.BooleanField(default=False)
    truncated_arguments = models.BooleanField(default=False)
    empty_reply = models.BooleanField(default=False)
    duplicate_ids = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "endpoint", "request", "streamed"], name="telemetry_probe_once"
            )
        ]
        indexes = [
            # Used by claiming: the next one of a run.
            models.Index(fields=["run", "state", "position"], name="telemetry_probe_next"),
            # Used by the budget: what one day has sent.
            models.Index(fields=["sent_at"], name="telemetry_probe_sent"),
        ]

    def __str__(self) -> str:
        mode = "streamed" if self.streamed else "whole"
        return f"request {self.request}, {mode}: {self.get_state_display()}"
