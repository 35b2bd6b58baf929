"""/docs/reference: all that openapi.json says, to read without a script."""

import doctest
import json
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from routing.api.document import FILE
from routing.pages.docs import shapes
from routing.pages.docs.operations import parts

pytestmark = pytest.mark.django_db
DOCUMENT: dict[str, Any] = json.loads(FILE.read_bytes())
SLUGS = [part.slug for part in parts()]


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def described() -> list[tuple[str, str, Any]]:
    return [
        (method.upper(), path, one)
        for path, methods in DOCUMENT["paths"].items()
        for method, one in methods.items()
    ]


def test_the_index_lists_every_address(client: Client) -> None:
    text = unescape(page(client, "/docs/reference"))

    for method, path, one in described():
        assert f"#{one['operationId']}" in text
        assert f"{method} {path}" in text


def test_parts_tell_every_parameter_status_and_field(client: Client) -> None:
    texts = {part.title: unescape(page(client, f"/docs/reference/{part.slug}")) for part in parts()}

    for method, path, one in described():
        text = texts[one["tags"][0]]
        section = text.partition(f'<section aria-labelledby="{one["operationId"]}">')[2]
        section = section.partition("</section>")[0]
        assert f"{method} {path}" in section
        for parameter in one.get("parameters", ()):
            assert f"<code>{parameter['name']}</code>" in section, (path, parameter["name"])
        for status in one["responses"]:
            assert f"<code>{status}</code>" in section, (path, status)
        assert ("Needs no key" in section) == ("security" not in one)
    everything = "".join(texts.values())
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert f'id="schema-{name}"' in everything, name
        for field in schema.get("properties", ()):
            assert f"<code>{field}</code>" in everything, (name, field)


@pytest.mark.parametrize("slug", SLUGS)
def test_no_link_on_a_page_leads_nowhere_and_no_place_is_there_twice(
    client: Client, slug: str
) -> None:
    text = page(client, f"/docs/reference/{slug}")
    places = re.findall(r'\bid="([^"]+)"', text)

    assert len(places) == len(set(places))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(places)
    assert set(re.findall(r'labelledby="([^"]+)"', text)) <= set(places)


def test_an_event_stream_tells_what_its_events_hold(client: Client) -> None:
    text = page(client, "/docs/reference/chat")

    assert "text/event-stream" in text
    assert 'JSON as text: <a href="#schema-ChatCompletionChunk">' in text


def test_what_the_document_says_is_text(client: Client) -> None:
    assert "<script" not in "".join(page(client, f"/docs/reference/{slug}") for slug in SLUGS)
    assert shapes.type_of({"enum": ["<b>"]}) == "<code>&quot;&lt;b&gt;&quot;</code>"
    assert shapes.type_of({"type": "object", "properties": {"<i>": {"type": "null"}}}) == (
        "object with <code>&lt;i&gt;</code>: null"
    )


def test_a_part_is_kept_by_everybody(client: Client) -> None:
    first = client.get("/docs/reference/chat")
    again = client.get("/docs/reference/chat", headers={"If-None-Match": first["ETag"]})

    assert first["Cache-Control"] == "public, max-age=300"
    assert (again.status_code, again.content) == (304, b"")


def test_a_part_that_is_not_there_is_a_page_that_says_where_to_look(client: Client) -> None:
    answer = client.get("/docs/reference/nothing")

    assert answer.status_code == 404
    assert b"/docs/reference lists every address" in answer.content


def test_doctests() -> None:
    assert doctest.testmod(shapes).failed == 0
