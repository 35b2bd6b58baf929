"""/exacto/report/{link}/: a provider reads how its endpoint is judged, and answers."""

import csv
import json
import re
from datetime import timedelta
from html import unescape
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.signing import Signer
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from providers.models import Endpoint
from routing.models import Account, AuditEntry, Notice, ProviderMessage, ProviderReport, Quarantine
from routing.pages.eligibility import lacking
from routing.pages.reproductions import fault
from routing.provider_reports import make_link, revoke
from telemetry.models import Attempt, Outcome, Probe, RequestSet, ScorePoint, VerifierRun
from telemetry.scoring.method import DEFAULT
from telemetry.tally import failure
from telemetry.verifier.request_set import own_set
from tests.catalog_rows import make_allowlist, make_endpoint
from tests.routing.curation.measured import criterion, make_score
from tests.telemetry_rows import make_generation

pytestmark = pytest.mark.django_db
FORMULA = '=HYPERLINK("http://evil.test")'


def boss() -> User:
    return User.objects.get_or_create(username="olga")[0]


def link_to(endpoint: Endpoint, *, days: float = 7, **fields: Any) -> tuple[ProviderReport, str]:
    """Make a link; return its row and the address of its page."""
    at = now()
    until = at + timedelta(days=days)
    row, link = make_link(endpoint, note="To Cy", until=until, by=boss(), at=at, **fields)
    return row, reverse("report", args=[link])


def verify(endpoint: Endpoint, digest: str = "", **probes: Any) -> VerifierRun:
    """Make a finished run with one bad probe of each named kind, beside a good one."""
    own = own_set()
    asked, _ = RequestSet.objects.get_or_create(
        digest=digest or own.digest, defaults={"name": "own", "content": own.content, "requests": 1}
    )
    run = VerifierRun.objects.create(
        model=endpoint.model, request_set=asked, cause="person", state="finished"
    )
    run.verdicts.create(endpoint=endpoint)
    good = {"endpoint": endpoint, "state": "done", "outcome": "ok", "verdict": "valid"}
    run.probes.create(request=1, streamed=False, position=1, **good)
    for at, (number, fields) in enumerate(probes.items(), start=2):
        made = {**good, "position": at, "streamed": False, **fields}
        run.probes.create(request=int(number.removeprefix("n")), **made)
    return run


def write(client: Client, path: str, text: str = "Mended.", kind: str = "retest") -> Any:
    return client.post(path, {"kind": kind, "text": text})


def test_shows_standing_figures_and_what_is_missing(client: Client) -> None:
    endpoint = make_endpoint("cobalt")
    make_score(endpoint, good=False)

    answer = client.get(link_to(endpoint)[1])

    assert answer.status_code == 200
    assert "below par" in answer.text
    assert "3.1 % (1.6 % to 4.7 %)" in answer.text
    assert "9,870 requests, 41 owners" in answer.text
    assert "it must come to 1.4 % or less" in answer.text
    assert "at least 11,986 more tool calls" in answer.text
    assert "schema mismatch" in answer.text


def test_is_kept_and_found_by_nobody(client: Client) -> None:
    path = link_to(make_endpoint())[1]

    for answer in (
        client.get(path),
        client.get(f"{path}report.csv"),
        client.get("/exacto/report/x/"),
    ):
        assert answer["Cache-Control"] == "no-store"
        assert answer["X-Robots-Tag"] == "noindex, nofollow"
        assert answer["Referrer-Policy"] in ("same-origin", "no-referrer")


def test_all_closed_links_are_alike(client: Client) -> None:
    endpoint = make_endpoint()
    revoked, gone = link_to(endpoint)
    revoke(revoked, by=boss(), at=now())
    unknown_row, unknown = link_to(endpoint)
    unknown_row.delete()
    open_ = link_to(endpoint)[1]
    closed = [
        gone,
        unknown,
        link_to(endpoint, days=-1)[1],
        f"{open_[:-2]}x/",
        "/exacto/report/%00/",
    ]

    answers = [client.get(path) for path in closed]
    posted = [write(client, path) for path in closed]
    files = [client.get(f"{path}report.csv") for path in closed]

    assert client.get(open_).status_code == 200
    assert {one.status_code for one in (*answers, *posted, *files)} == {404}
    assert len({one.content for one in (*answers, *posted, *files)}) == 1
    assert "Ask the curators" in answers[0].text
    assert not ProviderMessage.objects.exists()


