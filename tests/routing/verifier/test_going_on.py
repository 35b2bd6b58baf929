"""What one run cannot get past holds up neither the rest of it nor other models' runs."""

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError

from routing.limits import Limits
from routing.verifier import working
from routing.verifier.working import work, work_due
from telemetry.models import BenchmarkRun, VerifierRun
from telemetry.verifier import storing
from telemetry.verifier.ordering import Order, place
from tests.catalog_rows import make_endpoint, make_model
from tests.routing.verifier.rig import Script, calls, make_fleet
from tests.scripted_upstream import ScriptedUpstream, Visit

pytestmark = pytest.mark.django_db


def order(script: Script, *endpoints: Any) -> VerifierRun:
    cause = VerifierRun.Cause.PERSON
    run, _ = place(Order(endpoints[0].model, script.requests, cause, list(endpoints)))
    return run


def skipped(run: VerifierRun) -> list[str]:
    return sorted(set(run.probes.filter(state="skipped").values_list("why_skipped", flat=True)))


def test_a_request_that_costs_more_than_a_day_may_is_left_out(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    amber, basalt = make_fleet(upstream, "amber", "basalt")
    amber.price_completion *= 1_000
    amber.save()
    script = Script(upstream, 3)
    script.answers("basalt", calls())

    run = order(script, amber, basalt)
    work(run, replace(limits, verify_usd=0.01))

    run.refresh_from_db()
    assert (run.state, run.waits_for) == ("finished", "")
    assert len(script.seen("basalt")) == 6
    assert not script.seen("amber")
    assert skipped(run) == ["one request may cost more than VERIFY_USD"]


def test_without_any_money_a_run_waits(limits: Limits, upstream: ScriptedUpstream) -> None:
    [amber] = make_fleet(upstream, "amber")

    run = order(Script(upstream, 1), amber)
    work(run, replace(limits, verify_usd=0.0))

    run.refresh_from_db()
    assert (run.state, run.waits_for) == ("open", "today's budget of $0 (VERIFY_USD)")


def test_a_request_that_the_gateway_takes_no_longer_is_left_out(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 2)
    script.answers("amber", calls())
    script.lines[1]["messages"] *= 3

    run = order(script, amber)
    work(run, replace(limits, max_messages=2))

    run.refresh_from_db()
    assert run.state == "finished"
    assert len(script.seen()) == 2
    assert skipped(run) == ["the gateway itself refuses it"]


def test_an_endpoint_whose_credential_is_missing_is_told_from_one_switched_off(
    limits: Limits, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    [amber] = make_fleet(upstream, "amber")
    monkeypatch.delenv("AMBER_API_KEY")

    run = order(Script(upstream, 1), amber)
    work(run, limits)

    assert skipped(run) == ["its credential or address is missing here"]


def test_the_longest_reference_s_name_fits_its_judge(
    limits: Limits, upstream: ScriptedUpstream, settings: Any
) -> None:
    settings.JUDGE_LENIENT, settings.JUDGE_FORMATS = False, True
    amber, basalt = make_fleet(upstream, "amber", "basalt")
    basalt.tag = f"basalt/{'x' * 120}"
    basalt.save()
    script = Script(upstream, 1)
    script.answers("amber", calls())
    script.answers("basalt", calls())
    cause = VerifierRun.Cause.PERSON

    run, _ = place(Order(amber.model, script.requests, cause, [amber], reference=basalt))
    work(run, limits)

    judges = set(BenchmarkRun.objects.values_list("judge", flat=True))
    assert len(judges) == 1
    assert len(judges.pop()) <= 120


def test_a_run_that_breaks_holds_up_no_other(
    limits: Limits, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    [amber] = make_fleet(upstream, "amber")
    other = make_endpoint(amber.provider, make_model("acme/osprey-2"))
    first, second = Script(upstream, 1), Script(upstream, 1)
    second.answers("amber", calls())
    broken, fine = order(first, other), order(second, amber)
    finish = storing.finish

    def finish_one(run: VerifierRun, at: Any) -> None:
        if run.pk == broken.pk:
            raise OperationalError("database is locked")
        finish(run, at)

    monkeypatch.setattr(storing, "finish", finish_one)

    work_due(limits)

    fine.refresh_from_db()
    broken.refresh_from_db()
    assert (fine.state, broken.state) == ("finished", "open")


def test_a_turn_that_cannot_be_renewed_once_is_kept(
    limits: Limits, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A locked database for one moment must not let a second process in."""
    [amber] = make_fleet(upstream, "amber")
    script = Script(upstream, 1)
    renewed, tries = threading.Event(), []
    renew = working.Turn.renew

    def renew_the_second_time(turn: working.Turn) -> None:
        tries.append(turn)
        if len(tries) == 1:
            raise OperationalError("database is locked")
        renew(turn)
        renewed.set()

    async def answers_when_renewed(visit: Visit) -> None:
        await asyncio.to_thread(renewed.wait, 3.0)
        await calls()(visit)

    monkeypatch.setattr(working.Turn, "renew", renew_the_second_time)
    script.answers("amber", answers_when_renewed)

    work(order(script, amber), replace(limits, verify_hold_s=0.3))

    assert renewed.is_set()


def test_a_turn_that_another_took_is_not_given_back(limits: Limits) -> None:
    late = working.Turn.take(1, replace(limits, verify_hold_s=0.0))
    other = working.Turn.take(1, limits)
    assert late is not None
    assert other is not None

    late.give_back()

    assert working.Turn.take(1, limits) is None
