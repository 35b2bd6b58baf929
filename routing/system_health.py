"""Whether Assay's own parts work: web processes, worker, schedule, spool, scores.

Owns the judgement of what the processes reported, and the words for operators. It measures
nothing itself and changes nothing. The rules others rely on: each part is told in one sentence
with, where something is amiss, what to do; what was never heard of is down, not left out; what has
ended long ago, and is only not forgotten because the schedule rests, is one part together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Max, Min, Q, QuerySet
from django.utils.timezone import now

from providers.models import Endpoint, Revision
from routing.models import ProcessReport
from routing.models.processes import FORGOTTEN_AFTER
from telemetry.models import EndpointScore

Kind = ProcessReport.Kind

# Reports come every ten seconds, scheduled marks every fifteen.
_SILENT = timedelta(seconds=60)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_SPOOL_LATE_S = 60.0
_SPOOL_DOWN_S = 600.0


class State(StrEnum):
    OK = "ok"
    LATE = "late"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the system: how it is, in one sentence, and what to do if it is not well."""

    name: str
    state: State
    text: str
    cure: str = ""


def system_health(at: datetime | None = None) -> list[Part]:
    """Return all parts, in the order of a fact's way. Six queries at most, whatever there is."""
    at = at or now()
    gone = Q(kind=Kind.WEB, reported_at__lt=at - FORGOTTEN_AFTER)
    rows = list(ProcessReport.objects.exclude(gone).order_by("kind", "host", "pid"))
    web = [row for row in rows if row.kind == Kind.WEB]
    return [
        *_web_processes(web, at),
        *_gone(ProcessReport.objects.filter(gone)),
        *_spools(web, at),
        _worker([row for row in rows if row.kind == Kind.WORKER], at),
        _schedule(rows, at),
        _scores(at),
    ]


def _web_processes(rows: list[ProcessReport], at: datetime) -> Iterator[Part]:
    newest = Revision.objects.filter(topic="catalog").values_list("number", flat=True).first() or 0
    if not rows:
        yield Part(
            "Web process",
            State.DOWN,
            "None reports.",
            "Start one: `manage.py serve`. One that runs does not reach the database.",
        )
    for row in rows:
        yield _web_process(row, newest, at)


def _web_process(row: ProcessReport, newest: int, at: datetime) -> Part:
    name = f"Web process {row.host}:{row.pid}"
    if at - row.reported_at > _SILENT:
        return Part(
            name,
            State.DOWN,
            _silent(row.reported_at, at),
            "It was killed, or does not reach the database; what was killed is forgotten in "
            "ten minutes.",
        )
    if row.snapshot is None or row.snapshot < 0:
        return Part(name, State.DOWN, "Has no catalogue yet.", "See its log for why.")
    age_s = row.snapshot_age_s or 0.0
    serves = f"Serves catalogue {row.snapshot}, confirmed {age_s:.0f} s before its last report."
    if age_s > settings.LIMITS.snapshot_alarm_s:
        return Part(name, State.LATE, serves, "It serves an old catalogue: see its log.")
    if row.facts_dropped:
        return Part(
            name,
            State.LATE,
            f"{serves} It could not store {row.facts_dropped:,} facts since it started.",
            "Make room on the spool's disk, or raise SPOOL_MAX_BYTES.",
        )
    if row.snapshot != newest:
        serves = f"{serves} The newest is {newest}: taken within a second."
    return Part(name, State.OK, serves)


def _gone(rows: QuerySet[ProcessReport]) -> Iterator[Part]:
    """Tell of processes that ended without a word and that nobody has removed."""
    last = rows.order_by("-reported_at").first()
    if last is not None:
        count = rows.count()
        yield Part(
            "Web processes that ended" if count > 1 else f"Web process {last.host}:{last.pid}",
            State.LATE,
            f"{count} silent, the last since {_moment(last.reported_at)}."
            if count > 1
            else f"Silent since {_moment(last.reported_at)}: it ended without a word.",
            "The schedule forgets such processes: they are here until it runs again.",
        )


