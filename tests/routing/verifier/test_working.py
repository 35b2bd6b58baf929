"""Runs of the verifier against scripted providers: what is sent, once, and what is made of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils.timezone import now

from providers.models import Endpoint, Model
from routing.curation.assessment import assess
from routing.limits import Limits
from routing.models import Lease
from routing.verifier.working import work, work_due
from telemetry.counts import compare
from telemetry.evidence import load_evidence
from telemetry.ingest import ingest_all
from telemetry.models import (
    Attempt,
    BenchmarkRun,
    Generation,
    Probe,
    VerifierRun,
)
from telemetry.verifier import claims
from telemetry.verifier.ordering import Order, OrderError, Recorded, place
from tests.routing.curation.measured import requests, serve
from tests.routing.live_catalog import CREDENTIAL
from tests.routing.verifier.rig import MODEL, Script, calls, make_fleet, says
from tests.scripted_upstream import ScriptedUpstream, answer, hang
from tests.telemetry.counted import all_counters

pytestmark = pytest.mark.django_db


def order(script: Script, *endpoints: Endpoint, **fields: Any) -> VerifierRun:
    model = endpoints[0].model
    cause = fields.pop("cause", VerifierRun.Cause.PERSON)
    run, _ = place(Order(model, script.requests, cause, list(endpoints), **fields))
    return run


def figures(endpoint: Endpoint) -> dict[str, float]:
    run = BenchmarkRun.objects.get(endpoint=endpoint)
    return {one.metric: one.value for one in run.results.all()}


def test_every_request_goes_once_to_each_endpoint_in_each_mode(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    amber, basalt = make_fleet(upstream, "amber", "basalt")
    script = Script(upstream, 6)
    script.answers("amber", calls())
    script.answers("basalt", calls('{"town": "Oslo"}'))

    run = order(script, amber, basalt)
    assert work(run, limits)

    sent = script.seen()
    assert len(sent) == len(set(sent)) == 6 * 2 * 2
    run.refresh_from_db()
    assert run.state == "finished"
    good, bad = (BenchmarkRun.objects.get(endpoint=one) for one in (amber, basalt))
    assert (good.requests, good.tool_calls, good.failures) == (12, 12, 0)
    assert (bad.requests, bad.tool_calls, bad.failures) == (12, 12, 12)
    assert good.suite == "assay-verifier"
    assert good.request_set == bad.request_set == script.requests.digest
    assert bad.pk in good.comparable_with().values_list("pk", flat=True)
    assert figures(basalt)["schema_mismatch_rate"] == 1
    assert figures(amber)["success"] == 1


def test_a_probe_looks_like_a_callers_request(limits: Limits, upstream: ScriptedUpstream) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 1, user="verifier", metadata={"run": "1"}, temperature=0.3)

    work(order(script, amber), limits)

    whole, streamed = sorted(script.visits(), key=lambda visit: "stream" in visit.body)
    asked = script.lines[0]
    common = {"messages", "tools", "temperature", "max_tokens"}
    assert whole.body == {name: asked[name] for name in common} | {"model": "falcon-1"}
    assert streamed.body["stream_options"] == {"include_usage": True}
    assert whole.headers["authorization"] == f"Bearer {CREDENTIAL}-amber"
    assert set(whole.headers) == {
        "host", "content-type", "accept", "accept-encoding", "authorization", "content-length"
    }  # fmt: skip


def test_a_run_changes_no_counter_vote_bill_or_score(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    amber, basalt = make_fleet(upstream, "amber", "basalt")
    at = now()
    serve(
        settings.SPOOL_DIR,
        requests(amber, good=60, bad=3),
        requests(basalt, good=60),
    )
    before, scores = all_counters(), scored_at(at)
    evidence = load_evidence(amber.model_id, at)
    script = Script(upstream, 4)
    script.answers("amber", calls("no JSON"))

    work(order(script, amber, basalt), limits)
    ingest_all(settings.SPOOL_DIR)

    probes = Attempt.objects.filter(endpoint=amber, benchmark=True)
    assert probes.count() == 8
    assert not probes.exclude(scored=False, stratum=None, slot=None).exists()
    assert {one.verdict for one in probes} == {"invalid_json"}
    assert Generation.objects.count() == 123
    assert all_counters() == before
    assert compare() == {}
    after = load_evidence(amber.model_id, at)
    assert (after.counts == evidence.counts).all()
    assert (after.recorded == evidence.recorded).all()
    assert (after.votes, after.owners) == (evidence.votes, evidence.owners)
    # What a run may change is evidence of its own kind, and that it does.
    assert load_evidence(amber.model_id, now()).told(0).failures == 8
    assert scored_at(at) == scores


def scored_at(at: datetime) -> tuple[str, str]:
    """Return all that goes into the model's scores as of a moment, and all that comes out."""
    assessment = assess(Model.objects.get(), "exacto", at)
    return assessment.inputs_hash(), repr(assessment.result.endpoints)