def _tampered(link: str) -> list[str]:
    value, _, signature = link.partition(".")
    return [
        value,
        f"{value}.",
        f".{signature}",
        f"{value}.{signature[::-1]}",
        f"{value.swapcase()}.{signature}",
        f"{link}.",
        f"{link}é",
        link * 50,
        "a" * 20_000,
        Signer(salt="routing.feedback.form", sep=".").sign(value),
        Signer(sep=".").sign(value),
    ]


def test_a_link_that_was_tampered_with_opens_nothing(client: Client) -> None:
    link = link_to(make_endpoint())[1].split("/")[3]
    unknown = client.get(reverse("report", args=["x"])).content

    for told in _tampered(link):
        for path in (reverse("report", args=[told]), reverse("report-csv", args=[told])):
            answer = client.get(path)
            assert (answer.status_code, answer.content) == (404, unknown), told
        assert write(client, reverse("report", args=[told])).status_code == 404
    assert not ProviderMessage.objects.exists()


def test_a_link_opens_its_own_endpoint_alone(client: Client) -> None:
    mine, other = make_endpoint("cobalt"), make_endpoint("zinc")
    verify(other, n2={"verdict": "invalid_json"})
    write(client, link_to(other)[1], "Zinc's own words", kind="answer")
    path = link_to(mine)[1]

    shown = client.get(path).text + client.get(f"{path}report.csv").text
    write(client, path, kind="answer")

    assert "cobalt" in shown
    assert not re.search("zinc|broken JSON", shown, re.IGNORECASE)
    assert ProviderMessage.objects.latest("pk").endpoint == mine


def test_a_link_that_expires_while_its_form_is_open_takes_nothing(client: Client) -> None:
    row, path = link_to(make_endpoint())
    assert client.get(path).status_code == 200
    ProviderReport.objects.filter(pk=row.pk).update(expires_at=now())

    assert write(client, path).status_code == 404
    assert not ProviderMessage.objects.exists()


def test_a_link_is_read_out_of_no_row() -> None:
    row, path = link_to(make_endpoint())

    assert path.split("/")[3] not in json.dumps(
        [vars(row), *AuditEntry.objects.values()], default=str
    )


def test_notes_when_it_was_opened(client: Client) -> None:
    row, path = link_to(make_endpoint())
    client.get(path)

    row.refresh_from_db()
    assert row.last_opened_at is not None


def test_can_be_switched_off(client: Client, settings: Any) -> None:
    path = link_to(make_endpoint())[1]
    settings.PROVIDER_REPORTS = False

    assert client.get(path).status_code == 404
    assert client.get(f"{path}report.csv").status_code == 404
    assert write(client, path).status_code == 404


def test_tells_no_figure_of_few_owners(client: Client) -> None:
    endpoint = make_endpoint("cobalt")
    one = criterion("fail", 0.777, requests=3_331, owners=4, sentence="77.7 % in 3,331")
    names = ("accuracy", "propensity", "ignores", "losses")
    make_score(endpoint, good=False, criteria=dict.fromkeys(names, one))
    path = link_to(endpoint)[1]

    for told in (client.get(path).text, client.get(f"{path}report.csv").text):
        assert "too few owners" in told
        assert not re.search(r"77\.7|0\.777|3,?331|312", told)


def test_a_failure_comes_with_the_smallest_request_that_showed_it(client: Client) -> None:
    endpoint = make_endpoint("cobalt", upstream_model="falcon-1-instruct")
    bad = {"verdict": "schema_mismatch", "tool_calls": 1}
    make_generation("gen-p", (endpoint, Outcome.OK), account=Account.objects.create(name="A"))
    Attempt.objects.filter(generation_id="gen-p").update(
        benchmark=True, call_errors=[["schema_mismatch", "/city type"]]
    )
    small, *_, large = sorted(own_set().requests, key=lambda one: len(json.dumps(one.body)))
    seen = {**bad, "streamed": True, "generation_id": "gen-p"}
    probes: dict[str, Any] = {f"n{large.number}": bad, f"n{small.number}": seen}
    verify(endpoint, **probes)

    answer = client.get(link_to(endpoint)[1])

    shown = unescape(answer.text)
    assert "Schema mismatch: 2" in shown
    assert "schema mismatch: city has the wrong type" in shown
    body = json.loads(shown.split("<<'JSON'\n")[1].split("\nJSON")[0])
    assert body == {"model": "falcon-1-instruct", **small.body, "stream": True}
    assert '"Authorization: Bearer $API_KEY"' in shown


