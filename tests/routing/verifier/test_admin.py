"""The verifier in the admin: who may order runs, what their page tells, and stopping them."""

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from providers.models import Endpoint
from routing.limits import Limits
from routing.models import Quarantine
from routing.verifier.working import work
from telemetry.models import BenchmarkRun, VerifierRun
from telemetry.verifier.ordering import Order, place
from telemetry.verifier.request_set import own_set
from tests.admin_people import curator, newcomer
from tests.catalog_rows import make_endpoint
from tests.routing.test_admin import messages_of
from tests.routing.verifier.rig import Script, calls, make_fleet
from tests.scripted_upstream import ScriptedUpstream, answer

pytestmark = pytest.mark.django_db
ADD = "/admin/telemetry/verifierrun/add/"


def page(run: VerifierRun) -> str:
    return reverse("admin:telemetry_verifierrun_change", args=[run.pk])


def onlooker() -> Client:
    """May see runs, and not order any."""
    user = User.objects.create_user("vera", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_verifierrun"))
    client = Client()
    client.force_login(user)
    return client


def test_a_curator_orders_a_run_of_one_endpoint_that_claims_a_fix() -> None:
    endpoint, _ = make_endpoint("cobalt"), make_endpoint("zinc")
    client = curator()

    form = client.get(f"{ADD}?endpoint={endpoint.pk}&cause=fix").text
    assert f'value="{endpoint.pk}" selected' in form
    assert "(VERIFY_USD)" in form
    answer = client.post(ADD, {"endpoints": [endpoint.pk], "cause": "fix"}, follow=True)

    run = VerifierRun.objects.get()
    assert (run.cause, run.asked_by, run.model) == ("fix", "carl", endpoint.model)
    assert {probe.endpoint_id for probe in run.probes.all()} == {endpoint.pk}
    assert "The worker begins" in messages_of(answer)[0]
    assert "0 of 108" in answer.text
    assert 'http-equiv="refresh"' in answer.text


def test_the_same_order_twice_leads_to_the_run_that_is_there() -> None:
    endpoint = make_endpoint()
    client = curator()
    for _ in range(2):
        answer = client.post(ADD, {"model": endpoint.model_id, "cause": "person"}, follow=True)

    assert VerifierRun.objects.count() == 1
    assert "runs already" in messages_of(answer)[0]


@pytest.mark.parametrize("order", ["nothing", "two models", "switched off"])
def test_an_order_that_cannot_be_is_refused_in_words(order: str) -> None:
    here, there = make_endpoint(), make_endpoint("zinc", "acme/other")
    chosen = {"nothing": [], "two models": [here.pk, there.pk], "switched off": [here.pk]}[order]
    if order == "switched off":
        Endpoint.objects.filter(pk=here.pk).update(supported_parameters=[])

    shown = curator().post(ADD, {"endpoints": chosen, "cause": "person"})

    told = "cannot be verified" if order == "switched off" else "Choose one model"
    assert told in shown.text
    assert not VerifierRun.objects.exists()


@pytest.mark.parametrize("kind", ["endpoint", "model"])
def test_lists_of_endpoints_and_models_offer_it(kind: str) -> None:
    endpoint = make_endpoint()
    row = endpoint if kind == "endpoint" else endpoint.model
    listed = reverse(f"admin:providers_{kind}_changelist")
    client = curator()
    form = {"action": "verify_now", "_selected_action": [row.pk]}

    client.post(listed, form)

    run = VerifierRun.objects.get()
    shown = client.get(reverse(f"admin:providers_{kind}_change", args=[row.pk])).text
    assert f"{ADD}?{kind}={row.pk}" in shown
    assert page(run) in shown


def test_ordering_and_stopping_is_not_for_everybody() -> None:
    endpoint = make_endpoint()
    client = onlooker()
    run, _ = place(_order(endpoint))
    stop = reverse("admin:telemetry_verifierrun_stop", args=[run.pk])

    assert client.get(page(run)).status_code == 200
    assert "Stop it" not in client.get(page(run)).text
    assert client.get(ADD).status_code == 403
    assert client.post(ADD, {"endpoints": [endpoint.pk], "cause": "fix"}).status_code == 403
    assert client.post(stop).status_code == 403
    assert newcomer().get(page(run)).status_code == 403
    assert curator().get(stop).status_code == 403
    run.refresh_from_db()
    assert run.state == "open"
    assert VerifierRun.objects.count() == 1


def test_a_curator_stops_a_run() -> None:
    run, _ = place(_order(make_endpoint()))

    shown = curator().post(reverse("admin:telemetry_verifierrun_stop", args=[run.pk]), follow=True)

    run.refresh_from_db()
    assert run.state == "stopped"
    assert "Stopped" in messages_of(shown)[0]
    assert 'http-equiv="refresh"' not in shown.text


def test_the_page_tells_what_was_found_and_what_was_not(
    limits: Limits, upstream: ScriptedUpstream
) -> None:
    amber, _ = make_fleet(upstream, "amber", "basalt")
    script = Script(upstream, 3)
    script.answers("amber", calls())
    script.answers("basalt", answer({"error": {"message": "who?"}}, 401))
    run, _ = place(Order(amber.model, script.requests, "person"))
    work(run, limits)

    shown = curator().get(page(run)).text

    evidence = BenchmarkRun.objects.get()
    assert reverse("admin:telemetry_benchmarkrun_change", args=[evidence.pk]) in shown
    assert "100" in shown
    assert "x credential refused" in shown
    assert f"of {settings.LIMITS.verify_requests} requests" in shown


def test_a_quarantine_offers_to_verify_a_claimed_fix() -> None:
    endpoint = make_endpoint()
    row = Quarantine.objects.create(
        endpoint=endpoint,
        model=endpoint.model,
        variant="exacto",
        reason="Leaks.",
        started_at=now(),
        back_off_until=now(),
    )

    shown = curator().get(reverse("admin:routing_quarantine_change", args=[row.pk])).text

    assert f"{ADD}?cause=fix&amp;endpoint={endpoint.pk}" in shown


def _order(endpoint: Endpoint) -> Order:
    return Order(endpoint.model, own_set(), VerifierRun.Cause.PERSON, [endpoint])
