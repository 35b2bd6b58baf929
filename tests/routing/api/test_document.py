"""/api/v1/openapi.json and /docs/api: the committed document, and a page of this host alone."""

import re

import pytest
from django.conf import LazySettings
from django.contrib.staticfiles import finders
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from routing.api.document import FILE

pytestmark = pytest.mark.django_db


def test_everybody_gets_the_committed_document(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/api/v1/openapi.json")

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer.content == FILE.read_bytes()
    assert answer["Cache-Control"] == "public, max-age=300"


def test_whoever_has_it_gets_no_second_one(client: Client) -> None:
    etag = client.get("/api/v1/openapi.json")["ETag"]

    answer = client.get("/api/v1/openapi.json", headers={"If-None-Match": etag})

    assert (answer.status_code, answer.content) == (304, b"")


def test_the_page_loads_only_files_of_this_server(client: Client) -> None:
    page = client.get("/docs/api")
    text = page.content.decode()
    loaded = re.findall(r'(?:src|href)="(/[^"]+|https?:[^"]+)"', text)

    assert page.status_code == 200
    assert "/static/docs/page.js" in loaded
    for address in loaded:
        if address not in ("/api/v1/openapi.json", "/docs/", "/docs/reference"):
            assert finders.find(address.removeprefix("/static/")), address
    assert '"/api/v1/openapi.json"' in str(_file("docs/page.js"))


def test_the_page_allows_no_inline_script_and_no_other_host(client: Client) -> None:
    page = client.get("/docs/api")
    rules = dict(rule.strip().split(" ", 1) for rule in page["Content-Security-Policy"].split(";"))

    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=", page.content.decode())


def test_the_page_can_be_switched_off(client: Client, settings: LazySettings) -> None:
    settings.API_DOCS = False

    assert client.get("/docs/api").status_code == 404
    assert client.get("/api/v1/openapi.json").status_code == 200


def test_the_old_address_leads_to_the_page_or_else_to_the_docs(
    client: Client, settings: LazySettings
) -> None:
    assert client.get("/docs")["Location"] == "/docs/api"
    settings.API_DOCS = False
    assert client.get("/docs")["Location"] == "/docs/"
    settings.PUBLIC_DOCS = False
    assert client.get("/docs").status_code == 404


def _file(name: str) -> str:
    place = finders.find(name)
    assert place is not None
    with open(place) as file:
        return file.read()
