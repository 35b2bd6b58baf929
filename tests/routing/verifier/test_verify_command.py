"""`manage.py verify`: what it takes, what it refuses, and what it says."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from routing.limits import Limits
from telemetry.models import BenchmarkRun, VerifierRun
from tests.catalog_rows import make_endpoint
from tests.routing.verifier.rig import MODEL, Script, calls, make_fleet
from tests.scripted_upstream import ScriptedUpstream
from tests.telemetry.benchmarks.made_up import jsonl, row

pytestmark = pytest.mark.django_db


def write(script: Script, folder: Path) -> str:
    path = folder / "set.jsonl"
    path.write_bytes(jsonl(script.lines))
    return str(path)


def test_it_verifies_an_endpoint_and_says_the_figures(
    limits: Limits, upstream: ScriptedUpstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_fleet(upstream, "amber", "basalt")
    script = Script(upstream, 3)
    script.answers("amber", calls(), numbers=[1, 2])
    script.answers("amber", calls("{}"), numbers=[3])

    call_command("verify", MODEL, "--endpoint", "amber", "--set", write(script, tmp_path))

    said = capsys.readouterr().out
    assert "set.jsonl (3 requests, " in said
    assert "6 requests." in said
    assert "schema_accuracy          0.6667 (" in said
    assert "of 6 requests\n" in said
    assert [seen[0] for seen in script.seen()] == ["amber"] * 6


def test_it_goes_on_with_a_run_that_waited(
    limits: Limits, upstream: ScriptedUpstream, tmp_path: Path, settings: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    make_fleet(upstream, "amber")
    script = Script(upstream, 3)
    settings.LIMITS = replace(limits, verify_requests=2)
    file = write(script, tmp_path)
    call_command("verify", MODEL, "--set", file)
    assert "waits for today's budget of 2 requests" in capsys.readouterr().out

    settings.LIMITS = limits
    call_command("verify", MODEL, "--set", file)

    assert "Going on with run" in capsys.readouterr().out
    assert len(script.seen()) == len(set(script.seen())) == 6
    assert VerifierRun.objects.get().state == "finished"


def test_a_recorded_reference_is_a_results_file_of_this_set(
    limits: Limits, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    make_fleet(upstream, "amber")
    script = Script(upstream, 2)
    script.answers("amber", calls())
    answers = tmp_path / "official.jsonl"
    asked = [{"request": line, "data_index": at} for at, line in enumerate(script.lines, start=1)]
    answers.write_bytes(
        jsonl([row(1) | asked[0], row(2, None) | {"finish_reason": "stop"} | asked[1]])
    )

    call_command("verify", MODEL, "--set", write(script, tmp_path), "--reference", str(answers))

    figures = {one.metric: one.value for one in BenchmarkRun.objects.get().results.all()}
    assert figures["trigger_precision"] == 0.5
    with pytest.raises(CommandError, match="not of this request set"):
        call_command("verify", MODEL, "--reference", str(answers))


def test_a_shell_without_a_credential_leaves_a_run_to_who_has_it(
    limits: Limits, upstream: ScriptedUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_fleet(upstream, "amber", "basalt")
    command = ["verify", MODEL, "--set", write(Script(upstream, 2), tmp_path)]
    call_command(*command, "--order-only")
    monkeypatch.delenv("BASALT_API_KEY")

    with pytest.raises(CommandError) as refused:
        call_command(*command)

    assert "basalt is left out: environment variable BASALT_API_KEY is not set" in str(
        refused.value
    )
    assert str(refused.value).endswith("Nothing was sent.")
    run = VerifierRun.objects.get()
    assert (run.state, run.probes.filter(state="waiting").count()) == ("open", 8)


def test_the_work_can_be_left_to_the_worker(limits: Limits) -> None:
    make_endpoint()

    call_command("verify", MODEL, "--order-only")

    assert VerifierRun.objects.get().probes.filter(state="waiting").count() == 108


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["acme/none"], "There is no model acme/none. Write author/slug."),
        ([MODEL, "--endpoint", "zinc"], f"{MODEL} has no endpoint zinc. It has: cobalt."),
        ([MODEL, "--reference", "zinc"], f"{MODEL} has no endpoint zinc."),
        ([MODEL, "--set", "/none.jsonl"], "/none.jsonl cannot be read: No such file"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    limits: Limits, arguments: list[str], told: str
) -> None:
    make_endpoint()

    with pytest.raises(CommandError) as refused:
        call_command("verify", *arguments)

    assert told in str(refused.value)


def test_a_set_that_the_gateway_would_refuse_is_refused_before_anything_is_sent(
    limits: Limits, tmp_path: Path
) -> None:
    make_endpoint()
    line = {"messages": [{"role": "user"}], "tools": [{"function": {"name": "no name"}}]}
    file = tmp_path / "set.jsonl"
    file.write_text(json.dumps(line))

    with pytest.raises(CommandError) as refused:
        call_command("verify", MODEL, "--set", str(file))

    assert "set.jsonl: request 1: tools[0].function.name: 1 to 64 letters" in str(refused.value)
    assert str(refused.value).endswith("Nothing was sent.")
    assert not VerifierRun.objects.exists()