def test_signs_and_lost_replies_are_kinds_too(client: Client) -> None:
    endpoint = make_endpoint()
    verify(
        endpoint,
        n2={"leaked_tool_text": True},
        n3={"tool_choice_violated": True},
        n4={"outcome": "timeout_idle", "verdict": ""},
        n5={"outcome": "rate_limited", "verdict": ""},
    )
    page = client.get(link_to(endpoint)[1]).text

    assert page.count("<h3>") == 3
    for words in ("Call written as text: 1", "Forced call not made: 1"):
        assert words in page


def test_requests_of_another_set_are_never_shown(client: Client) -> None:
    endpoint = make_endpoint()
    verify(endpoint, digest="f" * 64, n2={"verdict": "invalid_json"})

    page = client.get(link_to(endpoint)[1]).text

    assert "have not been put to it yet" in page
    assert "curl" not in page


@pytest.mark.parametrize(
    "fields",
    [
        {"verdict": "unknown_name", "leaked_tool_text": True},
        {"verdict": "valid", "duplicate_ids": True},
        {"verdict": "none", "verdict_reason": "calls_missing"},
        {"verdict": "valid"},
    ],
)
def test_a_reply_fails_as_in_scores(fields: dict[str, Any]) -> None:
    probe = Probe(outcome="ok", **fields)

    assert fault(probe) == failure(probe)


def test_history_tells_changes_and_not_what_a_curator_wrote(client: Client) -> None:
    endpoint = make_endpoint()
    hour = now().replace(minute=0, second=0, microsecond=0)
    for ago, standing in ((5, "verified"), (4, "verified"), (3, "below_par")):
        ScorePoint.objects.create(
            endpoint=endpoint, hour=hour - timedelta(hours=ago), standing=standing
        )
    Quarantine.objects.create(
        endpoint=endpoint,
        model=endpoint.model,
        kind="manual",
        reason="Bob saw it",
        started_at=hour,
        back_off_until=hour,
    )
    page = client.get(link_to(endpoint)[1]).text

    assert page.count("standing: verified") == page.count("standing: below par") == 1
    assert "set aside: by a curator" in page
    assert "Bob saw it" not in page


def test_csv_tells_the_same_and_runs_nothing(client: Client) -> None:
    endpoint = make_endpoint("cobalt", tag=FORMULA)
    make_score(endpoint, good=False)
    verify(endpoint, n2={"verdict": "invalid_json"})

    text = client.get(f"{link_to(endpoint)[1]}report.csv").text
    rows = list(csv.DictReader(StringIO(text)))

    assert rows[0]["name"] == f"'{FORMULA}"
    found = {(row["section"], row["name"]): row for row in rows}
    accuracy = found["criterion", "accuracy"]
    assert (accuracy["value"], accuracy["bound_high"]) == ("0.031", "0.014")
    bad = found["verifier failures", "reply with broken JSON"]
    assert (bad["value"], json.loads(bad["request"])["stream"]) == ("1", False)
    assert any(row["section"] == "to be eligible" for row in rows)


def test_an_answer_reaches_curators_and_stays_with_the_link(client: Client) -> None:
    endpoint = make_endpoint()
    make_score(endpoint, good=False)
    edition = make_allowlist(make_endpoint("amber"))
    path = link_to(endpoint)[1]

    answer = write(client, path, "<b>Which region?</b>", kind="answer")

    assert (answer.status_code, answer["Location"]) == (303, f"{path}#messages")
    assert "&lt;b&gt;Which region?" in client.get(path).text
    assert "<b>Which" not in client.get(path).text
    message, notice = ProviderMessage.objects.get(), Notice.objects.get()
    assert notice.path == reverse("admin:routing_providermessage_change", args=[message.pk])
    assert not notice.urgent
    assert [one.endpoint.tag for one in edition.entries.all()] == ["amber"]
    assert not VerifierRun.objects.exists()


def test_another_link_does_not_show_what_was_written(client: Client) -> None:
    endpoint = make_endpoint()
    write(client, link_to(endpoint)[1], "Only for you", kind="answer")

    assert "Only for you" not in client.get(link_to(endpoint)[1]).text


def test_one_retest_is_open_at_a_time(client: Client) -> None:
    endpoint = make_endpoint()
    first, second = link_to(endpoint)[1], link_to(endpoint)[1]

    assert write(client, first).status_code == 303
    refused = write(client, second, "Really mended")

    assert refused.status_code == 429
    assert "A re-test is asked for already" in refused.text
    assert "Really mended" in refused.text
    assert Notice.objects.get().urgent
    ProviderMessage.objects.update(settled_at=now())
    assert write(client, second).status_code == 303


