"""What happened: one row per client request, one per try at an endpoint, and their counts.

Owns the facts as rows. It does not write them on the request path (`telemetry.recorder` frames
them into the spool, `telemetry.ingest` makes rows of them) and knows no accounts but by number.
The rule others rely on: rows are append-only, except that a pending verdict is filled in once,
and removed by whole days once old (`telemetry.fact_retention`).
No prompt, completion or tool argument is ever a column here.
"""

from datetime import date

from django.db import models

from providers.models import Endpoint


class Outcome(models.TextChoices):
    """How an attempt went at transport level."""

    OK = "ok", "answered"
    HTTP_5XX = "http_5xx", "server error"
    RATE_LIMITED = "rate_limited", "rate limited"
    AUTH = "auth", "our credential refused"
    CLIENT_ERROR = "client_error", "request refused"
    NOT_FOUND = "not_found", "not found"
    TIMEOUT_CONNECT = "timeout_connect", "no connection in time"
    TIMEOUT_TTFT = "timeout_ttft", "no first token in time"
    TIMEOUT_IDLE = "timeout_idle", "stalled"
    TIMEOUT_TOTAL = "timeout_total", "took too long"
    CONNECT_ERROR = "connect_error", "refused connection"
    DISCONNECTED = "disconnected", "connection lost"
    TRUNCATED = "truncated", "ended early"
    MALFORMED = "malformed", "unreadable answer"
    FAILED_GENERATION = "failed_generation", "reply refused by its provider"
    CLIENT_CANCELLED = "client_cancelled", "caller left"
    GATEWAY_ERROR = "gateway_error", "our fault"
    BUSY = "busy", "our limit reached"


class Verdict(models.TextChoices):
    """What the judge says of an attempt's tool calls."""

    VALID = "valid", "valid"
    INVALID_JSON = "invalid_json", "invalid JSON"
    UNKNOWN_NAME = "unknown_name", "unknown tool"
    SCHEMA_MISMATCH = "schema_mismatch", "schema mismatch"
    NO_TOOL_CALLS = "no_tool_calls", "no tool call"
    PENDING = "pending", "not judged yet"
    UNJUDGED = "unjudged", "cannot be judged"
    NONE = "", "no tools offered"


class AutoExacto(models.TextChoices):
    """What AUTO_EXACTO did to a request's order."""

    SAME = "shadow_same", "shadow: the same first choice"
    MOVED = "shadow_moved", "shadow: another first choice"
    APPLIED = "applied", "reordered"


class QualityGate(models.TextChoices):
    """What the quality gate did with a request's replies."""

    PASSED = "passed", "first reply passed"
    RETRIED = "retried", "a later reply passed"
    EXHAUSTED = "exhausted", "no reply passed"
    UNJUDGED = "unjudged", "handed over unjudged"