def test_an_unreachable_endpoint_is_no_failure_and_no_success(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    amber, basalt = make_fleet(upstream, "amber", "basalt")
    basalt.provider.base_url = "http://127.0.0.1:9/v1"
    basalt.provider.save()
    script = Script(upstream, 5)
    script.answers("amber", calls())

    run = order(script, amber, basalt)
    work(run, replace(limits, verify_lanes=1))

    assert BenchmarkRun.objects.filter(endpoint=amber).exists()
    assert not BenchmarkRun.objects.filter(endpoint=basalt).exists()
    why = run.verdicts.get(endpoint=basalt).why_none
    assert "5 x unreachable" in why
    assert "were not sent: unreachable, 5 times in a row" in why


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "credential refused"), (404, "model not found there"), (400, "request refused"),
     (429, "rate limited")],
)  # fmt: skip
def test_what_is_ours_or_the_catalogues_is_told_from_the_providers(
    limits: Limits, upstream: ScriptedUpstream, status: int, reason: str
) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 3)
    script.answers("amber", answer({"error": {"message": "no"}}, status))

    run = order(script, amber)
    work(run, limits)

    assert not BenchmarkRun.objects.exists()
    assert reason in run.verdicts.get().why_none


def test_a_server_error_is_the_providers_failure(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 4)
    script.answers("amber", calls(), numbers=[1, 2, 3])
    script.answers("amber", answer({"error": {"message": "no"}}, 500), numbers=[4])

    work(order(script, amber), limits)

    assert figures(amber)["success"] == 0.75
    assert BenchmarkRun.objects.get().failures == 0


def test_a_broken_judge_costs_nothing_and_says_nothing(
    limits: Limits, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 2)

    run = order(script, amber)
    monkeypatch.setattr("telemetry.judge.pool.Child.start", _does_not_start)
    work(run, limits)

    run.refresh_from_db()
    assert script.seen() == []
    assert run.state == "open"
    assert "a judge" in run.waits_for


async def _does_not_start(*_: object) -> None:
    raise ChildProcessError


def test_replies_nobody_judged_are_no_evidence(
    limits: Limits, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 3)
    script.answers("amber", calls())
    monkeypatch.setattr(
        "telemetry.judge.pool.JudgePool.submit",
        lambda pool, key, *_, **_options: pool._refuse(key, "judge_down"),
    )

    run = order(script, amber)
    work(run, limits)

    assert not BenchmarkRun.objects.exists()
    assert run.verdicts.get().why_none == "No evidence: of 6 requests 6 x not judged."