def test_only_so_much_is_taken_in_one_hour(client: Client, settings: Any) -> None:
    path = link_to(make_endpoint())[1]
    for number in range(settings.LIMITS.report_hourly):
        assert write(client, path, f"No. {number}", kind="answer").status_code == 303

    assert write(client, path, kind="answer").status_code == 429
    ProviderMessage.objects.update(created_at=now() - timedelta(hours=1, seconds=1))
    assert write(client, path, kind="answer").status_code == 303


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"kind": "publish", "text": "x"},
        {"kind": "answer", "text": " "},
        {"kind": "answer", "text": "x" * 4_001},
        {"kind": "answer", "text": "\0"},
    ],
)
def test_rubbish_is_not_taken(client: Client, told: dict[str, str]) -> None:
    answer = client.post(link_to(make_endpoint())[1], told)

    assert answer.status_code == 400
    assert "Not sent yet" in answer.text
    assert not ProviderMessage.objects.exists()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"x" * 3_000_000, "application/x-www-form-urlencoded"),
        (b"text=" + b"x" * 3_000_000, "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % at for at in range(2_000)), "application/x-www-form-urlencoded"),
        (b"--x\r\nrubbish", "multipart/form-data; boundary=x"),
        (b"rubbish", "multipart/form-data"),
        (b"kind=answer&text=%00%ff%ed%a0%80", "application/x-www-form-urlencoded"),
        (b"kind=answer&text=x", "application/x-www-form-urlencoded; charset=latin-1"),
        (b'{"kind": "answer", "text": "x"}', "application/json"),
    ],
)
def test_a_body_that_is_no_form_is_refused(client: Client, body: bytes, kind: str) -> None:
    answer = client.generic("POST", link_to(make_endpoint())[1], body, kind)

    assert answer.status_code in (400, 413, 415)
    assert not ProviderMessage.objects.exists()


def test_any_text_is_shown_as_text(client: Client) -> None:
    path = link_to(make_endpoint())[1]
    text = "</textarea><script>alert(1)</script>\u202e{% now %} =1+1 &amp; \U0001f98a"

    assert write(client, path, text, kind="answer").status_code == 303
    refused = write(client, path, text, kind="x")

    for page in (client.get(path).text, refused.text):
        assert "<script" not in page
        assert text in unescape(page)


def test_a_post_needs_the_forms_token() -> None:
    path = link_to(make_endpoint())[1]

    assert write(Client(enforce_csrf_checks=True), path).status_code == 403


def test_an_endpoint_out_of_service_still_has_its_report(client: Client) -> None:
    path = link_to(make_endpoint(enabled=False))[1]

    assert "out of service" in client.get(path).text
    assert "out of service" in client.get(f"{path}report.csv").text


def test_its_queries_do_not_grow(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    endpoint = make_endpoint()
    path = link_to(endpoint)[1]
    for number in range(12):
        make_score(make_endpoint(f"p{number}"), good=False)
        verify(endpoint, n2={"verdict": "invalid_json"}, n3={"leaked_tool_text": True})

    with django_assert_max_num_queries(22):
        client.get(path)


def row(**fields: Any) -> dict[str, Any]:
    told = {"withheld": False, **criterion("fail", 0.031)}
    plain = {"quarantine": None, "method": "assay-1", "eligible": False, "decision": None}
    return {**plain, "criteria": {"accuracy": told | fields.pop("accuracy", {})}, **fields}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (row(eligible=True), []),
        (row(accuracy={"bound": None}), ["neither what would do"]),
        (row(accuracy={"bound": [None, 0.0]}), ["No number of further ones"]),
        (row(accuracy={"estimate": 0.01}), ["cannot be told"]),
        (row(accuracy={"verdict": "insufficient"}), ["At least 150 tool calls"]),
        (row(accuracy={"verdict": "pass"}), ["not yet surely enough"]),
        (row(method="openrouter"), ["cannot be told"]),
        (row(criteria={}), ["no evidence yet"]),
        (row(eligible=True, decision="left_out"), ["A curator has left it out"]),
    ],
)
def test_says_what_is_missing_or_that_it_cannot(told: dict[str, Any], said: list[str]) -> None:
    found = lacking(told, DEFAULT)

    assert len(found) == len(said)
    assert all(part in whole for part, whole in zip(said, found, strict=True))
