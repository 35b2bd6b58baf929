"""Benchmark runs in the admin: the upload page, and the read-only rows it makes."""

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from providers.models import Endpoint
from telemetry.models import BenchmarkRun
from tests.admin_people import curator, newcomer, operator
from tests.telemetry.benchmarks.made_up import (
    bfcl_answer,
    bfcl_score,
    failed_row,
    jsonl,
    row,
)

pytestmark = pytest.mark.django_db
RUNS = "/admin/telemetry/benchmarkrun/"
ADD = f"{RUNS}add/"


def upload(name: str = "results.jsonl", content: bytes | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, jsonl([row(1), row(2, False)]) if content is None else content)


def send(client: Client, endpoint: Endpoint, *files: SimpleUploadedFile, **more: object) -> str:
    """Post the form; return the page that follows."""
    form = {"endpoint": endpoint.pk, "results": list(files), **more}
    answer = client.post(ADD, form, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_curator_uploads_a_run_and_sees_it(endpoint: Endpoint) -> None:
    client = curator()

    page = send(client, endpoint, upload(), origin="nightly")

    run = BenchmarkRun.objects.get(endpoint=endpoint)
    assert "Imported k2vv at cobalt" in page
    assert "schema_accuracy" in page
    assert "Comparable only with runs that have all four in common" in page
    assert run.origin.startswith("nightly; K2 Vendor Verifier")
    listed = client.get(RUNS).content.decode()
    assert "1 of 2" in listed
    assert run.request_set[:12] in listed


def test_the_page_says_how_much_it_takes() -> None:
    page = curator().get(ADD).content.decode()

    assert "An upload may have 4.0\xa0MB in all" in page
    assert "import_benchmark" in page


def test_several_files_are_one_run_and_a_date_may_be_told(endpoint: Endpoint) -> None:
    answers = jsonl([bfcl_answer(f"irrelevance_{number}", "No.") for number in range(3)])
    page = send(
        curator(),
        endpoint,
        upload("BFCL_v4_irrelevance_score.json", bfcl_score(3)),
        upload("BFCL_v4_irrelevance_result.json", answers),
        measured_at="2026-11-20",
    )

    assert "irrelevance accuracy" in page
    assert BenchmarkRun.objects.get().measured_at.day == 20


def test_the_same_results_again_are_not_stored_again(endpoint: Endpoint) -> None:
    client = curator()
    send(client, endpoint, upload())

    assert "is stored already: nothing was written" in send(client, endpoint, upload("other.txt"))
    assert BenchmarkRun.objects.count() == 1


def test_a_reference_and_warnings(endpoint: Endpoint) -> None:
    content = jsonl([row(1), failed_row(2)])

    page = send(curator(), endpoint, upload(content=content), reference=[upload("reference")])

    assert "tool_call_f1" in page
    assert "Left out of every figure: 1 x request failed." in page


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "The submitted file is empty."),
        (b"{}", "results.jsonl: line 1: not the results of a known tool."),
        (jsonl([failed_row(1)]), "none of 1 requests was answered"),
        (b"\x1f\x8b\x00", "damaged or cut short"),
        (b'{"<script>": 1}', "not the results of a known tool"),
    ],
)
def test_what_is_refused_says_why_and_stores_nothing(
    endpoint: Endpoint, content: bytes, told: str
) -> None:
    page = send(curator(), endpoint, upload(content=content))

    assert told in page
    assert "<script>&quot;" not in page
    assert not BenchmarkRun.objects.exists()


def test_names_of_files_are_escaped(endpoint: Endpoint) -> None:
    page = send(curator(), endpoint, upload("<b>x", b"{}"))

    assert "&lt;b&gt;x: line 1" in page


def test_too_much_is_refused_before_it_is_read(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.admin.benchmarks.MAX_GIVEN", 10)

    assert "MiB: compress the files." in send(curator(), endpoint, upload())


def test_no_file_is_a_fault_of_the_form(endpoint: Endpoint) -> None:
    assert "This field is required." in send(curator(), endpoint)


def test_who_may_not_import_is_refused(endpoint: Endpoint) -> None:
    client = newcomer()

    assert client.get(ADD).status_code == 403
    assert client.post(ADD, {"endpoint": endpoint.pk, "results": [upload()]}).status_code == 403
    assert client.get(RUNS).status_code == 403
    assert not BenchmarkRun.objects.exists()


def test_a_run_is_history(endpoint: Endpoint) -> None:
    send(operator(), endpoint, upload())
    run = BenchmarkRun.objects.get()
    page = f"{RUNS}{run.pk}/change/"

    olga = Client()
    olga.force_login(User.objects.get(username="olga"))
    assert olga.post(page, {"suite": "mine"}).status_code == 403
    assert curator().post(f"{RUNS}{run.pk}/delete/", {"post": "yes"}).status_code == 403
    run.refresh_from_db()
    assert run.suite == "k2vv"


def test_the_list_needs_as_many_queries_for_five_runs_as_for_one(endpoint: Endpoint) -> None:
    client = curator()
    needed = []
    for number in range(5):
        send(client, endpoint, upload(content=jsonl([row(number)])))
        with CaptureQueriesContext(connection) as queries:
            assert client.get(RUNS).status_code == 200
        needed.append(len(queries))

    assert needed[0] == needed[-1]
