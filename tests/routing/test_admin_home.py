"""The admin's first page names what waits for somebody, and only to those who may see it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import localdate, now
from pytest_django import DjangoAssertNumQueries

from providers.models import Endpoint, Model
from routing.admin.home import Group
from routing.admin.in_progress import Running
from routing.admin.workplace.overview import ModelRow
from routing.models import Allowlist, Delivery, Notice, Quarantine, ScoreOrder
from telemetry.long_work import long_work
from telemetry.models import LongWork, Probe, RequestSet, VerifierRun
from tests.admin_people import curator, newcomer, operator, person
from tests.catalog_rows import MODEL, make_allowlist, make_endpoint, make_model, make_provider
from tests.routing.curation.measured import make_score

pytestmark = pytest.mark.django_db


# Nothing here has a score, so this kind waits in every test; it has tests of its own.
UNSCORED = "Too little data"


def groups(client: Client, at: str = "/admin/") -> dict[str, Group]:
    return {group.title: group for group in client.get(at).context["groups"]}


def tasks(client: Client, *, but: str = UNSCORED, at: str = "/admin/") -> list[tuple[str, bool]]:
    found = groups(client, at)
    return [
        (task.text, task.urgent)
        for title, group in found.items()
        if title != but
        for task in group.tasks
    ]


def test_nothing_waits_where_every_model_is_served_in_full() -> None:
    make_score(make_endpoint("cobalt"))
    make_allowlist(Endpoint.objects.get())
    client = curator()

    assert groups(client) == {}
    assert "Nothing waits." in client.get("/admin/").text


def test_a_model_without_a_live_list_is_named() -> None:
    make_allowlist(make_endpoint("cobalt")).retire(by=None, reason="Gone.")

    assert tasks(curator()) == [
        (f"{MODEL} has no live allowlist: {MODEL}:exacto answers 404.", False)
    ]


def test_nobody_is_asked_to_curate_what_embeds_or_is_served_by_nobody() -> None:
    make_endpoint("cobalt", make_model("acme/vectors", output_modalities=["embeddings"]))
    make_model("acme/imported")
    client = curator()

    assert groups(client) == {}
    page = client.get("/admin/")
    assert [row.model.slug for row in page.context["models"]] == ["acme/imported"]
    assert page.context["n_models"] == 1
    assert "acme/vectors" not in client.get("/admin/providers/model/workplaces/").text


@pytest.mark.parametrize("off", ["endpoint", "provider"])
def test_a_live_list_with_nobody_in_service_is_urgent(off: str) -> None:
    endpoint = make_endpoint("cobalt")
    make_allowlist(endpoint)
    stopped = endpoint if off == "endpoint" else endpoint.provider
    stopped.enabled = False
    stopped.save()

    assert tasks(curator()) == [
        (f"{MODEL}:exacto: every listed endpoint is stopped, so requests get 404.", True)
    ]


def test_a_live_list_that_lost_an_endpoint_says_how_many_are_left() -> None:
    make_allowlist(make_endpoint("cobalt"), make_endpoint("zinc", enabled=False))

    assert tasks(curator()) == [
        (f"{MODEL}:exacto: only 1 of 2 listed endpoints are in service.", False)
    ]


def test_an_open_draft_is_named() -> None:
    endpoint = make_endpoint("cobalt")
    make_allowlist(endpoint)
    make_allowlist(endpoint, published=False)
    draft = Allowlist.objects.get(status="draft")

    assert tasks(curator()) == [(f"{draft} is a draft: finish and publish, or delete it.", False)]


def test_an_unset_credential_is_for_operators_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COBALT_API_KEY", raising=False)
    make_provider("cobalt", api_key_env="COBALT_API_KEY")

    assert tasks(operator()) == [("Cobalt: environment variable COBALT_API_KEY is not set.", True)]
    assert tasks(curator()) == []
    assert tasks(newcomer()) == []


def test_models_with_too_little_data_are_named_once() -> None:
    make_score(make_endpoint("cobalt"))
    make_score(make_endpoint("zinc"), standing="insufficient_data")
    make_endpoint("tin")
    make_endpoint("lead", make_model("acme/vectors", output_modalities=["embeddings"]))

    [task] = groups(curator())[UNSCORED].tasks

    assert task.text.startswith(f"{MODEL}: too little data on 2 of 3 endpoints.")


def test_a_divergence_is_named_in_the_words_of_the_score() -> None:
    said = {"verdict": "fail", "sentence": "benchmarks say 0.2 %, traffic 6 %"}
    endpoint = make_endpoint("cobalt")
    make_score(endpoint, criteria={"benchmarks": said})
    make_score(make_endpoint("zinc"), criteria={"benchmarks": {**said, "verdict": "pass"}})

    [task] = groups(curator())["Better in benchmarks than in traffic"].tasks

    assert task.text == f"{endpoint}: benchmarks say 0.2 %, traffic 6 %."


def test_of_many_it_shows_some_and_leads_to_the_rest() -> None:
    for number in range(12):
        make_endpoint("cobalt", make_model(f"acme/plain-{number}"))
    client = curator()

    page = client.get("/admin/")

    group = groups(client)["Models without a live list"]
    assert len(group.tasks) == 8
    assert "And 4 more: see them all" in page.text
    assert tasks(client, at=group.rest)[8:] == [
        (
            f"acme/plain-{number} has no live allowlist: acme/plain-{number}:exacto answers 404.",
            False,
        )
        for number in (6, 7, 8, 9)
    ]


def test_what_is_beyond_is_counted_up_to_a_bound() -> None:
    Model.objects.bulk_create(
        Model(slug=f"acme/plain-{number:03}", context_length=1) for number in range(209)
    )
    cobalt = make_provider("cobalt")
    Endpoint.objects.bulk_create(
        Endpoint(model=model, provider=cobalt, context_length=1) for model in Model.objects.all()
    )
    client = curator()

    group = groups(client)["Models without a live list"]
    assert group.more == "more than 100"

    [whole] = groups(client, at=group.rest).values()
    assert (len(whole.tasks), whole.more) == (100, "more than 100")
    assert whole.rest == "/admin/providers/model/"


def test_all_of_a_kind_is_shown_to_nobody_who_may_not_see_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COBALT_API_KEY", raising=False)
    make_provider("cobalt", api_key_env="COBALT_API_KEY")

    assert "COBALT_API_KEY" in operator().get("/admin/?all=credentials").text
    assert "COBALT_API_KEY" not in curator().get("/admin/?all=credentials").text


def test_the_urgent_are_not_cut_off() -> None:
    for number in range(9):
        model = make_model(f"acme/falcon-{number + 10}")
        make_allowlist(make_endpoint("cobalt", model), make_endpoint("zinc", model, enabled=False))
    last = make_model("acme/zebra")
    make_allowlist(make_endpoint("cobalt", last, enabled=False))
    Delivery.objects.create(
        notice=Notice.objects.create(kind="proposal", text="Told.", created_at=now()),
        channel="webhook", state="failed", due_at=now(),
    )  # fmt: skip
    for number in range(9):
        Notice.objects.create(kind="proposal", text=f"{number}", urgent=True, created_at=now())

    found = groups(curator())

    short = found["Live lists in want of endpoints"]
    assert short.tasks[0].urgent
    assert short.tasks[0].text.startswith("acme/zebra:exacto: every listed endpoint is stopped")
    assert [one.urgent for one in found["Notices"].tasks] == [True] * 8 + [False]
    assert found["Notices"].more == "1"


def not_delivered(*channels: str) -> Notice:
    notice = Notice.objects.create(kind="proposal", text="Told.", created_at=now())
    for channel in channels:
        Delivery.objects.create(notice=notice, channel=channel, state="failed", due_at=now())
    return notice


def test_a_notice_not_delivered_is_counted_once_and_led_to_until_somebody_reads_it() -> None:
    notice, client = not_delivered("webhook", "email"), curator()
    other = Notice.objects.create(kind="proposal", text="Came by.", created_at=now())

    [task] = groups(client)["Notices"].tasks
    assert task.text == "1 notice could not be delivered: its page says why."
    shown = client.get(task.url).context["cl"].result_list
    assert list(shown) == [notice]

    not_delivered("email")
    [task] = groups(client)["Notices"].tasks
    assert task.text == "2 notices could not be delivered: their pages say why."

    page = reverse("admin:routing_notice_changelist")
    every = [one.pk for one in Notice.objects.exclude(pk=other.pk)]
    client.post(page, {"action": "mark_seen", "_selected_action": every})
    assert "Notices" not in groups(client)


def test_a_draft_sent_to_review_comes_before_older_drafts() -> None:
    for number in range(9):
        make_allowlist(make_endpoint("cobalt", f"acme/falcon-{number + 10}"), published=False)
    sent = make_allowlist(make_endpoint("cobalt", "acme/zebra"), published=False)
    Allowlist.objects.filter(pk=sent.pk).update(status="in_review")

    group = groups(curator())["Drafts to decide"]

    assert group.tasks[0].text.startswith(f"{sent} was sent to review")
    assert group.more == "2"


def test_reviews_due_are_cut_the_longest_due_first() -> None:
    for number in range(10):
        draft = make_allowlist(
            make_endpoint("cobalt", f"acme/falcon-{number + 10}"), published=False
        )
        draft.entries.update(review_by=localdate() - timedelta(days=number))
        draft.publish(by=None)

    group = groups(curator())["Reviews due"]

    assert [one.text.split(":")[0] for one in group.tasks] == [
        f"cobalt on acme/falcon-{number + 10}" for number in range(9, 1, -1)
    ]
    assert group.more == "2"


def test_unset_credentials_and_divergences_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"verdict": "fail", "sentence": "benchmarks say 0.2 %, traffic 6 %"}
    for number in range(10):
        monkeypatch.delenv(f"KEY_{number}", raising=False)
        provider = make_provider(f"maker-{number}", api_key_env=f"KEY_{number}")
        make_score(make_endpoint(provider), criteria={"benchmarks": said})
    monkeypatch.setenv("KEY_0", "is-set")

    found = groups(operator())

    assert len(found["Credentials"].tasks) == 8
    assert found["Credentials"].more == "1"
    assert len(found["Better in benchmarks than in traffic"].tasks) == 8
    assert found["Better in benchmarks than in traffic"].more == "2"


def test_its_cost_does_not_grow_with_what_waits(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    client = curator()

    def fill(numbers: range) -> None:
        for number in numbers:
            model = make_model(f"acme/falcon-{number}")
            make_allowlist(make_endpoint("cobalt", model, enabled=False))
            draft = make_allowlist(make_endpoint("zinc", model), published=False)
            make_score(draft.endpoints.get())
            aside(draft.endpoints.get())

    fill(range(10, 20))  # more of each kind than is shown
    with CaptureQueriesContext(connection) as few:
        client.get("/admin/")
    fill(range(20, 60))

    with django_assert_max_num_queries(len(few)):
        client.get("/admin/")


# Models --------------------------------------------------------------------------------------


def aside(endpoint: Endpoint) -> None:
    Quarantine.objects.create(
        endpoint=endpoint, model=endpoint.model, kind="failures", reason="Broke.",
        started_at=now(), back_off_until=now(),
    )  # fmt: skip


def shown_models(client: Client) -> list[ModelRow]:
    rows: list[ModelRow] = client.get("/admin/").context["models"]
    return rows


def test_a_model_is_shown_with_its_state_and_leads_to_its_page() -> None:
    good, off = make_endpoint("cobalt"), make_endpoint("zinc", enabled=False)
    make_endpoint("tin")
    live = make_allowlist(good, off)
    draft = make_allowlist(good, published=False)
    score = make_score(good)
    type(score).objects.update(computed_at=now() - timedelta(minutes=9))
    aside(good)

    page = curator().get("/admin/")

    [row] = page.context["models"]
    assert (row.live, row.listed, row.serving, row.endpoints) == (live, 2, 1, 3)
    assert (row.open, row.aside) == ([draft], 1)
    assert f'href="/admin/providers/model/{good.model.pk}/workplace/">{MODEL}</a>' in page.text
    text = page.text.replace("\xa0", " ")
    assert f"edition {live.version}<div>since {live.published_at:%d %b %Y}</div>" in text
    assert "1 of 2 endpoints in service" in text
    assert "9 minutes ago" in text


def test_models_that_need_somebody_come_first() -> None:
    fine, drafted, set_aside, stopped = (
        make_endpoint("cobalt", f"acme/{name}") for name in ("fine", "new", "odd", "stopped")
    )
    for one in (fine, drafted, set_aside, stopped):
        make_allowlist(one)
    make_allowlist(drafted, published=False)
    aside(set_aside)
    Endpoint.objects.filter(pk=stopped.pk).update(enabled=False)
    make_endpoint("cobalt", make_model("acme/away", enabled=False))
    make_endpoint("cobalt", "acme/unlisted")

    assert [row.model.slug for row in shown_models(curator())] == [
        "acme/stopped", "acme/odd", "acme/new", "acme/unlisted", "acme/fine", "acme/away",
    ]  # fmt: skip


def test_of_many_models_some_are_shown_and_all_are_counted() -> None:
    for number in range(12):
        make_model(f"acme/plain-{number}")

    page = curator().get("/admin/")

    assert len(page.context["models"]) == 8
    assert ">All 12 models</a>" in page.text


def test_each_sees_of_the_models_what_he_may() -> None:
    endpoint = make_endpoint("cobalt")
    aside(endpoint)

    assert [row.aside for row in shown_models(person("viewer"))] == [1]
    assert shown_models(newcomer()) == []
    assert MODEL not in newcomer("otto", "view_model").get("/admin/").text
    [row] = shown_models(newcomer("nora", "view_allowlist"))
    assert row.aside is None


# Work ----------------------------------------------------------------------------------------


def running(client: Client) -> list[Running]:
    found: list[Running] = client.get("/admin/").context["running"]
    return found


def test_long_work_shows_how_far_it_is_to_those_who_may_see_it() -> None:
    make_endpoint("cobalt")
    with (
        long_work(LongWork.Kind.SCORES, "Scoring", unit="models", asked=40) as tell,
        long_work(LongWork.Kind.BENCHMARK, "A benchmark", unit="samples") as samples,
    ):
        tell(30)
        samples(7)
        page = curator().get("/admin/")
        seen = [one.text for one in running(newcomer("nora", "view_allowlist"))]
        unseen = running(newcomer())

    shown = [(one.text, one.done, one.asked) for one in page.context["running"]]
    assert shown == [("A benchmark", 7, 0), ("Scoring", 30, 40)]
    assert '<progress value="30" max="40" aria-label="Scoring">' in page.text
    assert "7 samples" in page.text
    assert (seen, unseen) == (["Scoring"], [])
    assert running(curator("clio")) == []


def test_long_work_that_went_silent_is_told_as_such() -> None:
    with long_work(LongWork.Kind.SCORES, "Scoring", unit="models", asked=40):
        LongWork.objects.update(heard_at=now() - timedelta(minutes=4))

        assert "Silent since " in curator().get("/admin/").text


def test_scores_that_were_asked_for_are_told_and_the_rest_is_counted() -> None:
    carl = curator()
    for number in range(8):
        order = ScoreOrder(
            model=make_model(f"acme/plain-{number}"), asked_at=now(),
            asked_by=User.objects.get(username="carl"),
        )  # fmt: skip
        order.save()
    order.settle(at=now(), failed=False)

    texts = [one.text for one in running(carl)]

    assert texts[0].startswith("Scores of acme/plain-0, asked for by carl at ")
    assert texts[5:] == ["And scores of 2 more models, asked for"]


def test_of_many_verifications_the_rest_is_counted() -> None:
    endpoint = make_endpoint("cobalt")
    asked = RequestSet.objects.create(digest="d", name="own", content="", requests=2)
    for _ in range(6):
        VerifierRun.objects.create(model=endpoint.model, request_set=asked, cause="person")
    carl = curator()

    assert [one.text for one in running(carl)][5:] == ["And 1 more verification"]
    VerifierRun.objects.create(model=endpoint.model, request_set=asked, cause="person")
    assert [one.text for one in running(carl)][5:] == ["And 2 more verifications"]


def test_a_verification_shows_how_far_it_is() -> None:
    endpoint = make_endpoint("cobalt")
    asked = RequestSet.objects.create(digest="d", name="own", content="", requests=2)
    run = VerifierRun.objects.create(model=endpoint.model, request_set=asked, cause="person")
    for request, state in enumerate(["done", "waiting", "skipped", "sent"], 1):
        Probe.objects.create(
            run=run, endpoint=endpoint, request=request, streamed=False, position=1, state=state
        )

    page = curator().get("/admin/")

    [running] = page.context["running"]
    assert (running.done, running.asked) == (2, 4)
    assert '<progress value="2" max="4"' in page.text


def test_health_is_for_those_who_may_see_lists() -> None:
    assert "Health of the system" in curator().get("/admin/").text
    assert "Health of the system" not in newcomer().get("/admin/").text
