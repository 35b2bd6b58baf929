import itertools
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.db import OperationalError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers.models import Endpoint
from telemetry import ingest
from telemetry.compaction import compact_counters
from telemetry.counter_check import compare_counters
from telemetry.counts import compare
from telemetry.ingest import IngestReport, expire_verdicts, ingest_all
from telemetry.models import (
    Attempt,
    Generation,
    OwnerUse,
    PreferenceSignal,
    Rollup,
    ServiceRollup,
    SpoolPosition,
    VerdictCount,
)
from telemetry.recorder import Fact
from telemetry.service_check import compare_service
from telemetry.spool import Chunk, read_frames
from tests.catalog_rows import make_endpoint
from tests.telemetry.counted import all_counters, counts, scored
from tests.telemetry.spooled import (
    DEAD_PROCESS,
    attempt_fact,
    generation_fact,
    leave_segment,
    make_writer,
    three_facts,
    verdict_fact,
)

WRITER = [sys.executable, "-m", "tests.telemetry.writing_process"]
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
LATER = MIDNIGHT + timedelta(days=4)


def test_a_segment_stays_until_its_rows_are_committed(
    endpoint: Endpoint, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = leave_segment(spool, three_facts(endpoint))

    def fail(*_: Any) -> None:
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(SpoolPosition, "save", fail)
        with pytest.raises(OperationalError):
            ingest_all(spool)
    assert path.exists()
    assert not Attempt.objects.exists()

    assert ingest_all(spool).attempts == 1
    assert not path.exists()


def test_every_fact_acknowledged_before_kill_9_is_ingested_once(
    endpoint: Endpoint, spool: Path
) -> None:
    acknowledged: list[str] = []
    report = IngestReport()
    for life in range(20):
        process = subprocess.Popen(
            [*WRITER, str(spool), str(endpoint.pk), f"gen-{life}"],
            stdout=subprocess.PIPE,
            text=True,
            pipesize=4096,  # or it would write thousands ahead of us
        )
        assert process.stdout
        seen = list(itertools.islice(process.stdout, 5 + 7 * life))
        if life % 4 == 0:
            report += ingest_all(spool)  # while it is being written
            seen += itertools.islice(process.stdout, 600)
        process.send_signal(signal.SIGKILL)
        seen += process.stdout.readlines()
        process.stdout.close()
        process.wait()
        assert len(seen) > 7 * life, "the writer stopped by itself"
        acknowledged += [line.strip() for line in seen if line.endswith("\n")]
    report += ingest_all(spool)

    judged = Attempt.objects.filter(verdict="valid").values_list("generation_id", flat=True)
    assert set(acknowledged) <= set(judged)
    # One of each life may be stored although its process died before it could say so.
    assert len(judged) - len(acknowledged) <= 20
    assert report.attempts == Attempt.objects.count()
    assert report.generations == Generation.objects.count()
    assert report.dead == 0
    assert report.bad_frames <= 20  # the frame in hand
    assert [path.name for path in spool.iterdir() if path.name != "dead"] == ["ingest.lock"]
    assert compare() == {}


def test_a_segment_that_comes_again_changes_nothing(endpoint: Endpoint, spool: Path) -> None:
    facts = [
        fact for number in range(50) for fact in three_facts(endpoint, f"gen-{number}")
    ] + three_facts(endpoint, "gen-bad", "invalid_json")
    leave_segment(spool, facts)
    ingest_all(spool)
    rows = list(Attempt.objects.values())

    for again in range(5):
        leave_segment(spool, facts)
        leave_segment(spool, facts, process=f"{again + 1:032}", number=7)
        report = ingest_all(spool)
        assert report == IngestReport(segments_deleted=2)

    assert list(Attempt.objects.values()) == rows
    assert Generation.objects.count() == 51
    assert counts() == {"valid": 50, "invalid_json": 1}
    assert compare() == {}


def test_keeps_the_frames_around_a_damaged_one_and_sets_the_file_aside(
    endpoint: Endpoint, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    facts = [attempt_fact(f"gen-{number}", endpoint_id=endpoint.pk) for number in range(3)]
    path = leave_segment(spool, facts)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)

    report = ingest_all(spool)

    assert (report.attempts, report.bad_frames, report.segments_deleted) == (2, 1, 1)
    assert set(Attempt.objects.values_list("generation_id", flat=True)) == {"gen-0", "gen-2"}
    aside = spool / "dead" / f"{DEAD_PROCESS}-00000001.seg"
    assert aside.read_bytes() == damaged
    assert ingest_all(spool) == IngestReport()


def poison(endpoint: Endpoint) -> dict[str, Fact | bytes]:
    good = attempt_fact("gen-poison", endpoint_id=endpoint.pk)
    object_ = msgspec.to_builtins(good)
    return {
        "JSON": b'{"kind":"attempt",',
        "UTF-8": b'"\xfe"',
        "type": msgspec.json.encode({**object_, "duration_ms": "secret"}),
        "kind": msgspec.json.encode({**object_, "kind": "telepathy"}),
        "missing": b'{"kind":"verdict"}',
        "endpoint": attempt_fact("gen-poison", endpoint_id=10**6),
        "generation's endpoint": generation_fact("gen-poison", endpoint_id=10**6),
        "year": attempt_fact("gen-poison", endpoint_id=endpoint.pk, started_at=1e18),
        "size": attempt_fact("gen-poison", endpoint_id=endpoint.pk, prompt_tokens=2**70),
        "sign": attempt_fact("gen-poison", endpoint_id=endpoint.pk, prompt_tokens=-1),
        "cost": attempt_fact("gen-poison", endpoint_id=endpoint.pk, cost_pico=10**30),
    }


@pytest.mark.parametrize(
    "kind",
    [
        *["JSON", "UTF-8", "type", "kind", "missing", "endpoint", "generation's endpoint"],
        *["year", "size", "sign", "cost"],
    ],
)
def test_a_poison_record_is_buried_and_the_others_flow(
    endpoint: Endpoint, spool: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    facts = [fact for n in range(5) for fact in three_facts(endpoint, f"gen-{n}")]
    leave_segment(spool, [*facts[:7], poison(endpoint)[kind], *facts[7:]])

    report = ingest_all(spool)

    assert report == IngestReport(generations=5, attempts=5, verdicts=5, dead=1, segments_deleted=1)
    assert counts() == {"valid": 5}
    letters = spool / "dead" / f"{DEAD_PROCESS}-00000001.jsonl"
    (letter,) = letters.read_bytes().splitlines()
    assert set(msgspec.json.decode(letter)) == {"end", "reason", "record"}
    assert "secret" not in caplog.text
    assert "not stored" in caplog.text


def test_a_missing_database_blames_no_record(
    endpoint: Endpoint, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_segment(spool, three_facts(endpoint))

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(type(Attempt.objects), "bulk_create", away)
        with pytest.raises(OperationalError):
            ingest_all(spool)

    assert not (spool / "dead").exists()
    assert ingest_all(spool).attempts == 1


def test_refuses_to_run_inside_a_transaction_that_may_be_rolled_back(
    transactional_db: None, spool: Path
) -> None:
    leave_segment(spool, [b"{}"])

    with pytest.raises(RuntimeError), transaction.atomic():
        ingest_all(spool)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_order_repetition_and_batches_do_not_change_the_counts(
    endpoint: Endpoint, tmp_path: Path, data: st.DataObject
) -> None:
    """Attempts and generations may come in any order; a verdict finds its attempt or is skipped."""
    for model in (Attempt, Generation, VerdictCount):
        model.objects.all().delete()
    spool = tmp_path / "shuffled"
    verdicts = ["valid", "invalid_json", "unjudged"]
    facts = [
        fact
        for number in range(4)
        for fact in three_facts(endpoint, f"gen-{number}", data.draw(st.sampled_from(verdicts)))
    ]
    shuffled = data.draw(st.permutations(facts * 2))
    cuts = data.draw(st.sets(st.integers(1, len(shuffled) - 1), max_size=5))
    edges = [0, *sorted(cuts), len(shuffled)]

    for number, (start, end) in enumerate(itertools.pairwise(edges)):
        leave_segment(spool, shuffled[start:end], process=f"{number:032}")
        if data.draw(st.booleans()):
            ingest_all(spool)
    ingest_all(spool)

    assert Attempt.objects.count() == Generation.objects.count() == 4
    assert sum(counts().values()) == 4
    assert compare() == {}


def counted_facts(endpoints: list[Endpoint], data: st.DataObject) -> list[Fact]:
    """Draw generations of all kinds, around a day's end, each with its attempt and verdict."""
    facts: list[Fact] = []
    for number in range(data.draw(st.integers(1, 4))):
        endpoint = data.draw(st.sampled_from(endpoints))
        name, owner = f"gen-{number}", data.draw(st.integers(1, 2))
        at = MIDNIGHT.timestamp() + data.draw(st.sampled_from([-3601.0, -1.0, 0.0, 3600.0]))
        calls = data.draw(st.integers(0, 1))
        attempt: dict[str, Any] = {
            "endpoint_id": endpoint.pk, "account_id": owner, "started_at": at, "latency_ms": 5,
            "outcome": data.draw(st.sampled_from(["ok", "ok", "ok", "truncated", "http_5xx"])),
            "pinned": data.draw(st.booleans()), "cost_pico": data.draw(st.integers(0, 10**15 - 1)),
            "turn": data.draw(st.sampled_from(["fresh", "after_tool", "forced"])),
            "tools_offered": data.draw(st.sampled_from([0, 2, 20])),
        }  # fmt: skip
        verdict = data.draw(st.sampled_from(["valid", "invalid_json", "unjudged"]))
        named = data.draw(st.sets(st.sampled_from([one.pk for one in endpoints])))
        facts += [
            attempt_fact(name, **attempt),
            generation_fact(name, account_id=owner, created_at=at, ignored_endpoints=(*named,)),
            verdict_fact(name, verdict, tool_calls=calls, empty_reply=not calls),
        ]
    return facts


def forget() -> None:
    for model in (
        Attempt, Generation, VerdictCount, Rollup, OwnerUse, PreferenceSignal, ServiceRollup
    ):  # fmt: skip
        model._default_manager.all().delete()


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_counters_are_the_same_to_the_integer_whatever_came_when_and_how_often(
    endpoint: Endpoint, tmp_path: Path, data: st.DataObject
) -> None:
    # The database outlives an example.
    other = Endpoint.objects.filter(tag="borealis").first() or make_endpoint("borealis")
    facts = counted_facts([endpoint, other], data)
    forget()
    leave_segment(tmp_path / "plain", facts)
    ingest_all(tmp_path / "plain")
    once = all_counters()
    compact_counters(LATER)
    folded = all_counters()

    forget()
    shuffled = data.draw(st.permutations(facts * 2))
    cuts = data.draw(st.sets(st.integers(1, len(shuffled) - 1), max_size=3))
    edges = [0, *sorted(cuts), len(shuffled)]
    folds = data.draw(st.booleans())
    for number, (start, end) in enumerate(itertools.pairwise(edges)):
        leave_segment(tmp_path / "shuffled", shuffled[start:end], process=f"{number:032}")
        if data.draw(st.booleans()):
            ingest_all(tmp_path / "shuffled")
        if folds and data.draw(st.booleans()):
            compact_counters(LATER)
    # A verdict that came before its attempt was skipped, so all of it comes once more.
    leave_segment(tmp_path / "shuffled", facts, process="9" * 32)
    ingest_all(tmp_path / "shuffled")

    assert [*compare_counters(LATER), *compare_service(LATER)] == []
    if not folds:
        assert all_counters() == once
    compact_counters(LATER)
    assert all_counters() == folded
    assert [*compare_counters(LATER), *compare_service(LATER)] == []


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_traffic_that_the_router_did_not_assign_leaves_scores_bit_equal(
    endpoint: Endpoint, tmp_path: Path, data: st.DataObject
) -> None:
    forget()
    leave_segment(tmp_path / "spool", counted_facts([endpoint], data))
    ingest_all(tmp_path / "spool")
    before = bytes_of_rollups()

    unscored: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {"pinned": True}, {"router_assigned": False}, {"ordinal": 2}, {"benchmark": True},
                {"outcome": "client_cancelled"}, {"tool_choice": "none"},
            ]
        )
    )  # fmt: skip
    started_at = MIDNIGHT.timestamp() + data.draw(st.integers(-5000, 5000))
    fields = {"endpoint_id": endpoint.pk, "started_at": started_at, "latency_ms": 5, **unscored}
    attempt = attempt_fact("gen-more", **fields)
    verdict = verdict_fact("gen-more", "invalid_json", ordinal=attempt.ordinal, tool_calls=1)
    leave_segment(tmp_path / "spool", [attempt, verdict], process="1" * 32)
    assert ingest_all(tmp_path / "spool").attempts == 1

    assert bytes_of_rollups() == before


