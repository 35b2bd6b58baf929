"""tau2-bench results: who broke a simulation, and what the others say."""

import json
from typing import Any

import pytest

from telemetry.benchmarks.bundle import open_bundle
from telemetry.benchmarks.errors import NoEvidence, ResultError, Unreadable
from telemetry.benchmarks.formats import read
from tests.telemetry.benchmarks.made_up import broken, figure, read_one, simulation, tau2_run

RUN = "/venv/src/tau2/runner/batch.py:run_single_task"
AGENT = "/venv/src/tau2/agent/llm_agent.py:generate_next_message"
USER = "/venv/src/tau2/user/user_simulator.py:generate_next_message"
CALL = "/venv/src/tau2/utils/llm_utils.py:generate"
JUDGE = "/venv/src/tau2/evaluator/evaluator_nl_assertions.py:evaluate_nl_assertions"
JSON = "/python/lib/python3.12/json/decoder.py:raw_decode"
OPENAI = "/venv/lib/openai/_base_client.py:request"


BROKEN_BY_OTHERS = {
    "the judge's JSON": ("JSONDecodeError", [RUN, JUDGE, JSON], "judge failed"),
    "the judge is away": ("APIConnectionError", [RUN, JUDGE, CALL, OPENAI], "judge failed"),
    "the user": ("JSONDecodeError", [RUN, USER, CALL, JSON], "user simulator failed"),
    "refused": ("APIConnectionError", [RUN, AGENT, CALL, OPENAI], "no answer"),
    "too many requests": ("RateLimitError", [RUN, AGENT, CALL, OPENAI], "no answer"),
    "a library": ("TypeError", [RUN, AGENT, CALL, OPENAI], "client library failed"),
    "HTTP body": ("JSONDecodeError", [RUN, AGENT, CALL, OPENAI, JSON], "client library failed"),
    "no traceback": ("JSONDecodeError", [], "broke for an unknown reason"),
}


@pytest.mark.parametrize(
    ("kind", "frames", "reason"), BROKEN_BY_OTHERS.values(), ids=BROKEN_BY_OTHERS
)
def test_what_others_broke_is_left_out_and_counted(
    kind: str, frames: list[str], reason: str
) -> None:
    run = tau2_run(simulation("0", 0), broken("0", 1, kind, *frames), trials=2)

    reading = read_one(run)

    assert reading.excluded == {reason: 1}
    assert reading.failures == 0
    assert figure(reading, "pass^1").value == 1.0


@pytest.mark.parametrize("kind", ["JSONDecodeError", "ValidationError"])
def test_a_malformed_call_filed_under_infrastructure_is_the_provider_s(kind: str) -> None:
    run = tau2_run(simulation("0", 0), broken("0", 1, kind, RUN, AGENT, CALL, JSON), trials=2)

    reading = read_one(run)

    assert reading.excluded == {}
    assert (reading.tool_calls, reading.failures) == (2, 1)
    assert figure(reading, "invalid_json_rate").value == 0.5
    assert figure(reading, "pass^1").value == 0.5
    assert figure(reading, "pass^2").value == 0.0
    assert (figure(reading, "avg_reward").value, figure(reading, "avg_reward").sample) == (1.0, 1)
    assert "1 simulations broke on a malformed tool call" in reading.remarks[0]


def test_a_provider_that_breaks_every_call_fails_rather_than_vanishes() -> None:
    dead = [broken("0", trial, "JSONDecodeError", RUN, AGENT, CALL, JSON) for trial in range(2)]

    reading = read_one(tau2_run(*dead, trials=2))

    assert (reading.tool_calls, reading.failures) == (2, 2)
    assert figure(reading, "pass^1").value == 0.0
    assert "avg_reward" not in {one.metric for one in reading.figures}


def test_an_endpoint_that_was_never_reached_has_no_score() -> None:
    dead = [broken("0", 0, "APIConnectionError", RUN, AGENT, CALL, OPENAI)]

    with pytest.raises(NoEvidence, match="1 x no answer"):
        read_one(tau2_run(*dead))


def test_a_user_simulator_that_gave_up_is_left_out() -> None:
    gave_up = simulation("0", 1, 0.0, termination_reason="user_error")

    reading = read_one(tau2_run(simulation("0", 0), gave_up, trials=2))

    assert reading.excluded == {"user simulator failed": 1}
    assert figure(reading, "pass^1").value == 1.0


def test_pass_k_is_that_of_the_paper() -> None:
    trials = [simulation("0", trial, float(trial < 3)) for trial in range(4)]
    trials += [simulation("1", trial, 1.0) for trial in range(4)]
    reading = read_one(tau2_run(*trials, tasks=2, trials=4))

    passed = [figure(reading, f"pass^{k}").value for k in range(1, 5)]
    assert passed == pytest.approx([(3 / 4 + 1) / 2, (3 / 6 + 1) / 2, (1 / 4 + 1) / 2, 1 / 2])
    assert figure(reading, "pass^1").sample == 2


