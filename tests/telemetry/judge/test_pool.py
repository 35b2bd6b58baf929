"""The pool with its real child; walls are generous so that a busy machine cannot fail a test."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from telemetry.judge import pool as pool_module
from telemetry.judge.child import Child
from telemetry.judge.pool import JobKey, JudgePool
from telemetry.judge.rules import Judgement
from tests.telemetry.judge.exchanges import RECURSIVE, call, exchange, nested, tool
from tests.telemetry.judge.test_prescreen import doubled

Found = list[tuple[JobKey, Judgement]]
# A child that judges as ever, but never comes back from a reply that says "stall".
STALLS = """
import time
from telemetry.judge import worker
judge = worker.judge
def stalling(exchange, *args, **options):
    if exchange.content == "stall":
        time.sleep(60)
    return judge(exchange, *args, **options)
worker.judge = stalling
worker.main()
"""
STALLING = (sys.executable, "-c", STALLS)
STALL = exchange(content="stall")
# The errors of this one fill the child's memory or its time, whichever ends first.
BOMB = exchange(
    call("f", orjson.dumps(nested(40)).decode()), tools=orjson.dumps([tool("f", RECURSIVE)])
)


def run(scenario: Callable[[JudgePool, Found], Awaitable[None]], **options: Any) -> Found:
    """Run a scenario on a started pool, drain it and return every judgement in order."""
    found: Found = []

    async def main() -> None:
        pool = JudgePool(
            on_judgement=lambda key, judgement: found.append((key, judgement)),
            **{"wall_s": 20.0, **options},
        )
        await pool.start()
        await scenario(pool, found)
        await pool.stop(30)
        assert pool.depth == 0

    asyncio.run(main())
    return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what it waits for is not ours to signal
            await asyncio.sleep(0.005)


def reasons(found: Found) -> list[tuple[str, str]]:
    return [(judgement.verdict, judgement.reason) for _, judgement in found]


@pytest.mark.parametrize(
    ("options", "verdict"), [({"formats": True}, "schema_mismatch"), ({}, "valid")]
)
def test_takes_formats_as_remarks_unless_told_to_assert_them(
    options: dict[str, Any], verdict: str
) -> None:
    schema = {"properties": {"at": {"type": "string", "format": "uri"}}}
    arguments = orjson.dumps({"at": "www.example.com"}).decode()

    async def scenario(pool: JudgePool, found: Found) -> None:
        pool.submit(
            ("gen", 1), exchange(call("f", arguments), tools=orjson.dumps([tool("f", schema)])), 1
        )

    found = run(scenario, **options)

    assert reasons(found) == [(verdict, "")]


def test_judges_every_job_once_and_in_order() -> None:
    async def scenario(pool: JudgePool, found: Found) -> None:
        for number in range(500):
            assert pool.submit(("gen", number), exchange(call(arguments="{}")), 1)

    found = run(scenario)

    assert [key for key, _ in found] == [("gen", number) for number in range(500)]
    assert set(reasons(found)) == {("schema_mismatch", "")}
    assert found[0][1].errors == (("schema_mismatch", "/city required"),)


@pytest.mark.parametrize("urgent", [True, False], ids=["one is awaited", "a batch is full"])
def test_jobs_wait_for_each_other_until(urgent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "LINGER_S", 3600)
    late = 2 if urgent else pool_module.BATCH_JOBS

    async def scenario(pool: JudgePool, found: Found) -> None:
        for number in range(1, late):
            pool.submit(("gen", number), exchange(call()), 1)
        await asyncio.sleep(0.2)
        assert found == []
        pool.submit(("gen", late), exchange(call()), 1, at_once=urgent)
        await until(lambda: len(found) == late)

    assert [key for key, _ in run(scenario)] == [("gen", number + 1) for number in range(late)]


def test_a_job_that_waits_for_others_is_judged_before_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "LINGER_S", 3600)

    async def scenario(pool: JudgePool, found: Found) -> None:
        pool.submit(("gen", 1), exchange(call(arguments="{}")), 1)

    assert reasons(run(scenario)) == [("schema_mismatch", "")]


def test_refuses_what_does_not_fit_the_queue() -> None:
    async def scenario(pool: JudgePool, found: Found) -> None:
        accepted = [pool.submit(("gen", number), exchange(call()), 1) for number in range(15)]

        assert accepted == [True] * 10 + [False] * 5
        assert (pool.report()["overflow"], pool.report()["waiting"]) == (5, 10)
        assert reasons(found) == [("unjudged", "queue_full")] * 5
        assert (pool.depth, pool.overflow) == (10, 5)

    found = run(scenario, queue_size=10)

    assert len(found) == 15
    assert len({key for key, _ in found}) == 15


def test_bounds_the_queue_in_bytes() -> None:
    async def scenario(pool: JudgePool, found: Found) -> None:
        large = exchange(call("ping", '"' + "x" * 40_000 + '"'))
        assert [pool.submit(("gen", n), large, 1) for n in range(3)] == [True, True, False]
        await until(lambda: len(found) == 3)
        assert pool.submit(("gen", 3), large, 1)

    assert sorted(reasons(run(scenario, queue_bytes=100_000)))[0] == ("unjudged", "queue_full")


def test_an_overdue_job_costs_its_own_verdict_alone() -> None:
    async def scenario(pool: JudgePool, found: Found) -> None:
        pool.submit(("gen", 0), exchange(call()), 1)
        pool.submit(("bomb", 0), STALL, 2)
        for number in range(1, 100):
            pool.submit(("gen", number), exchange(call()), 1)
        await until(lambda: len(found) == 101)
        assert (pool.timeouts, pool.crashes, pool.restarts) == (1, 0, 1)

    found = run(scenario, wall_s=1.5, command=STALLING)

    verdicts = dict(found)
    assert verdicts.pop(("bomb", 0)) == Judgement("unjudged", "timeout")
    assert {judgement.verdict for judgement in verdicts.values()} == {"valid"}
    assert len(verdicts) == 100


def test_a_bomb_is_survived_and_its_tools_rest_a_while() -> None:
    async def scenario(pool: JudgePool, found: Found) -> None:
        pool.submit(("gen", 0), BOMB, 1)
        pool.submit(("gen", 1), exchange(call()), 1)
        await until(lambda: len(found) == 2)
        assert pool.timeouts + pool.crashes == 1
        assert not pool.submit(("gen", 2), BOMB, 1)
        assert pool.submit(("gen", 3), exchange(call()), 1)

    found = run(scenario, wall_s=2.0)

    assert reasons(found)[0] in [("unjudged", "timeout"), ("unjudged", "crashed")]
    assert reasons(found)[1:] == [("valid", ""), ("unjudged", "failed_before"), ("valid", "")]


@pytest.mark.parametrize(
    ("schema", "arguments", "expected"),
    [
        pytest.param(doubled(28), '"a"', ("unjudged", "schema_expands"), id="doubled references"),
        pytest.param(
            {"pattern": "^(a+)+$"}, '"' + "a" * 40 + '!"', ("schema_mismatch", ""), id="regex"
        ),
        pytest.param(
            {"pattern": r"(a|a)*(?!b)\1$"},
            '"' + "a" * 60 + 'x"',
            ("unjudged", "pattern"),
            id="regex that needs backtracking",
        ),
        pytest.param(
            {"uniqueItems": True},
            orjson.dumps([{"a": n, "b": [n]} for n in range(4000)]).decode(),
            ("valid", ""),
            id="unique items",
        ),
    ],
)
def test_schema_bombs_are_survived(schema: Any, arguments: str, expected: tuple[str, str]) -> None:
    async def scenario(pool: JudgePool, found: Found) -> None:
        tools = orjson.dumps([tool("f", schema)])
        pool.submit(("gen", 0), exchange(call("f", arguments), tools=tools), 1)
        pool.submit(("gen", 1), exchange(call()), 1)

    assert reasons(run(scenario)) == [expected, ("valid", "")]


def test_fetches_nothing() -> None:
    with socket.socket() as canary:
        canary.bind(("127.0.0.1", 0))
        canary.listen()
        canary.setblocking(False)
        url = f"http://127.0.0.1:{canary.getsockname()[1]}/s.json"

        async def scenario(pool: JudgePool, found: Found) -> None:
            schemas = [
                {"$ref": url},
                {"$schema": url, "type": "string"},
                {"$id": url, "items": {"$ref": "#/x"}},
                {"x": {"y": [{"$ref": url}]}, "const": {"$ref": url}, "allOf": [{"$ref": url}]},
                {"dependencies": {"a": {"$ref": url}}, "$recursiveRef": url, "$dynamicRef": url},
                {"unknown": {"$id": url, "$ref": url}, "properties": {"$ref": {"$ref": url}}},
            ]
            for number, schema in enumerate(schemas):
                tools = orjson.dumps([tool("f", schema)])
                pool.submit(("gen", number), exchange(call("f", '"a"'), tools=tools), 1)

        found = run(scenario)

        assert {judgement.verdict for _, judgement in found} == {"valid"}
        with pytest.raises(BlockingIOError):
            canary.accept()


def test_a_killed_child_loses_no_job() -> None:
    async def scenario(pool: JudgePool, found: Found) -> None:
        for number in range(2000):
            pool.submit(("gen", number), exchange(call()), 1)
        await until(lambda: len(found) > 100)
        assert pool.pid is not None
        os.kill(pool.pid, signal.SIGKILL)
        await until(lambda: len(found) == 2000)
        assert pool.restarts == 1

    found = run(scenario)

    assert len({key for key, _ in found}) == 2000
    assert reasons(found).count(("unjudged", "crashed")) <= 1
    assert reasons(found).count(("valid", "")) >= 1999


def test_a_killed_idle_child_is_replaced() -> None:
    async def scenario(pool: JudgePool, found: Found) -> None:
        assert pool.pid is not None
        os.kill(pool.pid, signal.SIGKILL)
        await until(lambda: pool.restarts == 1 and pool.pid is not None)
        assert pool.submit(("gen", 0), exchange(call()), 1)

    assert reasons(run(scenario)) == [("valid", "")]


def test_signals_to_the_whole_group_leave_the_child_to_its_parent() -> None:
    async def scenario(pool: JudgePool, found: Found) -> None:
        assert pool.pid is not None
        os.kill(pool.pid, signal.SIGINT)
        os.kill(pool.pid, signal.SIGTERM)
        pool.submit(("gen", 0), exchange(call()), 1)
        await until(lambda: len(found) == 1)
        assert pool.restarts == 0

    assert reasons(run(scenario)) == [("valid", "")]


CRASHES_ON_A_JOB = "import os; os.write(1, bytes(8)); os.read(0, 9); os.abort()"


def test_a_job_that_crashes_the_child_is_not_tried_again() -> None:
    async def scenario(pool: JudgePool, found: Found) -> None:
        for owner in range(3):
            pool.submit(("gen", owner), exchange(call()), owner)
        await until(lambda: len(found) == 3)
        assert pool.crashes == 3

    found = run(scenario, command=(sys.executable, "-c", CRASHES_ON_A_JOB))

    assert reasons(found) == [("unjudged", "crashed")] * 3


@pytest.mark.parametrize("turns", range(8))
def test_can_be_stopped_in_the_moment_its_child_becomes_ready(
    monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    first_word = asyncio.Event()
    received = Child.pipe_data_received

    def receiving(child: Child, fd: int, data: bytes) -> None:
        received(child, fd, data)
        first_word.set()

    monkeypatch.setattr(Child, "pipe_data_received", receiving)

    async def main() -> None:
        pool = JudgePool(on_judgement=lambda *_: None)
        starting = asyncio.create_task(pool.start())
        await first_word.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await pool.stop(0)
        starting.cancel()

    asyncio.run(main())


def test_an_answer_that_makes_no_sense_is_no_verdict() -> None:
    babble = (
        "import os; os.write(1, bytes(8)); os.read(0, 9); os.write(1, b'\\2' + bytes(7) + b'[]')"
    )

    async def scenario(pool: JudgePool, found: Found) -> None:
        pool.submit(("gen", 0), exchange(call()), 1)
        await until(lambda: len(found) == 1)

    found = run(scenario, command=(sys.executable, "-c", babble))

    assert reasons(found) == [("unjudged", "unreadable")]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("/nonexistent/python",), id="no such program"),
        pytest.param((sys.executable, "-c", "raise SystemExit(3)"), id="ends at once"),
    ],
)
def test_a_child_that_cannot_start_leaves_jobs_unjudged(command: tuple[str, ...]) -> None:
    async def scenario(pool: JudgePool, found: Found) -> None:
        assert not pool.submit(("gen", 0), exchange(call()), 1)

    assert reasons(run(scenario, command=command)) == [("unjudged", "judge_down")]


def test_recovers_once_the_child_can_start() -> None:
    async def scenario(pool: JudgePool, found: Found) -> None:
        assert not pool.submit(("gen", 0), exchange(call()), 1)
        pool._command = pool_module._COMMAND
        await until(lambda: pool.pid is not None)
        assert pool.submit(("gen", 1), exchange(call()), 1)

    found = run(scenario, command=("/nonexistent/python",))

    assert reasons(found) == [("unjudged", "judge_down"), ("valid", "")]


def test_what_is_left_at_the_end_is_told() -> None:
    found: Found = []

    async def main() -> None:
        pool = JudgePool(
            on_judgement=lambda key, judgement: found.append((key, judgement)),
            wall_s=60,
            command=STALLING,
        )
        await pool.start()
        pool.submit(("gen", 0), STALL, 1)
        pool.submit(("gen", 1), exchange(call()), 1)
        await pool.stop(0.05)
        pool.submit(("gen", 2), exchange(call()), 1)

    asyncio.run(main())

    assert reasons(found) == [("unjudged", "stopped")] * 2 + [("unjudged", "judge_down")]


def test_a_listener_that_fails_stops_nothing() -> None:
    seen: list[JobKey] = []

    def listener(key: JobKey, judgement: Judgement) -> None:
        seen.append(key)
        raise RuntimeError(judgement.verdict)

    async def main() -> None:
        pool = JudgePool(on_judgement=listener, wall_s=20)
        await pool.start()
        for number in range(5):
            pool.submit(("gen", number), exchange(call()), 1)
        await pool.stop(30)

    asyncio.run(main())

    assert len(seen) == 5


def test_works_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")
    found: Found = []

    async def main() -> None:
        pool = JudgePool(
            on_judgement=lambda key, judgement: found.append((key, judgement)),
            wall_s=1.5,
            command=STALLING,
        )
        await pool.start()
        pool.submit(("gen", 0), STALL, 2)
        for number in range(1, 200):
            pool.submit(("gen", number), exchange(call()), 1)
        await pool.stop(30)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())

    assert reasons(found) == [("unjudged", "timeout")] + [("valid", "")] * 199