def test_what_breaks_on_our_side_is_ours(
    limits: Limits, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    [amber] = make_fleet(upstream, "amber")

    async def broken(*_: object) -> None:
        raise TypeError("got an unexpected keyword argument")

    monkeypatch.setattr("routing.gateway.attempt.Attempt.answer", broken)
    monkeypatch.setattr("routing.gateway.attempt.Attempt.open_stream", broken)
    run = order(Script(upstream, 2), amber)
    work(run, limits)

    assert run.verdicts.get().why_none == "No evidence: of 4 requests 4 x our own fault."


def test_a_time_out_counts_with_all_it_may_have_cost(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 1)
    script.answers("amber", hang)

    work(order(script, amber), replace(limits, verify_answer_s=0.5))

    for probe in Probe.objects.all():
        assert probe.cost_pico is None
        assert probe.reserved_pico > 100 * 2_500_000  # 100 tokens of answer
    assert figures(amber)["success"] == 0


# Who says when to call ---------------------------------------------------------------------


def test_a_reference_endpoint_takes_part_and_is_not_measured_by_itself(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    amber, basalt = make_fleet(upstream, "amber", "basalt")
    script = Script(upstream, 4)
    script.answers("amber", calls(), numbers=[1, 2, 3])
    script.answers("basalt", calls(), numbers=[1, 2, 4])

    work(order(script, basalt, reference=amber), limits)

    found = figures(basalt)
    assert found["trigger_precision"] == found["trigger_recall"] == pytest.approx(2 / 3)
    assert found["tool_call_f1"] == pytest.approx(2 / 3)
    assert "tool_call_f1" not in figures(amber)
    assert BenchmarkRun.objects.get(endpoint=basalt).judge.endswith("reference amber")


def test_a_recorded_reference_says_it_for_both_modes(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 3)
    script.answers("amber", calls(), numbers=[1, 2])
    recorded = Recorded("abc", {1: True, 2: False, 3: None})

    work(order(script, amber, reference=recorded), limits)

    assert figures(amber)["trigger_precision"] == 0.5
    assert figures(amber)["trigger_recall"] == 1
    assert "recorded abc" in BenchmarkRun.objects.get().judge


def test_labels_say_it_where_there_is_no_other(limits: Limits, upstream: ScriptedUpstream) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 2)
    script.lines[0]["expect"], script.lines[1]["expect"] = "call", "no_call"
    script.answers("amber", calls())

    work(order(script, amber), limits)

    assert figures(amber)["trigger_precision"] == 0.5


def test_forced_choices_are_measured_by_themselves(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 3, tool_choice="required")
    script.answers("amber", calls(), numbers=[1, 2])
    script.answers("amber", says(), numbers=[3])

    work(order(script, amber), limits)

    assert figures(amber)["tool_choice_compliance"] == pytest.approx(2 / 3)
    assert figures(amber)["tool_choice_violated_rate"] == pytest.approx(1 / 3)
    assert "tool_call_f1" not in figures(amber)


def test_who_is_not_told_of_a_choice_need_not_obey_it(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    [amber] = make_fleet(upstream, "amber", supported_parameters=["tools", "max_tokens"])
    script = Script(upstream, 3)
    script.lines[0]["tool_choice"] = "none"
    script.answers("amber", calls())

    run = order(script, amber)
    work(run, limits)

    assert len(script.seen()) == 4
    assert run.probes.filter(state="skipped").count() == 2
    assert BenchmarkRun.objects.get().remarks == [
        "2 requests were not sent: the endpoint does not take it (tool_choice)."
    ]


# Budgets -----------------------------------------------------------------------------------


def test_a_day_has_so_many_requests_and_the_next_goes_on(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 5)
    script.answers("amber", calls())
    few = replace(limits, verify_requests=4)

    run = order(script, amber)
    work(run, few)
    run.refresh_from_db()
    assert len(script.seen()) == 4
    assert (run.state, run.waits_for) == (
        "open",
        "today's budget of 4 requests (VERIFY_REQUESTS)",
    )
    work(run, few)
    assert len(script.seen()) == 4

    Probe.objects.filter(state="done").update(sent_at=now() - timedelta(days=1))
    work(run, few)
    Probe.objects.filter(state="done").update(sent_at=now() - timedelta(days=1))
    work(run, few)
    run.refresh_from_db()
    assert run.state == "finished"
    assert len(script.seen()) == len(set(script.seen())) == 10


def test_a_day_has_so_much_money(limits: Limits, upstream: ScriptedUpstream) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 6)
    script.answers("amber", calls())
    # A probe may cost 100 tokens of answer, and costs 100 of prompt and 20 of answer: $0.00011.
    little = replace(limits, verify_usd=0.0008, verify_lanes=1)

    run = order(script, amber)
    work(run, little)

    run.refresh_from_db()
    spent = claims.used(amber.model_id, now())
    assert 0 < spent.requests < 12
    assert spent.pico <= 0.0008 * 10**12
    assert spent.pico == spent.requests * 110_000_000
    assert "$0.0008 (VERIFY_USD)" in run.waits_for


# Turns and ends ----------------------------------------------------------------------------


def test_one_process_works_on_a_model_at_a_time(limits: Limits, upstream: ScriptedUpstream) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 1)
    run = order(script, amber)
    Lease.take(f"verify {amber.model_id}", at=now(), every=timedelta(0), hold=timedelta(seconds=30))

    assert not work(run, limits)
    assert script.seen() == []