def _spools(rows: list[ProcessReport], at: datetime) -> Iterator[Part]:
    """One spool per machine, as its web process that reported last saw it."""
    latest: dict[str, ProcessReport] = {}
    for row in rows:
        if row.host not in latest or row.reported_at > latest[row.host].reported_at:
            latest[row.host] = row
    for host, row in latest.items():
        yield _spool(host, row, at)
        if row.refused_bytes:
            yield Part(
                f"Refused facts of {host}",
                State.LATE,
                f"{_bytes(row.refused_bytes)} could not be stored and lie in the spool's dead.",
                "Each line there has its reason. Once that is settled, remove the files.",
            )


def _spool(host: str, row: ProcessReport, at: datetime) -> Part:
    name = f"Spool of {host}"
    if at - row.reported_at > _SILENT and not row.waiting_files:
        text = f"Nothing waited at {_moment(row.reported_at)}; nobody has told of it since."
        return Part(name, State.LATE, text, "See the web process of this machine.")
    if not row.waiting_files:
        return Part(name, State.OK, "Nothing waits: every fact has been ingested.")
    waited_s = row.oldest_waiting_s + (at - row.reported_at).total_seconds()
    text = (
        f"{_bytes(row.waiting_bytes)} in {row.waiting_files} "
        f"{'file waits' if row.waiting_files == 1 else 'files wait'}, the oldest for "
        f"{_ago(timedelta(seconds=waited_s))}."
    )
    if row.oldest_waiting_s <= _SPOOL_LATE_S:
        return Part(name, State.OK, text)
    state = State.DOWN if row.oldest_waiting_s > _SPOOL_DOWN_S else State.LATE
    return Part(
        name,
        state,
        text,
        "Scores and spending are that old. See that a worker runs on this machine, and its log.",
    )


def _worker(rows: list[ProcessReport], at: datetime) -> Part:
    alive = [row for row in rows if at - row.reported_at <= _SILENT]
    if alive:
        where = ", ".join(f"{row.host}:{row.pid}" for row in alive)
        return Part("Worker", State.OK, f"{len(alive)} running: {where}.")
    last = max((row.reported_at for row in rows), default=None)
    text = _silent(last, at) if last else "None has reported."
    cure = "Start one: `celery -A routing worker -P threads`. Until then nothing is ingested."
    return Part("Worker", State.DOWN, text, cure)


def _schedule(rows: list[ProcessReport], at: datetime) -> Part:
    last = next((row.reported_at for row in rows if row.kind == Kind.SCHEDULE), None)
    cure = (
        "If the worker runs, start beat: `celery -A routing beat`. If that runs too, see whether "
        "the broker answers."
    )
    if last is None:
        return Part("Schedule", State.DOWN, "No scheduled task has been done yet.", cure)
    text = f"The last scheduled task was done {_ago(at - last)} ago."
    return (
        Part("Schedule", State.DOWN, text, cure)
        if at - last > _SILENT
        else Part("Schedule", State.OK, text)
    )


def _scores(at: datetime) -> Part:
    last = EndpointScore.objects.aggregate(last=Max("computed_at"))["last"]
    cure = "They need worker and beat: see those, and the worker's log. Lists stay as they are."
    patience = 2 * timedelta(seconds=settings.SCORE_EVERY_S) + _SILENT
    if last is None:
        due = Endpoint.objects.filter(enabled=True).exists() and at - _installed() > patience
        state = State.LATE if due else State.OK
        return Part("Scores", state, "None computed yet.", cure if due else "")
    text = f"Last computed {_ago(at - last)} ago."
    if at - last > patience:
        return Part("Scores", State.LATE, text, cure)
    return Part("Scores", State.OK, text)


def _installed() -> datetime:
    """Return when this database was first prepared: what is new has no scores yet."""
    migrations = MigrationRecorder.Migration._default_manager
    first: datetime = migrations.aggregate(at=Min("applied", default=_LONG_AGO))["at"]
    return first


def _silent(since: datetime, at: datetime) -> str:
    return f"Silent since {_moment(since)}, for {_ago(at - since)}."


def _moment(at: datetime) -> str:
    return f"{at:%d %b %H:%M:%S} UTC"


def _ago(span: timedelta) -> str:
    seconds = max(0, round(span.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def _bytes(count: int) -> str:
    return f"{count / 1024 / 1024:.1f} MiB" if count >= 1024 * 1024 else f"{count / 1024:.1f} KiB"
