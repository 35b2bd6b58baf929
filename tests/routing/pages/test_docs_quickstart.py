"""/docs/ and its quickstarts: the reader's own address, a model that is there, and no key."""

import re

import pytest
from django.conf import LazySettings
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from routing.pages.docs.clients import CLIENTS
from tests.catalog_rows import MODEL, make_allowlist, make_endpoint, make_key, make_model

pytestmark = pytest.mark.django_db
PATH = "/docs/quickstart/curl"


def page(client: Client, path: str = PATH, **extra: str) -> str:
    answer = client.get(path, **extra)  # type: ignore[arg-type]
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_index_leads_to_every_page(client: Client) -> None:
    text = page(client, "/docs/")
    links = set(re.findall(r'href="(/[^"#]*)"', text))

    assert "http://testserver/api/v1" in text
    assert {f"/docs/quickstart/{one.name}" for one in CLIENTS} < links
    assert {"/docs/selection", "/docs/reference", "/docs/api", "/exacto/", "/account/"} < links
    for link in links - {link for link in links if link.startswith("/static/")}:
        assert client.get(link).status_code == 200, link


@pytest.mark.parametrize("name", [one.name for one in CLIENTS])
def test_each_client_is_told_this_address_and_a_published_model(client: Client, name: str) -> None:
    make_allowlist(make_endpoint("amber"))

    text = page(client, f"/docs/quickstart/{name}")

    assert "http://testserver/api" in text
    assert f"{MODEL}:exacto" in text
    assert not re.search(r"%[A-Z_]+%", text)


def test_the_address_is_the_one_the_reader_used(client: Client, settings: LazySettings) -> None:
    settings.ALLOWED_HOSTS = ["one.test", "two.test"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    first = page(client, HTTP_HOST="one.test:8443", HTTP_X_FORWARDED_PROTO="https")
    second = page(client, HTTP_HOST="two.test")

    assert '"https://one.test:8443/api/v1/chat/completions"' in first.replace("&quot;", '"')
    assert '"http://two.test/api/v1/chat/completions"' in second.replace("&quot;", '"')


def test_the_public_address_is_told_whatever_host_was_asked(
    client: Client, settings: LazySettings
) -> None:
    settings.ALLOWED_HOSTS = ["assay.test", "inside.test"]
    settings.PUBLIC_URL = "https://assay.test"

    for path in ("/docs/", PATH):
        pages = {page(client, path, HTTP_HOST=host) for host in ("assay.test", "inside.test:8000")}
        [text] = pages
        assert "https://assay.test/api/v1" in text
        assert "inside.test" not in text
        # Nothing in it is the request's, so anybody's cache may have it.
        answer = client.get(path, HTTP_HOST="inside.test")
        assert answer["Cache-Control"] == "public, max-age=60"


def test_a_reader_on_this_machine_is_told_the_address_that_was_typed(
    client: Client, settings: LazySettings
) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]

    assert "http://localhost:8000/api/v1" in page(client, HTTP_HOST="localhost:8000")


@pytest.mark.parametrize("host", ["evil.test", 'testserver"; rm -rf /', "testserver<script>"])
def test_a_host_that_is_not_ours_is_refused_and_not_repeated(client: Client, host: str) -> None:
    answer = client.get(PATH, HTTP_HOST=host)

    assert answer.status_code == 400
    assert host.encode() not in answer.content


def test_what_a_proxy_is_told_of_another_host_is_not_believed(client: Client) -> None:
    assert "evil.test" not in page(client, HTTP_X_FORWARDED_HOST="evil.test")


def test_only_the_reader_keeps_a_page_that_names_the_address(client: Client) -> None:
    for path in ("/docs/", PATH):
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": first["ETag"]})

        assert first["Cache-Control"] == again["Cache-Control"] == "private, max-age=60"
        assert first["Vary"] == again["Vary"] == "Host, X-Forwarded-Proto"
        assert (again.status_code, again.content) == (304, b"")


