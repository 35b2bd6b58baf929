from collections import Counter
from random import Random
from statistics import median

import pytest

from providers.simulator.planning import drawn_faults, plan, time_to_first_token
from tests.providers.simulator.rehearsal import TOOLS, chat, endpoint


def test_a_drawn_fault_has_exactly_its_probability() -> None:
    flaky = endpoint(faults={"stall": 0.2, "schema_mismatch": 0.1}, error_rate=0.3)
    rng = Random(1)

    drawn = Counter(" ".join(map(str, drawn_faults(flaky, rng))) for _ in range(20_000))

    assert drawn["stall:3600"] / 20_000 == pytest.approx(0.2, abs=0.015)
    assert drawn["schema_mismatch"] / 20_000 == pytest.approx(0.1, abs=0.015)
    assert drawn[""] / 20_000 == pytest.approx(0.4, abs=0.015)
    assert {"http_500", "http_502", "http_503"} < set(drawn)


def test_a_forced_fault_beats_the_fleets() -> None:
    broken = endpoint(error_rate=1)

    forced = plan(chat("[[fault:html_200]]"), broken, Random(1), created=0)
    healthy = plan(chat("[[fault:none]]"), broken, Random(1), created=0)

    assert [str(injected) for injected in forced.faults] == ["html_200"]
    assert healthy.faults == ()


def test_a_forced_call_fault_makes_the_model_call() -> None:
    shy = endpoint(propensity=0)

    forced = plan(chat("[[fault:invalid_json]]", tools=TOOLS), shy, Random(1), created=0)
    drawn = plan(
        chat(tools=TOOLS), endpoint(propensity=0, faults={"invalid_json": 1}), Random(1), created=0
    )

    assert [str(injected) for injected in forced.faults] == ["invalid_json"]
    assert drawn.faults == ()


def test_an_answer_fault_and_a_delivery_fault_combine() -> None:
    text = "[[fault:schema_mismatch]][[fault:cut_after_tokens:2]][[fault:reset]]"

    chosen = plan(chat(text, tools=TOOLS), endpoint(), Random(1), created=0)

    assert [str(f) for f in chosen.faults] == ["schema_mismatch", "cut_after_tokens:2"]


def test_a_stream_only_fault_does_not_show_without_a_stream() -> None:
    text = "[[fault:no_done]]"

    assert plan(chat(text), endpoint(), Random(1), created=0).faults == ()
    assert plan(chat(text, stream=True), endpoint(), Random(1), created=0).faults


def test_the_first_token_takes_its_median_time() -> None:
    rng = Random(1)
    spread = endpoint(ttft_ms={"median": 200, "spread": 0.5})

    times = [time_to_first_token(spread, rng) for _ in range(5000)]

    assert median(times) == pytest.approx(0.2, rel=0.05)
    assert min(times) > 0
    assert time_to_first_token(endpoint(ttft_ms={"median": 80, "spread": 0}), rng) == 0.08


def test_a_delay_adds_to_the_first_token() -> None:
    fixed = endpoint(ttft_ms={"median": 80, "spread": 0})

    chosen = plan(chat("[[delay_ms:200]][[fault:stall:3]]"), fixed, Random(1), created=0)

    assert chosen.program.delay == pytest.approx(3.28)
