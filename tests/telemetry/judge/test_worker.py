import subprocess
import sys

import pytest

from providers.chat import ToolCall
from telemetry.judge.limits import JudgeLimits, encode_options
from telemetry.judge.rules import Judgement, judge
from telemetry.judge.validators import ValidatorCache
from telemetry.judge.worker import (
    decode_job,
    decode_judgement,
    encode_job,
    encode_judgement,
    split_frames,
)
from tests.telemetry.judge.exchanges import call, exchange


def run(frames: bytes, program: list[str] | None = None) -> tuple[list[Judgement], int]:
    command = program or ["-m", "telemetry.judge.worker"]
    done = subprocess.run([sys.executable, *command], input=frames, capture_output=True, timeout=30)
    bodies = [body for body, _ in split_frames(bytearray(done.stdout))]
    assert bodies[0] == b""
    return [decode_judgement(body) for body in bodies[1:]], done.returncode


def test_a_job_survives_its_frame() -> None:
    original = exchange(call(id="1"), call(arguments=""), content="Hi", finish_reason=None)

    (frame,) = split_frames(bytearray(encode_job(original, 7, False)))

    assert decode_job(*frame) == (original, 7, False)


def test_a_judgement_survives_its_frame() -> None:
    original = judge(exchange(call("nope"), call(arguments="{")), ValidatorCache())

    (frame,) = split_frames(bytearray(encode_judgement(original)))

    assert decode_judgement(frame[0]) == original


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(call(arguments={"a": object()}), id="not JSON"),
        pytest.param(call(arguments='{"city": "\ud800"}'), id="surrogate"),
        pytest.param(call(name="\udfff"), id="surrogate in the name"),
        pytest.param(ToolCall("i", "get_weather", "{", oversized=True), id="cut"),
    ],
)
def test_odd_calls_are_judged_the_same_behind_a_frame(odd: ToolCall) -> None:
    original = exchange(odd, content="\ud800")

    (frame,) = split_frames(bytearray(encode_job(original, 0, True)))

    received, _, _ = decode_job(*frame)
    assert judge(received, ValidatorCache()) == judge(original, ValidatorCache())


def test_frames_may_come_in_pieces() -> None:
    stream = encode_job(exchange(call()), 1, True) * 3
    buffer, found = bytearray(), 0

    for start in range(0, len(stream), 7):
        buffer += stream[start : start + 7]
        found += len(list(split_frames(buffer)))

    assert (found, len(buffer)) == (3, 0)


def test_answers_in_order_and_ends_with_its_input() -> None:
    calls = [call(), call("nope"), call(arguments="{}"), call(arguments="")]
    frames = b"".join(encode_job(exchange(one), 1, True) for one in calls)

    judgements, status = run(frames)

    expected = ["valid", "unknown_name", "schema_mismatch", "invalid_json"]
    assert [judgement.verdict for judgement in judgements] == expected
    assert status == 0


def test_a_half_frame_at_the_end_is_no_job() -> None:
    frame = encode_job(exchange(call()), 1, True)

    judgements, status = run(frame + frame[:-1])

    assert (len(judgements), status) == (1, 0)


def test_knows_nothing_of_django_and_has_little_memory() -> None:
    program = (
        "import resource, sys; from telemetry.judge import worker; worker.main();"
        "assert not {'django', 'rest_framework', 'celery', 'aiohttp'} & set(sys.modules);"
        "assert resource.getrlimit(resource.RLIMIT_AS)[0] == 300_000_000;"
        "assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0"
    )

    options = encode_options(JudgeLimits(memory_bytes=300_000_000), formats=False)

    judgements, status = run(encode_job(exchange(call()), 1, True), ["-c", program, options])

    assert (len(judgements), status) == (1, 0)


def test_judges_within_the_limits_it_is_started_with() -> None:
    limits = JudgeLimits(argument_bytes=10)
    options = encode_options(limits, formats=False)
    frames = b"".join(encode_job(exchange(call("ping", " " * n + "{}")), 1, True) for n in (8, 9))

    judgements, _ = run(frames, ["-m", "telemetry.judge.worker", options])

    assert [one.verdict for one in judgements] == ["valid", "unjudged"]
    assert judgements[1].reason == "arguments_too_large"


def test_ends_by_itself_when_a_job_never_ends() -> None:
    program = (
        "from telemetry.judge import worker; worker.LAST_RESORT_S = 0.05;"
        "worker.judge = lambda *args, **kwargs: [None for _ in iter(int, 1)]; worker.main()"
    )

    judgements, status = run(encode_job(exchange(call()), 1, True), ["-c", program])

    assert judgements == []
    assert status < 0
