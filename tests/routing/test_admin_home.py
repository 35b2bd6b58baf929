"""The admin's first page names what waits for somebody, and only to those who may see it."""

import pytest
from django.test import Client

from routing.models import Allowlist
from tests.admin_people import curator, newcomer, operator
from tests.catalog_rows import MODEL, make_allowlist, make_endpoint, make_provider

pytestmark = pytest.mark.django_db


def tasks(client: Client) -> list[tuple[str, bool]]:
    return [(task.text, task.urgent) for task in client.get("/admin/").context["tasks"]]


def test_nothing_waits_where_every_model_is_served_in_full() -> None:
    make_allowlist(make_endpoint("cobalt"))
    client = curator()

    assert tasks(client) == []
    assert "Nothing." in client.get("/admin/").text


def test_a_model_without_a_live_list_is_named() -> None:
    make_allowlist(make_endpoint("cobalt")).retire(by=None, reason="Gone.")

    assert tasks(curator()) == [
        (f"{MODEL} has no live allowlist: {MODEL}:exacto answers 404.", False)
    ]


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