def bytes_of_rollups() -> list[tuple[Any, ...]]:
    return all_counters()[0]


@pytest.mark.django_db(transaction=True)
def test_two_ingesters_of_the_same_facts_count_them_once(tmp_path: Path) -> None:
    endpoint = make_endpoint()
    facts = [fact for number in range(300) for fact in three_facts(endpoint, f"gen-{number}")]
    spools = [tmp_path / name for name in ("one", "two", "three")]
    for number, path in enumerate(spools):
        # The same process and segment name for two of them: they share one position.
        leave_segment(path, facts, process=f"{number // 2:032}")
    reports: list[IngestReport] = []

    def run(path: Path) -> None:
        try:
            reports.append(ingest_all(path))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[path]) for path in spools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    total = sum(reports, IngestReport())
    assert (total.attempts, total.generations, total.verdicts) == (300, 300, 300)
    assert Attempt.objects.count() == Generation.objects.count() == 300
    assert counts() == {"valid": 300}
    assert compare() == {}
    assert scored() == {"requests": 300}
    assert list(compare_counters(datetime.now(UTC))) == []


def test_what_another_ingester_stored_since_it_was_read_is_left_alone(
    endpoint: Endpoint, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_writer(spool).append([b"poison", *map(msgspec.json.encode, three_facts(endpoint))])
    read = read_frames

    def overtaken(*args: Any, **kwargs: Any) -> Chunk:
        chunk = read(*args, **kwargs)
        monkeypatch.setattr(ingest, "read_frames", read)
        assert ingest._ingest_directories(spool).attempts == 1
        return chunk

    monkeypatch.setattr(ingest, "read_frames", overtaken)

    assert ingest_all(spool) == IngestReport()

    (letters,) = (spool / "dead").iterdir()
    assert len(letters.read_bytes().splitlines()) == 1
    assert SpoolPosition.objects.count() == 1


def test_a_second_ingester_of_one_spool_leaves_it_to_the_first(
    endpoint: Endpoint, spool: Path
) -> None:
    leave_segment(spool, three_facts(endpoint))

    with ingest._only_one(spool) as alone:
        assert alone
        assert ingest_all(spool) == IngestReport()
        assert expire_verdicts(spool, now=NOON.timestamp()) == 0

    assert ingest_all(spool).attempts == 1