def tool_error(said: str) -> dict[str, Any]:
    changed = simulation("0", 0)
    changed["messages"][3] |= {"content": said, "error": True}
    return tau2_run(changed)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Error: Tool 'get_ordre' not found.", "unknown_name"),
        ("Error: Tools.get_order() got an unexpected keyword argument 'x'", "schema_mismatch"),
        (
            "Error: Tools.get_order() missing 1 required positional argument: 'id'",
            "schema_mismatch",
        ),
    ],
)
def test_bad_calls_are_told_by_the_tool_s_answer(said: str, kind: str) -> None:
    reading = read_one(tool_error(said))

    assert (reading.replies, reading.tool_calls, reading.failures) == (2, 1, 1)
    assert figure(reading, f"{kind}_rate").value == 1.0


def test_an_answer_such_as_order_not_found_is_no_bad_call() -> None:
    assert read_one(tool_error("Error: Order not found")).failures == 0


def test_the_key_in_the_file_goes_nowhere() -> None:
    reading = read_one(tau2_run(simulation("0", 0)))

    assert "sk-secret" not in repr(reading)
    assert (reading.subject, reading.pinned_to) == ("openai/acme/falcon-1", ("cobalt",))


def test_a_run_that_is_cut_short_or_mixed_is_refused() -> None:
    with pytest.raises(NoEvidence, match="1 simulations, 2 tasks of 1 trials"):
        read_one(tau2_run(simulation("0", 0), tasks=2))
    with pytest.raises(NoEvidence, match="0 simulations"):
        read_one(tau2_run())
    with pytest.raises(NoEvidence, match="2 simulations, 1 tasks"):
        read_one(tau2_run(simulation("0", 0), simulation("0", 0)))


def test_a_simulation_that_is_there_twice_stands_for_no_other() -> None:
    with pytest.raises(Unreadable, match="task 0, trial 0 is there twice"):
        read_one(tau2_run(simulation("0", 0), simulation("0", 0, 0.0), tasks=2))


def test_model_judged_runs_are_not_comparable_with_others() -> None:
    judged = simulation("0", 0)
    judged["reward_info"]["reward_basis"] = ["DB", "NL_ASSERTION"]

    plain, by_model = read_one(tau2_run(simulation("0", 0))), read_one(tau2_run(judged))

    assert plain.request_set == by_model.request_set
    assert plain.judge == "user openai/user-1"
    assert by_model.judge == "user openai/user-1; assertions gpt-4.1-2025-04-14"


def test_the_folder_format_of_1_x_is_read_whole() -> None:
    index = {**tau2_run(), "simulations": None}
    index["simulation_index"] = {"a": "a.json"}
    parts = [("run/results.json", json.dumps(index).encode())]

    with pytest.raises(Unreadable, match="files of their own"):
        read(open_bundle(parts))
    parts.append(("run/simulations/a.json", json.dumps(simulation("0", 0)).encode()))
    reading = read(open_bundle(parts))

    assert figure(reading, "pass^1").value == 1.0
    with pytest.raises(Unreadable, match="one simulation of a tau2-bench run"):
        read(open_bundle(parts[1:]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"info": {}}, "info.num_trials: expected a whole number, found nothing"),
        ({"simulations": {"a": 1}}, "simulations: expected an array, found an object"),
        ({"simulations": [{"task_id": "0"}]}, "reward|termination|not|simulations"),
        ({"timestamp": 5}, "timestamp: expected text, found a number"),
        ({"tasks": None}, "1 simulations, 0 tasks"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ResultError, match=told):
        read_one({**tau2_run(simulation("0", 0)), **change})


def test_a_reward_that_is_no_number_is_named() -> None:
    with pytest.raises(Unreadable, match=r"simulations\[0\]\.reward_info\.reward: expected a numb"):
        read_one(tau2_run({**simulation("0", 0), "reward_info": {"reward": "1.0"}}))


def test_what_nvidia_s_package_skipped_is_left_out_and_its_runs_are_its_own() -> None:
    judged = {"reward": 1.0, "reward_basis": ["NL_ASSERTION"]}
    ran = simulation("0", 0, skipped=False, reward_info=judged)
    skipped = simulation("1", 0, 0.0, termination_reason="agent_error", skipped=True, messages=[])

    reading = read_one(tau2_run(ran, skipped, tasks=2))

    assert figure(reading, "pass^1").sample == 1
    assert reading.excluded == {"broke for an unknown reason": 1}
    assert reading.suite_version == "0.x nvidia"
    assert reading.judge == "user openai/user-1; assertions gpt-4o-mini"