def test_what_was_under_way_in_a_killed_process_is_unknown_and_not_sent_again(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 4)
    script.answers("amber", calls())
    run = order(script, amber)
    lost = claims.waiting(run)
    assert lost is not None
    assert claims.claim(lost, generation_id="gen-x", reserve=7, at=now())
    assert not claims.claim(lost, generation_id="gen-y", reserve=7, at=now())

    work(run, limits)

    lost.refresh_from_db()
    assert (lost.state, lost.generation_id) == ("unknown", "gen-x")
    assert len(script.seen()) == 7
    assert claims.used(amber.model_id, now()).requests == 8
    assert BenchmarkRun.objects.get().excluded == {"outcome unknown": 1}


def test_a_stopped_run_sends_no_more_and_leaves_no_evidence(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 4)
    script.answers("amber", calls())
    run = order(script, amber)

    sent = 0

    def stop_soon() -> None:
        nonlocal sent
        sent += 1
        if sent == 2:
            assert claims.stop(run, now())

    work(run, replace(limits, verify_lanes=1), on_progress=stop_soon)

    assert len(script.seen()) == 2
    assert not BenchmarkRun.objects.exists()
    assert not claims.stop(run, now())


def test_the_same_order_twice_is_one_run(limits: Limits, upstream: ScriptedUpstream) -> None:
    amber, basalt = make_fleet(upstream, "amber", "basalt")
    script = Script(upstream, 2)

    assert order(script, amber) == order(script, amber)
    assert order(script, basalt) != order(script, amber)


def test_an_endpoint_without_tools_or_switched_off_is_refused(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    [amber] = make_fleet(upstream, "amber", enabled=False)

    with pytest.raises(OrderError, match="switched off"):
        order(Script(upstream, 1), amber)


def test_an_endpoint_switched_off_meanwhile_is_not_asked(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 3)
    run = order(script, amber)
    Endpoint.objects.filter(pk=amber.pk).update(enabled=False)

    work(run, limits)

    assert script.seen() == []
    assert "not in service" in run.verdicts.get().why_none


def test_the_worker_goes_on_with_what_people_wait_for_first(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    [amber] = make_fleet(upstream, "amber")
    scripts = [Script(upstream, 1), Script(upstream, 1)]
    scheduled = order(scripts[0], amber, cause=VerifierRun.Cause.SCHEDULE)
    asked_for = order(scripts[1], amber, cause=VerifierRun.Cause.FIX)

    assert claims.open_runs() == [asked_for, scheduled]
    assert work_due(limits) == 2
    assert set(VerifierRun.objects.values_list("state", flat=True)) == {"finished"}
    assert work_due(limits) == 0
    assert asked_for.model.slug == MODEL
