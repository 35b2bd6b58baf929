"""A model's page for curators: what it shows, where its figures lead, and what may be done."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from providers.models import Endpoint, Model
from routing.curation.recompute import recompute_all, recompute_asked
from routing.models import Allowlist, AuditEntry, Lease, Quarantine, ScoreOrder
from telemetry.models import EndpointScore, OwnerUse, Rollup, ScorePoint, VerdictCount
from telemetry.verifier.ordering import Order, place
from telemetry.verifier.request_set import own_set
from tests.admin_people import curator, newcomer, operator
from tests.catalog_rows import make_allowlist, make_endpoint, make_model
from tests.routing.api.test_benchmarks import make_run
from tests.routing.curation.measured import criterion, make_score
from tests.routing.test_admin import decision_url, messages_of, page_of

pytestmark = pytest.mark.django_db
EVERY = "/admin/providers/model/workplaces/"


@pytest.fixture
def good() -> Endpoint:
    endpoint = make_endpoint("cobalt")
    make_score(endpoint)
    return endpoint


@pytest.fixture
def bad(good: Endpoint) -> Endpoint:
    endpoint = make_endpoint("zinc")
    make_score(endpoint, good=False)
    return endpoint


def page(model: Model, name: str = "") -> str:
    return reverse(f"admin:routing_model_workplace{name}", args=[model.pk])


def someone(*rights: str) -> Client:
    client = newcomer()
    allowed = Permission.objects.filter(codename__in=rights)
    User.objects.get(username="nina").user_permissions.set(allowed)
    return client


def count(endpoint: Endpoint, **verdicts: int) -> None:
    for verdict, number in verdicts.items():
        VerdictCount.objects.create(
            endpoint=endpoint, day=now().date(), verdict=verdict, attempts=number
        )


def hours(endpoint: Endpoint, *rates: float | None) -> None:
    """Give it these estimates, the last for the current hour."""
    hour = now().replace(minute=0, second=0, microsecond=0)
    for back, rate in enumerate(reversed(rates)):
        ScorePoint.objects.create(
            endpoint=endpoint,
            hour=hour - timedelta(hours=back),
            standing="verified",
            error_rate=rate,
            error_low=rate and rate / 2,
            error_high=rate and rate * 2,
        )


def row_of(answer: Any, endpoint: Endpoint) -> Any:
    return next(row for row, _ in answer.context["rows"] if row.endpoint == endpoint)


def line_of(answer: Any, part: str, endpoint: Endpoint) -> Any:
    return next(line for line in answer.context[part].lines if line.tag == endpoint.tag)


def test_a_model_without_endpoints_has_a_page() -> None:
    shown = curator().get(page(make_model())).text

    assert "The model has no endpoints: nobody can serve it." in shown
    assert "Nothing is live: acme/falcon-1:exacto answers 404." in shown
    assert "There is no edition yet." in shown
    assert "No endpoint has been scored." in shown


def test_an_endpoint_nobody_has_used_is_unknown_and_not_bad() -> None:
    endpoint = make_endpoint()

    answer = curator().get(page(endpoint.model))

    assert "Nothing is known of it yet." in answer.text
    assert "not scored yet" in answer.text
    assert "There are no hourly scores" in answer.text
    line = line_of(answer, "traffic", endpoint)
    assert (line.share, line.plot, line.price) == ("-", "nothing judged", "not known")


def test_endpoints_stand_side_by_side_on_one_scale_with_the_bound(
    good: Endpoint, bad: Endpoint
) -> None:
    make_allowlist(good)

    answer = curator().get(page(good.model))

    first, second = (row for row, _ in answer.context["rows"])
    assert (first.endpoint, first.listed) == (good, True)  # what is live comes first
    assert (second.endpoint, second.listed) == (bad, False)
    assert second.sentence == "out: tool-call error 3.1 %"
    error = second.measures[0]
    assert (error.verdict, error.interval) == ("fail", "1.6 % to 4.7 %")
    assert "9,870 requests, 41 owners" in error.sample

    def bound(plot: str) -> str:
        return plot.split('stroke-dasharray="3 2"')[0].rsplit('<line x1="', 1)[1].split('"')[0]

    assert bound(first.measures[0].plot) == bound(error.plot)
    assert "Tool-call error of zinc: tool-call error 3.1 %" in error.plot


def test_one_request_is_told_as_one() -> None:
    endpoint = make_endpoint("cobalt")
    make_score(endpoint, criteria={"accuracy": criterion(requests=1, owners=1)})

    answer = curator().get(page(endpoint.model))

    assert "1 request, 1 owner" in row_of(answer, endpoint).measures[0].sample


def test_ignores_are_of_owners_and_lead_to_their_preferences() -> None:
    endpoint = make_endpoint("cobalt")
    make_score(endpoint, criteria={"ignores": criterion(requests=12, owners=12)})
    client = someone("view_allowlist", "view_accountpreferences", "view_attempt")

    ignores = row_of(client.get(page(endpoint.model)), endpoint).measures[2]

    assert ">12 owners<" in ignores.sample
    assert "/admin/routing/accountpreferences/" in ignores.sample


def test_a_sample_leads_to_attempts_and_tells_benchmarks_beside_them() -> None:
    endpoint = make_endpoint("cobalt")
    both = criterion(requests=292, benchmark_requests=183, owners=16)
    make_score(endpoint, criteria={"accuracy": both})

    sample = row_of(curator().get(page(endpoint.model)), endpoint).measures[0].sample

    assert ">109 requests, 16 owners</a>, and 183 in benchmarks" in sample


def test_nothing_leads_to_an_empty_list() -> None:
    endpoint = make_endpoint("cobalt")
    make_score(endpoint, criteria={"accuracy": criterion(requests=0, owners=0)})

    answer = curator().get(page(endpoint.model))

    assert row_of(answer, endpoint).measures[0].sample == "0 requests, 0 owners"
    line = line_of(answer, "traffic", endpoint)
    assert (line.attempts, line.judged) == ("0", "0")


def test_it_says_where_the_live_list_is_not_what_the_evidence_would_have(
    good: Endpoint, bad: Endpoint
) -> None:
    make_allowlist(bad)

    answer = curator().get(page(good.model))

    assert row_of(answer, bad).differs == "The evidence would have it off."
    assert row_of(answer, good).differs == "The evidence would list it."


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({}, id="no criterion"),
        pytest.param({"accuracy": None}, id="a criterion that is none"),
        pytest.param({"accuracy": {"verdict": "insufficient"}}, id="no figures"),
        pytest.param(
            {"accuracy": criterion("insufficient", estimate=0.1, low=None, high=None)}, id="no ends"
        ),
        pytest.param({"accuracy": criterion(bound=[None, None])}, id="no bound"),
        pytest.param({"accuracy": criterion(bound=None)}, id="bound is none"),
        pytest.param({"accuracy": criterion(bound=[0.1])}, id="half a bound"),
        pytest.param({"propensity": criterion(estimate=0.0, low=0.0, high=9e9)}, id="far odds"),
        pytest.param({"accuracy": criterion("strange")}, id="a verdict of another release"),
    ],
)
def test_what_is_missing_is_told_and_takes_nothing_with_it(said: dict[str, Any]) -> None:
    endpoint, other = make_endpoint("cobalt"), make_endpoint("zinc")
    make_score(endpoint, criteria=said)
    make_score(other)

    answer = curator().get(page(endpoint.model))

    assert answer.status_code == 200
    assert row_of(answer, other).measures[0].verdict == "pass"
    assert "nan" not in "".join(re.findall(r"<svg.*?</svg>", answer.text)).lower()


def test_what_is_no_number_is_not_drawn(good: Endpoint) -> None:
    hours(good, 0.01, float("nan"), 0.02)  # PostgreSQL keeps it, SQLite makes NULL of it

    plot = line_of(curator().get(page(good.model)), "history", good).plot

    assert "now 2.0 %, least 1.0 %, most 2.0 %" in plot
    assert "nan" not in plot


def test_figures_lead_to_the_attempts_behind_them(good: Endpoint, bad: Endpoint) -> None:
    count(bad, valid=60, schema_mismatch=30, invalid_json=10)
    client = curator()

    answer = client.get(page(good.model))

    kinds = line_of(answer, "traffic", bad).kinds
    rows = f"/admin/telemetry/attempt/?counted=callers&amp;when=7&amp;endpoint={bad.pk}"
    assert f'href="{rows}&amp;verdict=schema_mismatch">30</a>' in kinds[2]
    assert f'href="{rows}&amp;verdict=judged">100</a>' in line_of(answer, "traffic", bad).judged
    scored = f"/admin/telemetry/attempt/?counted=scored&amp;when=30&amp;endpoint={bad.pk}"
    assert scored in row_of(answer, bad).measures[0].figure
    for address in set(re.findall(r'href="(/admin/[^"#]*)"', answer.text)):
        assert client.get(address.replace("&amp;", "&")).status_code == 200, address


def test_kinds_of_failure_are_stacked_on_one_scale(good: Endpoint, bad: Endpoint) -> None:
    count(good, valid=99, unknown_name=1)
    count(bad, valid=60, schema_mismatch=30, invalid_json=10)

    answer = curator().get(page(good.model))

    plot = line_of(answer, "traffic", bad).plot
    assert re.findall(r'width="([\d.]+)" y="2" height="14" class="plot-kind-(\d)"', plot) == [
        ("40.0", "0"),
        ("120.0", "2"),
    ]
    assert "invalid JSON 10.00 %, schema mismatch 30.00 %" in plot
    assert 'width="4.0"' in line_of(answer, "traffic", good).plot
    assert ">50.0 %<" in line_of(answer, "traffic", bad).share


def test_a_price_is_of_valid_calls_only(good: Endpoint, bad: Endpoint) -> None:
    count(good, valid=100)
    count(bad, valid=50, invalid_json=50)
    for endpoint in (good, bad):
        OwnerUse.objects.create(
            account_id=1, endpoint=endpoint, day=now().date(), cost_pico=2 * 10**11
        )

    answer = curator().get(page(good.model))

    assert "$2.00" in line_of(answer, "traffic", good).price
    assert "$4.00" in line_of(answer, "traffic", bad).price


def test_what_the_verifier_paid_leads_to_its_run(good: Endpoint) -> None:
    old, new = (
        make_run(good, {"cost_usd_per_valid_call": value}, measured_at=now() - timedelta(days=age))
        for value, age in ((0.005, 3), (0.003, 1))
    )

    told = line_of(curator().get(page(good.model)), "traffic", good).verified_price

    assert "$3.00" in told
    assert reverse("admin:telemetry_benchmarkrun_change", args=[new.pk]) in told
    assert old.pk != new.pk


def test_counts_of_another_day_count_in_a_longer_window(good: Endpoint) -> None:
    VerdictCount.objects.create(
        endpoint=good, day=now().date() - timedelta(days=20), verdict="valid", attempts=5
    )
    client = curator()

    week, month, rubbish = (
        client.get(f"{page(good.model)}?days={days}") for days in ("7", "30", "x%00")
    )

    assert (week.context["traffic"].total, month.context["traffic"].total) == (0, 5)
    assert rubbish.context["period"] == "Last 7 days"


def test_the_error_is_drawn_over_time_with_gaps(good: Endpoint) -> None:
    hours(good, 0.01, 0.02, None, None, None, None, 0.03, 0.04)

    answer = curator().get(page(good.model))

    line = line_of(answer, "history", good)
    assert line.plot.count("<polyline") == 2
    assert "now 4.0 %, least 1.0 %, most 4.0 %" in line.plot
    assert "4.0 %" in line.days[-1]


def test_hours_beyond_the_days_shown_are_not_read(good: Endpoint) -> None:
    ScorePoint.objects.create(
        endpoint=good, hour=now() - timedelta(days=9), standing="verified", error_rate=0.9
    )

    assert curator().get(page(good.model)).context["history"].empty


def test_what_happened_is_marked_and_told(good: Endpoint, bad: Endpoint) -> None:
    make_allowlist(good, bad)
    hours(bad, 0.01, 0.2)
    since = now() - timedelta(hours=5)
    row = Quarantine.objects.create(
        endpoint=bad,
        model=bad.model,
        kind="failures",
        reason="errors rose",
        evidence={"alarm": {"since": since.timestamp(), "sentence": "rose", "statistic": 9.9}},
        started_at=now() - timedelta(hours=3),
        back_off_until=now(),
    )
    changed = now() - timedelta(hours=40)
    EndpointScore.objects.filter(endpoint=good).update(evidence_since=changed)

    answer = curator().get(page(good.model))

    line = line_of(answer, "history", bad)
    assert [event.letter for event in line.events] == ["C", "Q"]
    assert "still: errors rose" in line.plot
    assert "plot-span" in line.plot
    assert reverse("admin:routing_quarantine_change", args=[row.pk]) in line.events[1].words
    assert "older accuracy counters" in line_of(answer, "history", good).events[0].words
    assert reverse("admin:routing_quarantine_release", args=[row.pk]) in answer.text


def test_a_curator_finds_every_deed(good: Endpoint, bad: Endpoint) -> None:
    past, live = make_allowlist(good), make_allowlist(good, bad)
    draft = make_allowlist(good, published=False)

    shown = curator().get(page(good.model)).text

    for address in (
        page_of(draft),
        f"{page_of(draft)}#simulation",
        decision_url(draft, "publish"),
        decision_url(draft, "send"),
        decision_url(live, "withdraw"),
        decision_url(live, "start_draft"),
        decision_url(past, "roll_back"),
        f"/admin/routing/quarantine/add/?endpoint={bad.pk}",
        f"/admin/telemetry/verifierrun/add/?endpoint={bad.pk}",
        f"/admin/telemetry/verifierrun/add/?model={good.model_id}",
        reverse("admin:routing_allowlist_endpoint", args=[draft.pk, bad.pk]),
    ):
        assert f'href="{address}"' in shown, address
    assert page(good.model, "_scores") in shown


def test_simulate_leads_to_the_simulation_and_is_offered_where_there_is_one() -> None:
    endpoint = make_endpoint()
    draft = make_allowlist(endpoint, published=False)
    client = curator()
    assert "#simulation" not in client.get(page(endpoint.model)).text

    make_score(endpoint)

    assert f'href="{page_of(draft)}#simulation"' in client.get(page(endpoint.model)).text
    shown = client.get(page_of(draft)).text
    assert 'id="simulation"' in shown
    assert "cannot be told: nothing is live" in shown


def test_a_viewer_sees_the_evidence_and_no_deed(good: Endpoint) -> None:
    make_allowlist(good)
    make_allowlist(good, published=False)
    count(good, valid=5)

    answer = someone("view_allowlist").get(page(good.model))

    assert "tool-call error 0.4 %" in answer.text
    assert answer.context["traffic"] is None
    for part in ("/decide/", "quarantine/add", "verifierrun/add", "telemetry/attempt", "scores/"):
        assert part not in answer.text, part


def test_others_are_refused(good: Endpoint) -> None:
    client = newcomer()

    answers = [client.get(page(good.model)), client.get(EVERY)]
    answers.append(client.post(page(good.model, "_scores")))

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert Client().get(page(good.model)).status_code == 302
    assert not ScoreOrder.objects.exists()


def test_no_such_model() -> None:
    client = curator()

    assert client.get("/admin/providers/model/9999/workplace/").status_code == 404
    assert client.post("/admin/providers/model/9999/workplace/scores/").status_code == 404


def test_the_pages_of_model_endpoint_and_edition_lead_here(good: Endpoint) -> None:
    edition = make_allowlist(good)
    client = curator()

    for address in (
        reverse("admin:providers_model_change", args=[good.model_id]),
        reverse("admin:providers_endpoint_change", args=[good.pk]),
        page_of(edition),
        EVERY,
    ):
        assert f'href="{page(good.model)}"' in client.get(address).text, address
    assert f'href="{EVERY}"' in client.get(reverse("admin:index")).text


def test_text_of_others_is_escaped(good: Endpoint) -> None:
    EndpointScore.objects.update(sentence="<script>alert(1)</script>")
    Endpoint.objects.filter(pk=good.pk).update(tag="a" * 60 + "/<b>")
    make_allowlist(good, reason="<img src=x>")
    hours(good, 0.01, 0.02)

    shown = curator().get(page(good.model)).text

    assert "<script>alert" not in shown
    assert "/<b>" not in shown
    assert "<img src=x>" not in shown


def fleet(size: int) -> list[Endpoint]:
    endpoints = [make_endpoint("cobalt", tag=f"cobalt/{'long-' * 9}{n:02}") for n in range(size)]
    for number, endpoint in enumerate(endpoints):
        make_score(endpoint, good=number % 3 > 0)
        count(endpoint, valid=90, schema_mismatch=number)
        hours(endpoint, *[0.01 + number / 1000] * 8)
    return endpoints


def queries(client: Client, address: str) -> int:
    client.get(address)
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert client.get(address).status_code == 200
    return len(seen)


def test_queries_do_not_grow_with_endpoints_or_editions() -> None:
    endpoints = fleet(2)
    make_allowlist(*endpoints)
    client = curator()
    few = queries(client, page(endpoints[0].model))

    more = [make_endpoint("zinc", tag=f"zinc/{number}") for number in range(23)]
    for endpoint in more:
        make_score(endpoint)
        count(endpoint, valid=5)
        hours(endpoint, 0.01, 0.02)
    for _ in range(12):
        make_allowlist(*more)
    answer = client.get(page(endpoints[0].model))

    assert len(answer.context["rows"]) == 25
    assert queries(client, page(endpoints[0].model)) <= few
    with CaptureQueriesContext(connection) as seen:
        client.get(page(endpoints[0].model))
    assert not [one for one in seen if '"telemetry_attempt"' in one["sql"]]


def test_the_list_of_models_takes_the_same_queries_for_any_number() -> None:
    make_allowlist(make_endpoint("cobalt"))
    client = curator()
    few = queries(client, EVERY)
    for number in range(20):
        endpoint = make_endpoint("cobalt", f"acme/model-{number}")
        make_allowlist(endpoint)
        make_score(endpoint)

    assert queries(client, EVERY) == few


def test_the_list_finds_models_and_says_what_waits(good: Endpoint, bad: Endpoint) -> None:
    make_allowlist(good, bad)
    draft = make_allowlist(good, published=False)
    make_endpoint("cobalt", "other/thing")
    client = curator()

    every, found, none = (client.get(f"{EVERY}?q={q}") for q in ("", "FALCON", "<%00'"))

    assert len(every.context["rows"]) == 2
    (row,) = found.context["rows"]
    assert (row.live.version, row.open, row.endpoints) == (1, [draft], 2)
    assert "1 below par" in row.standings[1]
    assert "No model" in none.text


def test_a_run_of_the_verifier_shows_how_far_it_is(good: Endpoint) -> None:
    run, _ = place(Order(good.model, own_set(), "person", [good], asked_by="carl"))
    for probe in run.probes.all()[:27]:
        probe.state = "done"
        probe.save()

    answer = curator().get(page(good.model))

    assert 'max="100" value="25"' in answer.text
    assert "27 of 108 requests sent" in answer.text
    assert ">Refresh</a>" in answer.text


def test_a_curator_asks_for_scores_and_a_worker_computes_them() -> None:
    endpoint = make_endpoint()
    client = curator()

    asked = client.post(page(endpoint.model, "_scores"), follow=True)
    again = client.post(page(endpoint.model, "_scores"), follow=True)

    assert "Asked for. A worker begins" in messages_of(asked)[0]
    assert "Asked for already" in messages_of(again)[0]
    assert "asked for by carl" in asked.text
    assert AuditEntry.objects.filter(action="ask for scores").count() == 1
    assert recompute_asked() == 1
    assert EndpointScore.objects.filter(endpoint=endpoint).exists()
    assert "were done" in client.get(page(endpoint.model)).text
    assert recompute_asked() == 0


def test_scores_are_not_asked_for_by_a_link(good: Endpoint) -> None:
    assert curator().get(page(good.model, "_scores")).status_code == 405
    assert someone("view_allowlist").post(page(good.model, "_scores")).status_code == 403
    assert not ScoreOrder.objects.exists()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="carl"))
    assert strict.post(page(good.model, "_scores")).status_code == 403


def test_what_is_asked_for_waits_while_the_periodic_job_is_at_work() -> None:
    endpoint = make_endpoint()
    recompute_all()
    lease = Lease.objects.get(name="recompute scores")
    due, held = lease.due_at, now() + timedelta(minutes=1)
    Lease.objects.update(held_until=held)
    ScoreOrder.objects.create(model=endpoint.model, asked_at=now())

    assert recompute_asked() == 0
    Lease.objects.update(held_until=now())
    assert recompute_asked() == 1

    assert Lease.objects.get().due_at == due  # the periodic job is no later for it


def test_a_model_that_cannot_be_scored_says_so() -> None:
    endpoint = make_endpoint()
    hour = now().astimezone(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    Rollup.objects.create(endpoint=endpoint, period="hour", starts_at=hour, cells=b"rubbish")
    ScoreOrder.objects.create(model=endpoint.model, asked_at=datetime.now(UTC))

    assert recompute_asked() == 0

    assert "could not be computed" in operator().get(page(endpoint.model)).text


def test_a_model_without_an_endpoint_in_service_is_not_scored() -> None:
    model = make_endpoint(enabled=False).model
    client = curator()

    assert page(model, "_scores") not in client.get(page(model)).text
    answer = client.post(page(model, "_scores"), follow=True)

    assert "nothing to score" in messages_of(answer)[0]
    assert not ScoreOrder.objects.exists()


def test_more_endpoints_than_a_page_takes_are_counted() -> None:
    endpoints = [make_endpoint("cobalt", tag=f"cobalt/{number}") for number in range(62)]

    answer = curator().get(page(endpoints[0].model))

    assert len(answer.context["rows"]) == 60
    assert "2 more endpoints are not shown." in answer.text


def test_an_order_made_while_the_last_is_worked_on_stays_open() -> None:
    model = make_endpoint().model
    ScoreOrder.objects.create(model=model, asked_at=now() - timedelta(minutes=1))
    under_way = ScoreOrder.objects.get()
    ScoreOrder.objects.update(asked_at=now())

    under_way.settle(at=now(), failed=False)

    assert ScoreOrder.objects.get().done_at is None


def test_a_past_edition_that_was_never_published_is_not_offered(good: Endpoint) -> None:
    draft = make_allowlist(good, published=False)
    Allowlist.objects.filter(pk=draft.pk).delete()

    assert "Roll back" not in curator().get(page(good.model)).text
