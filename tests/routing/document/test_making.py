"""The document: committed as it is made, whole, and made of the code that it describes."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.urls import path
from jsonschema_rs import Draft202012Validator
from rest_framework.views import APIView

from routing.api.document import FILE
from routing.api.key_changes import NewKey
from routing.document import chat, making
from routing.document.operation import Answer, Operation
from routing.document.schemas import Schemas
from routing.gateway.chat_request import parse_chat, read_chat
from routing.gateway.embeddings_request import read_embeddings
from routing.gateway.shapes.messages.shape import MessagesShape
from routing.gateway.shapes.responses.shape import ResponsesShape
from routing.gateway.shapes.shape import Shape
from routing.gateway.shapes.text import TextShape
from routing.limits import Limits


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return making.document()


def test_the_committed_file_is_what_is_made() -> None:
    assert FILE.read_bytes() == making.document_bytes(), "run `make openapi` and commit the file"


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def test_every_address_is_there_once(document: dict[str, Any]) -> None:
    ids = [one["operationId"] for one in operations(document)]

    assert {"/api/v1/chat/completions", "/api/v1/keys/{key_hash}", "/readyz"} <= document[
        "paths"
    ].keys()
    assert not any(place.startswith(("/admin", "/docs")) for place in document["paths"])
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for reference in set(re.findall(r'"\$ref": "#/components/(\w+)/([\w.]+)"', text)):
        kind, name = reference
        assert name in document["components"][kind]
    named = {name for name in document["components"]["schemas"] if "." in name}
    assert named == set()


def test_who_needs_no_key_is_told(document: dict[str, Any]) -> None:
    keyless = {one["operationId"] for one in operations(document) if "security" not in one}

    assert {"getModels", "getHealth", "getOpenApiDocument"} <= keyless
    assert keyless.isdisjoint({"sendChatCompletionRequest", "getCredits", "listModelsUser"})
    for one in operations(document):
        assert ("401" in one["responses"]) == (one["operationId"] not in keyless)


def test_a_body_is_described_by_the_struct_that_checks_it(document: dict[str, Any]) -> None:
    [made] = msgspec.json.schema_components([NewKey])[1].values()
    described = document["components"]["schemas"]["NewKey"]

    def rules(schema: dict[str, Any]) -> dict[str, Any]:
        fields = schema["properties"].items()
        return {n: {k: v for k, v in field.items() if k != "description"} for n, field in fields}

    assert rules(described) == rules(made)


@pytest.mark.parametrize("name", ["sendChatCompletionRequest", "previewRoute"])
def test_the_examples_are_bodies_that_the_gateway_takes(
    document: dict[str, Any], name: str
) -> None:
    [operation] = [one for one in operations(document) if one["operationId"] == name]
    content = operation["requestBody"]["content"]["application/json"]
    schema = Draft202012Validator({**content["schema"], "components": document["components"]})

    for example in content["examples"].values():
        assert list(schema.iter_errors(example["value"])) == []
        parse_chat(json.dumps(example["value"]).encode(), Limits())


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("createMessages", MessagesShape),
        ("countMessagesTokens", MessagesShape),
        ("createResponses", ResponsesShape),
        ("createCompletions", TextShape),
        ("createEmbeddings", None),
    ],
)
def test_the_examples_are_taken_in_the_words_of_each_api(
    document: dict[str, Any], name: str, shape: type[Shape] | None
) -> None:
    [operation] = [one for one in operations(document) if one["operationId"] == name]
    content = operation["requestBody"]["content"]["application/json"]
    schema = Draft202012Validator({**content["schema"], "components": document["components"]})

    for example in content["examples"].values():
        assert list(schema.iter_errors(example["value"])) == []
        if shape is None:
            read_embeddings(example["value"], 0, Limits())
        else:
            read_chat(shape().chat_body(example["value"], Limits()), 0, Limits())


class Unknown(APIView):
    authentication_classes = []

    def get(self, request: Any) -> None: ...


def test_an_address_without_a_description_stops_the_making(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(making, "urlpatterns", [path("api/v1/new", Unknown.as_view())])

    with pytest.raises(making.Undescribed, match="GET of Unknown"):
        making.document()
    with pytest.raises(CommandError, match="GET of Unknown"):
        call_command("openapi", "--check")


def test_a_described_address_appears(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Operation(Unknown, "GET", "getNew", chat.TAG, "New", (Answer(int, "It.", data=True),))
    monkeypatch.setattr(making, "urlpatterns", [path("api/v1/new", Unknown.as_view())])
    monkeypatch.setattr(making, "OPERATIONS", (*making.OPERATIONS, said))

    [operation] = making.document()["paths"]["/api/v1/new"].values()

    assert operation["responses"]["200"]["content"] == {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"data": {"type": "integer"}},
                "required": ["data"],
            }
        }
    }
    assert {"400", "406", "413", "500"} <= operation["responses"].keys()


def test_a_description_of_what_is_not_there_is_refused() -> None:
    with pytest.raises(KeyError, match="absent"):
        Schemas([NewKey], {NewKey: {"absent": "Nothing."}})


def test_two_structs_of_one_name_are_refused() -> None:
    def made(limit: int) -> Any:
        kind = Annotated[int, msgspec.Meta(le=limit)]
        return msgspec.defstruct("Twice", [("number", kind)], module=f"of_{limit}")

    with pytest.raises(ValueError, match="names of their own"):
        Schemas([made(1), made(2)], {})


def test_the_command_says_whether_the_file_is_current(
    capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "openapi.json"
    monkeypatch.setattr("routing.management.commands.openapi.FILE", file)

    with pytest.raises(CommandError, match="make openapi"):
        call_command("openapi", "--check")
    assert not file.exists()
    call_command("openapi")
    call_command("openapi", "--check")

    assert file.read_bytes() == FILE.read_bytes()
    assert "is current" in capsys.readouterr().out