class Generation(models.Model):
    """All that was done for one client request."""

    id = models.CharField(max_length=64, primary_key=True)
    created_at = models.DateTimeField(db_index=True)
    account_id = models.BigIntegerField()
    api_key_id = models.BigIntegerField()
    requested_model = models.CharField(max_length=300)
    model_slug = models.CharField("model", max_length=200, blank=True)
    variant = models.CharField(max_length=20, blank=True)
    allowlist_version = models.PositiveIntegerField(null=True)
    endpoint = models.ForeignKey(
        Endpoint, models.PROTECT, null=True, db_constraint=False, related_name="+"
    )
    attempts = models.PositiveSmallIntegerField("tries")
    status = models.PositiveSmallIntegerField("HTTP status")
    error_type = models.CharField(max_length=40, blank=True)
    streamed = models.BooleanField()
    cancelled = models.BooleanField()
    pinned = models.BooleanField(help_text="The caller named providers (only, order).")
    tools_offered = models.PositiveSmallIntegerField()
    tool_choice = models.CharField(max_length=10, blank=True)
    finish_reason = models.CharField(max_length=20, blank=True)
    native_finish_reason = models.CharField(max_length=60, blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    cached_tokens = models.PositiveIntegerField(null=True)
    reasoning_tokens = models.PositiveIntegerField(null=True)
    cost = models.DecimalField("cost, USD", max_digits=15, decimal_places=12, null=True)
    latency_ms = models.PositiveIntegerField(null=True, help_text="To the first content.")
    duration_ms = models.PositiveIntegerField()
    upstream_id = models.CharField(max_length=200, blank=True)
    app_title = models.CharField(max_length=200, blank=True)
    http_referer = models.CharField(max_length=500, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    app_categories = models.CharField(max_length=200, blank=True, db_default="", default="")
    session_id = models.CharField(max_length=256, blank=True, db_default="", default="")
    preset = models.CharField(max_length=64, blank=True, db_default="", default="")
    service_tier = models.CharField(max_length=16, blank=True, db_default="", default="")
    own_credential = models.BooleanField(
        default=False, db_default=False, help_text="Served with the account's own key."
    )
    upstream_cost = models.DecimalField(
        "asked by the provider, USD",
        max_digits=15,
        decimal_places=12,
        null=True,
        help_text="Where it is not what the caller is asked.",
    )
    decision = models.JSONField(null=True, help_text="Seed, candidates and exclusions, by number.")
    auto_exacto = models.CharField(
        "reordered by standing",
        max_length=16,
        choices=AutoExacto,
        blank=True,
        db_default="",
        default="",
    )
    quality_gate = models.CharField(
        max_length=16, choices=QualityGate, blank=True, db_default="", default=""
    )
    ignored_endpoints = models.JSONField(
        default=list, help_text="Of the models asked for, by a request with tools."
    )
    pinned_endpoints = models.JSONField(default=list, help_text="Likewise.")

    class Meta:
        indexes = [
            # Used by the admin's list: newest first within one status or one model.
            models.Index(fields=["status", "-created_at"], name="telemetry_generation_status"),
            models.Index(fields=["model_slug", "-created_at"], name="telemetry_generation_model"),
            # Used by GET /key: what one key has spent, read from the index alone.
            models.Index(
                fields=["api_key_id", "created_at", "cost"], name="telemetry_generation_key"
            ),
            # Used by the account page: the newest of one account, and those before one.
            models.Index(
                fields=["account_id", "-created_at", "-id"], name="telemetry_generation_owner"
            ),
            # Used by the admin's filters; they must repeat these conditions.
            models.Index(
                fields=["auto_exacto", "-created_at"],
                condition=models.Q(auto_exacto__gt=""),
                name="telemetry_generation_auto",
            ),
            models.Index(
                fields=["quality_gate", "-created_at"],
                condition=models.Q(quality_gate__gt=""),
                name="telemetry_generation_gate",
            ),
        ]

    def __str__(self) -> str:
        return self.id


HAS_SIGN = (
    models.Q(leaked_tool_text=True)
    | models.Q(tool_choice_violated=True)
    | models.Q(truncated_arguments=True)
    | models.Q(empty_reply=True)
    | models.Q(duplicate_ids=True)
)


class Attempt(models.Model):
    """One try at one endpoint; the append-only fact that everything is computed from."""

    generation = models.ForeignKey(
        Generation, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="tries"
    )
    ordinal = models.PositiveSmallIntegerField("try", help_text="1 for the first choice.")
    endpoint = models.ForeignKey(
        Endpoint, models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    account_id = models.BigIntegerField()
    started_at = models.DateTimeField(db_index=True)
    outcome = models.CharField(max_length=20, choices=Outcome)
    http_status = models.PositiveSmallIntegerField(null=True)
    latency_ms = models.PositiveIntegerField(null=True, help_text="To the first content.")
    duration_ms = models.PositiveIntegerField()
    streamed = models.BooleanField()
    pinned = models.BooleanField(help_text="The caller named providers (only, order).")
    router_assigned = models.BooleanField(help_text="Chosen by default balancing alone.")
    benchmark = models.BooleanField(default=False, help_text="A probe's or benchmark's own.")
    probability = models.FloatField(null=True, help_text="With which the router chose it.")
    finish_reason = models.CharField(max_length=20, blank=True)
    native_finish_reason = models.CharField(max_length=60, blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    cached_tokens = models.PositiveIntegerField(null=True)
    reasoning_tokens = models.PositiveIntegerField(null=True)
    cost = models.DecimalField("cost, USD", max_digits=15, decimal_places=12, null=True)
    tools_offered = models.PositiveSmallIntegerField()
    tool_choice = models.CharField(max_length=10, blank=True)
    tool_set = models.CharField(max_length=16, blank=True, help_text="Hash of the tools offered.")
    verdict = models.CharField(max_length=16, choices=Verdict, blank=True)
    verdict_reason = models.CharField(max_length=40, blank=True)
    tool_calls = models.PositiveSmallIntegerField(default=0)
    bad_calls = models.PositiveSmallIntegerField(default=0)
    call_errors = models.JSONField(default=list, help_text="Kind and argument path, no contents.")
    leaked_tool_text = models.BooleanField(default=False)
    tool_choice_violated = models.BooleanField(default=False)
    truncated_arguments = models.BooleanField(default=False)
    empty_reply = models.BooleanField(default=False)
    duplicate_ids = models.BooleanField(default=False)
    withheld = models.BooleanField(
        default=False, db_default=False, help_text="The quality gate kept its reply back."
    )
    usage_estimated = models.BooleanField(
        default=False, db_default=False, help_text="The provider counted no tokens: we did."
    )
    own_credential = models.BooleanField(
        default=False, db_default=False, help_text="Asked with the account's own key."
    )
    # Set once, when the row is made: counters must equal a fold over the rows for ever.
    stratum = models.PositiveSmallIntegerField(
        null=True, help_text="Comparable requests with tools (scoring.evidence); empty: no tools."
    )
    slot = models.PositiveSmallIntegerField(null=True, help_text="Of its owner at the time.")
    scored = models.BooleanField(
        default=False, help_text="Scores count it if lost mid-reply, or once it has a verdict."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["generation", "ordinal"], name="telemetry_attempt_once")
        ]
        indexes = [
            # Used by the admin's filters: newest first within one of these.
            models.Index(fields=["endpoint", "-started_at"], name="telemetry_attempt_endpoint"),
            models.Index(fields=["outcome", "-started_at"], name="telemetry_attempt_outcome"),
            models.Index(fields=["verdict", "-started_at"], name="telemetry_attempt_verdict"),
            # As above, for attempts with any sign; the filter must repeat this condition.
            models.Index(fields=["started_at"], condition=HAS_SIGN, name="telemetry_attempt_signs"),
        ]

    def __str__(self) -> str:
        return f"{self.generation_id} try {self.ordinal}"


class VerdictCount(models.Model):
    """Attempts per endpoint, day and verdict: what the admin shows without reading rows.

    Kept by `telemetry.ingest` in the transaction that writes the rows; always equal to a
    count over those that are no benchmark's.
    """

    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="+")
    day = models.DateField()
    verdict = models.CharField(max_length=16, choices=Verdict, blank=True)
    attempts = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "day", "verdict"], name="telemetry_verdictcount_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.day} {self.get_verdict_display()}: {self.attempts}"


class FactsKept(models.Model):
    """One row: the first day of which no fact was removed; `telemetry.fact_retention` moves it."""

    since = models.DateField()

    class Meta:
        verbose_name_plural = "facts kept"

    def __str__(self) -> str:
        return f"facts since {self.since}"

    @classmethod
    def first_day(cls) -> date:
        """Return it; read it under `counts.facts_lock` to act on it."""
        return cls._default_manager.values_list("since", flat=True).first() or date(1970, 1, 1)


class SpoolPosition(models.Model):
    """How far a spool segment has been ingested; moved in the transaction of its rows."""

    segment = models.CharField(max_length=120, primary_key=True)
    offset = models.BigIntegerField(default=0)
    bad_frames = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.segment} @ {self.offset}"
