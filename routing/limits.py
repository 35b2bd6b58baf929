"""Every time-out and limit of the gateway, with its default and its environment variable.

Owns the numbers only; the modules that enforce them get them as parameters. The environment
variable of a field is its name in capitals (`ttft_s` is TTFT_S). Units: `_s` seconds, `_bytes`
bytes; everything else counts. A value that is not a number of 0 or more stops the process at start.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force; docs/settings.md gives each its reason."""

    # What a client may send.
    body_bytes: int = 4 * 1024 * 1024
    body_read_s: float = 30.0
    body_idle_s: float = 10.0
    header_bytes: int = 32 * 1024
    header_count: int = 100
    structural_tokens: int = 300_000
    json_depth: int = 64
    number_digits: int = 30
    max_messages: int = 2_000
    max_models: int = 8
    max_preferences: int = 64
    max_tools: int = 128
    max_inputs: int = 2_048
    tool_schema_bytes: int = 64 * 1024
    tool_schemas_bytes: int = 512 * 1024
    # How much at once.
    in_flight: int = 400
    key_in_flight: int = 20
    key_rpm: int = 60
    endpoint_in_flight: int = 64
    endpoint_queue_s: float = 0.25
    # How long upstream may take.
    connect_s: float = 3.0
    tls_s: float = 5.0
    ttft_s: float = 30.0
    answer_s: float = 300.0
    idle_s: float = 60.0
    stream_s: float = 600.0
    attempts: int = 3
    min_attempt_s: float = 2.0
    # How much upstream may answer.
    answer_bytes: int = 16 * 1024 * 1024
    embeddings_bytes: int = 160 * 1024 * 1024
    vector_bytes: int = 128 * 1024
    event_bytes: int = 1024 * 1024
    error_bytes: int = 256 * 1024
    answer_header_bytes: int = 32 * 1024
    argument_bytes: int = 256 * 1024
    answer_tool_calls: int = 128
    # Retries and ejection.
    retry_budget: float = 0.2
    retry_min: int = 3
    retry_window_s: float = 10.0
    eject_failures: int = 5
    eject_share: float = 0.5
    eject_min_requests: int = 20
    eject_window_s: float = 30.0
    eject_s: float = 30.0
    eject_max_s: float = 300.0
    eject_jitter: float = 0.2
    panic_share: float = 0.5
    cooldown_s: float = 5.0
    retry_after_min_s: float = 1.0
    retry_after_max_s: float = 60.0
    uptime_window_s: float = 300.0
    uptime_min_requests: int = 100
    uptime_told_requests: int = 20
    uptime_normal: float = 0.95
    uptime_degraded: float = 0.8
    # Towards the client.
    keepalive_s: float = 15.0
    send_stall_s: float = 30.0
    graceful_stop_s: float = 30.0
    # The account page, and the admin.
    account_session_s: int = 3600
    admin_session_s: int = 8 * 3600
    admin_idle_s: int = 30 * 60
    login_failures: int = 5
    login_lock_s: int = 15 * 60
    # What a process remembers.
    snapshot_poll_s: float = 0.5
    snapshot_alarm_s: float = 60.0
    key_fresh_s: float = 5.0
    key_stale_s: float = 900.0
    key_unknown: int = 10_000
    # Sessions, and answers that should be JSON.
    sticky_s: float = 600.0
    sticky_sessions: int = 50_000
    heal_s: float = 2.0
    heal_bytes: int = 64 * 1024
    # Spending and shared limits.
    reserve_tokens: int = 4_096
    redis_s: float = 0.1
    # Facts.
    spool_segment_bytes: int = 16 * 1024 * 1024
    spool_segment_s: float = 5.0
    spool_sync_s: float = 0.05
    spool_max_bytes: int = 1024 * 1024 * 1024
    spool_min_free_bytes: int = 512 * 1024 * 1024
    judge_s: float = 0.25
    judge_queue: int = 5_000
    judge_queue_bytes: int = 64 * 1024 * 1024
    judge_memory_bytes: int = 512 * 1024 * 1024
    judge_schemas: int = 2_000
    judge_schemas_bytes: int = 64 * 1024 * 1024
    judge_owner_share: float = 0.1
    schema_depth: int = 32
    schema_references: int = 256
    schema_nodes: int = 10_000
    schema_pattern_chars: int = 512
    # The quality gate.
    gate_s: float = 1.0
    gate_bytes: int = 1024 * 1024
    # The verifier.
    verify_usd: float = 1.0
    verify_requests: int = 2_000
    verify_lanes: int = 4
    verify_answer_s: float = 120.0
    verify_sweep_s: float = 20.0
    verify_hold_s: float = 30.0
    verify_every_s: int = 24 * 3600
    verify_new_every_s: int = 6 * 3600
    verify_new_s: int = 7 * 24 * 3600
    # The feedback form.
    feedback_hourly: int = 5
    feedback_hourly_all: int = 500
    feedback_form_min_s: float = 3.0
    feedback_form_max_s: float = 24 * 3600.0
    feedback_notice_s: int = 3600
    # Reports for providers.
    report_hourly: int = 5
    # The database and the broker.
    db_statement_s: float = 2.0
    db_worker_statement_s: float = 60.0
    db_lock_s: float = 1.0
    db_idle_transaction_s: float = 10.0
    sqlite_lock_s: float = 20.0
    task_soft_s: int = 240
    task_hard_s: int = 300
    broker_timeout_s: float = 1.0
    broker_visibility_s: int = 3_600

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Limits":
        """Read every field's variable. Raises ImproperlyConfigured naming a bad one."""
        values: dict[str, float] = {}
        for field in fields(cls):
            name = field.name.upper()
            if text := environ.get(name, "").strip():
                values[field.name] = _number(name, text, kind=type(field.default))
        return cls(**values)  # type: ignore[arg-type]  # each value has its field's type


def _number(name: str, text: str, *, kind: type) -> float:
    try:
        value = kind(text)
    except ValueError:
        value = -1
    if not value >= 0:
        wanted = "a whole number" if kind is int else "a number"
        raise ImproperlyConfigured(f"{name}={text!r}: give {wanted} of 0 or more.")
    return float(value) if kind is float else int(value)
