"""What operators are told of Assay's own parts: the first page, and `manage.py health`."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError
from django.db.migrations.recorder import MigrationRecorder
from django.utils.timezone import now

from providers.models import Revision
from routing import process_reports
from routing.models import ProcessReport
from routing.process_reports import Kind, Reporter
from routing.system_health import State, system_health
from tests.catalog_rows import make_endpoint
from tests.routing.curation.measured import make_score
from tests.telemetry.test_spool import wait_for

pytestmark = pytest.mark.django_db
MIB = 1024 * 1024


def heard(kind: Kind, *, ago_s: float = 5, host: str = "vega", pid: int = 7, **told: Any) -> None:
    ProcessReport.objects.create(
        name=f"{kind}:{host}:{pid}",
        kind=kind,
        host=host,
        pid=pid,
        reported_at=now() - timedelta(seconds=ago_s),
        **told,
    )


def web(**told: Any) -> None:
    heard(Kind.WEB, **{"snapshot": 4, "snapshot_age_s": 0.3, **told})


def parts() -> dict[str, tuple[str, str]]:
    return {part.name: (str(part.state), part.text) for part in system_health()}


def all_well() -> None:
    Revision.objects.update_or_create(topic="catalog", defaults={"number": 4})
    web()
    heard(Kind.WORKER)
    heard(Kind.SCHEDULE)


def test_where_all_is_well_every_part_says_so() -> None:
    all_well()

    assert {name: state for name, (state, _) in parts().items()} == {
        "Web process vega:7": "ok",
        "Spool of vega": "ok",
        "Worker": "ok",
        "Schedule": "ok",
        "Scores": "ok",
    }


def test_what_was_never_heard_of_is_down() -> None:
    found = system_health()

    assert {part.name for part in found if part.state == State.DOWN} == {
        "Web process",
        "Worker",
        "Schedule",
    }
    assert all(part.cure for part in found if part.state == State.DOWN)


@pytest.mark.parametrize("kind", [Kind.WORKER, Kind.SCHEDULE])
def test_who_went_silent_is_down_and_the_others_are_not(kind: Kind) -> None:
    all_well()
    ProcessReport.objects.filter(kind=kind).update(reported_at=now() - timedelta(seconds=90))

    down = [part for part in system_health() if part.state != State.OK]

    assert [part.name for part in down] == [str(kind).title()]
    assert "90 s" in down[0].text
    assert down[0].cure


@pytest.mark.parametrize(
    ("told", "state", "says"),
    [
        ({"snapshot": 3}, "ok", "The newest is 4"),
        ({"snapshot_age_s": 61.0}, "late", "confirmed 61 s"),
        ({"facts_dropped": 1200}, "late", "could not store 1,200 facts"),
        ({"snapshot": -1, "snapshot_age_s": None}, "down", "no catalogue"),
        ({"ago_s": 90}, "down", "for 90 s."),
    ],
)
def test_a_web_process_is_judged_by_what_it_serves(
    told: dict[str, Any], state: str, says: str
) -> None:
    Revision.objects.update_or_create(topic="catalog", defaults={"number": 4})
    web(**told)

    found, text = parts()["Web process vega:7"]

    assert found == state
    assert says in text


@pytest.mark.parametrize(
    ("oldest_s", "state"), [(3.0, "ok"), (59.0, "ok"), (61.0, "late"), (601.0, "down")]
)
def test_a_spool_is_judged_by_its_oldest_fact(oldest_s: float, state: str) -> None:
    web(waiting_files=2, waiting_bytes=3 * MIB, oldest_waiting_s=oldest_s)

    found, text = parts()["Spool of vega"]

    assert found == state
    assert text.startswith("3.0 MiB in 2 files wait, the oldest for ")


def test_each_machine_has_its_spool_once_as_told_last() -> None:
    web(host="vega", pid=7, ago_s=8, waiting_files=9, waiting_bytes=1)
    web(host="vega", pid=8, ago_s=1)
    web(host="rigel", waiting_files=1, waiting_bytes=2048)

    found = parts()

    assert found["Spool of vega"] == ("ok", "Nothing waits: every fact has been ingested.")
    assert found["Spool of rigel"][1].startswith("2.0 KiB in 1 file waits")


def test_facts_that_were_refused_are_told_of_until_they_are_removed() -> None:
    web(refused_bytes=2048)

    state, text = parts()["Refused facts of vega"]

    assert state == "late"
    assert text.startswith("2.0 KiB could not be stored")
    ProcessReport.objects.update(refused_bytes=0)
    assert "Refused facts of vega" not in parts()


def test_who_ended_long_ago_is_told_of_once_and_is_no_alarm_while_others_serve() -> None:
    all_well()
    for pid in range(20, 50):
        web(pid=pid, ago_s=3600 + pid)
    web(pid=8, ago_s=90)

    found = parts()

    since = ProcessReport.objects.get(pid=20).reported_at
    assert found["Web processes that ended"] == (
        "late",
        f"30 silent, the last since {since:%d %b %H:%M:%S} UTC.",
    )
    assert found["Web process vega:7"][0] == "ok"
    assert found["Web process vega:8"][0] == "down"
    assert len(found) == 7


def test_where_all_ended_long_ago_the_web_process_is_down() -> None:
    all_well()
    ProcessReport.objects.filter(kind=Kind.WEB).update(reported_at=now() - timedelta(hours=3))

    found = parts()

    assert found["Web process"] == ("down", "None reports.")
    assert found["Web process vega:7"][1].startswith("Silent since ")


def test_an_empty_spool_that_nobody_tells_of_any_more_is_not_said_to_be_well() -> None:
    web(ago_s=90)

    state, text = parts()["Spool of vega"]

    assert state == "late"
    assert "nobody has told of it since" in text


def test_scores_that_nobody_renews_are_late() -> None:
    all_well()
    score = make_score(make_endpoint("cobalt"))
    type(score).objects.update(computed_at=now() - timedelta(hours=3))

    assert parts()["Scores"] == ("late", "Last computed 3 h ago.")


def test_scores_that_never_came_are_late_once_they_were_due() -> None:
    """Whoever has just started it for the first time is not alarmed."""
    make_endpoint("cobalt")
    assert parts()["Scores"] == ("ok", "None computed yet.")

    prepared = MigrationRecorder.Migration._default_manager
    prepared.update(applied=now() - timedelta(hours=1))

    assert parts()["Scores"] == ("late", "None computed yet.")


def test_the_command_fails_where_something_is_down() -> None:
    all_well()
    said = StringIO()
    call_command("health", stdout=said)
    assert said.getvalue().count("\n") == 5

    ProcessReport.objects.filter(kind=Kind.WORKER).delete()
    with pytest.raises(SystemExit, match="1"):
        call_command("health", stdout=said)
    assert "down  Worker: None has reported. Start one" in said.getvalue()


def test_strictly_late_is_a_failure_too() -> None:
    all_well()
    ProcessReport.objects.filter(kind=Kind.WEB).update(facts_dropped=1)

    call_command("health", stdout=StringIO())
    with pytest.raises(SystemExit, match="1"):
        call_command("health", "--strict", stdout=StringIO())


def test_a_process_has_one_row_and_the_schedule_one_for_all() -> None:
    for number in (1, 2):
        process_reports.report(Kind.WEB, snapshot=number)
        process_reports.report(Kind.SCHEDULE)

    assert ProcessReport.objects.get(kind=Kind.WEB).snapshot == 2
    assert ProcessReport.objects.get(kind=Kind.SCHEDULE).name == "schedule"


def test_who_ended_without_a_word_is_forgotten_but_not_how_long_the_schedule_rests() -> None:
    web(pid=7, ago_s=660)
    web(pid=8, ago_s=30)
    heard(Kind.SCHEDULE, ago_s=660)

    ProcessReport.forget_silent(now())

    assert set(ProcessReport.objects.values_list("kind", "pid")) == {("web", 8), ("schedule", 7)}


def test_a_report_that_cannot_be_written_disturbs_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[int] = []

    def tell() -> dict[str, Any]:
        asked.append(1)
        raise DatabaseError("server closed the connection")

    monkeypatch.setattr(process_reports, "REPORT_S", 0.005)
    monkeypatch.setattr(Reporter, "_take_leave", lambda self: None)
    reporter = Reporter(Kind.WEB, tell)
    reporter.start()
    wait_for(lambda: len(asked) >= 3)
    reporter.stop()

    assert [record.message for record in caplog.records if "report" in record.message] == [
        "this process cannot report: DatabaseError"
    ]