def test_without_an_allowlist_a_model_in_service_is_told(client: Client) -> None:
    make_endpoint("amber")

    text = page(client)

    assert "No model has a published allowlist here yet" in text
    assert MODEL in text
    assert f"{MODEL}:exacto" not in text


def test_without_a_model_the_reader_is_told_to_fill_one_in(client: Client) -> None:
    make_model()  # nobody serves it

    text = page(client)

    assert "No model is served here yet" in text
    assert "author/model" in text
    assert MODEL not in text


def test_models_that_nobody_can_ask_for_a_chat_are_passed_over(client: Client) -> None:
    embedder = make_model("aaa/embedder", output_modalities=["embeddings"])
    make_allowlist(make_endpoint("amber", embedder))
    make_allowlist(make_endpoint("amber", "aaa/off", tag="amber/2", enabled=False))
    make_allowlist(make_endpoint("amber", make_model("aaa/out", enabled=False), tag="amber/3"))
    make_allowlist(make_endpoint("amber", "aaa/draft", tag="amber/4"), published=False)
    make_allowlist(make_endpoint("amber", tag="amber/5"))

    assert f"{MODEL}:exacto" in page(client)


@pytest.mark.parametrize("slug", ["aaa/'; rm -rf ~; '", "aaa/<script>alert(1)</script>", 'a/"'])
def test_a_name_that_would_break_out_of_a_line_is_not_told(client: Client, slug: str) -> None:
    make_allowlist(make_endpoint("amber", slug))

    text = page(client)

    assert "rm -rf" not in text
    assert "<script" not in text
    assert "No model is served here yet" in text


def test_no_key_is_on_a_page_whoever_asks(client: Client) -> None:
    key = make_key()
    headers = {"Authorization": f"Bearer {key}"}

    for one in CLIENTS:
        text = client.get(f"/docs/quickstart/{one.name}", headers=headers).content.decode()
        assert key not in text
        assert re.findall(r"sk-assay-\w+", text) == []
        assert "sk-assay-…" in text


def test_a_client_that_nobody_knows_is_a_page_that_says_where_to_look(client: Client) -> None:
    answer = client.get("/docs/quickstart/<script>")

    assert answer.status_code == 404
    assert b"/docs/ lists those there are" in answer.content
    assert b"<script" not in answer.content


def test_links_lead_only_to_pages_that_are_switched_on(
    client: Client, settings: LazySettings
) -> None:
    settings.PUBLIC_SCOREBOARD = settings.PUBLIC_FEEDBACK = False
    settings.ACCOUNT_PAGES = settings.API_DOCS = False

    for path in ("/docs/", PATH, "/docs/selection", "/docs/reference"):
        text = page(client, path)
        assert not re.search(r'href="/(exacto|account|docs/api)', text), path


@pytest.mark.parametrize(
    "path", ["/docs/", PATH, "/docs/selection", "/docs/reference", "/docs/reference/chat"]
)
def test_it_can_be_switched_off_and_runs_no_script(
    client: Client, settings: LazySettings, path: str
) -> None:
    answer = client.get(path)
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert b"<script" not in answer.content
    assert b"style=" not in answer.content
    assert not answer.cookies
    assert client.post(path).status_code == 405

    settings.PUBLIC_DOCS = False
    assert client.get(path).status_code == 404
    assert b'href="/docs/' not in client.get("/exacto/").content
    assert b'href="/docs/"' not in client.get("/docs/api").content


def test_many_models_cost_no_more_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(5):
        make_allowlist(make_endpoint("amber", f"acme/m-{number}", tag=f"amber/{number}"))

    with django_assert_num_queries(1):
        page(client)
    with django_assert_num_queries(2):
        page(client, "/docs/selection")
    with django_assert_num_queries(0):
        page(client, "/docs/reference/chat")
