"""/exacto/: the models with a published allowlist, for everybody."""

import pytest
from django.conf import LazySettings
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.catalog_rows import MODEL, make_allowlist, make_endpoint

pytestmark = pytest.mark.django_db
PATH = "/exacto/"


def test_lists_models_with_a_live_edition_and_no_other(client: Client) -> None:
    make_allowlist(make_endpoint("amber"))
    make_endpoint("cobalt")
    make_endpoint("amber", "acme/unlisted", tag="amber/2")

    answer = client.get(PATH)

    assert answer.status_code == 200
    page = answer.content.decode()
    assert MODEL in page
    assert "1 of 2" in page
    assert "acme/unlisted" not in page


def test_a_page_runs_no_script_and_sets_no_cookie(client: Client) -> None:
    answer = client.get(PATH)

    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert b"<script" not in answer.content
    assert not answer.cookies
    assert "Cookie" not in answer.get("Vary", "")


def test_what_a_reader_has_is_not_sent_again(client: Client) -> None:
    make_allowlist(make_endpoint("amber"))
    first = client.get(PATH)

    again = client.get(PATH, headers={"If-None-Match": first["ETag"]})

    assert first["Cache-Control"] == "public, max-age=30"
    assert (again.status_code, again.content) == (304, b"")


def test_it_can_be_switched_off(client: Client, settings: LazySettings) -> None:
    settings.PUBLIC_SCOREBOARD = False

    assert client.get(PATH).status_code == 404


def test_names_are_text(client: Client) -> None:
    make_allowlist(make_endpoint("amber", "acme/<script>alert(1)</script>"))

    assert b"<script" not in client.get(PATH).content


def test_many_models_cost_no_more_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(5):
        make_allowlist(make_endpoint("amber", f"acme/falcon-{number}", tag=f"amber/{number}"))

    with django_assert_num_queries(1):
        client.get(PATH)


def test_an_address_that_leads_nowhere_is_told_on_a_page_of_ours(client: Client) -> None:
    answer = client.get("/exacto/acme/falcon-1/")

    assert answer.status_code == 404
    assert "Nothing has this address" in answer.text
    assert 'href="/exacto/"' not in answer.text  # it may be switched off
