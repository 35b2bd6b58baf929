"""Accounts' standing preferences in the admin: operators edit them, curators see them."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from routing.models import Account, AccountPreferences
from tests.admin_people import curator, operator

pytestmark = pytest.mark.django_db
ADD = "admin:routing_accountpreferences_add"
LIST = "admin:routing_accountpreferences_changelist"


def add(client: Client, ignore: object = ("Cobalt ", "dune")) -> tuple[int, str]:
    alice, _ = Account.objects.get_or_create(name="Alice")
    data = {
        "account": str(alice.pk),
        "only": "[]",
        "ignore": json.dumps(ignore),
        "order": "[]",
        "auto_exacto": "on",
    }
    answer = client.post(reverse(ADD), data)
    return answer.status_code, answer.text


def test_an_operator_keeps_an_accounts_preferences_in_normal_form() -> None:
    client = operator()

    assert add(client)[0] == 302

    row = AccountPreferences.objects.get(account__name="Alice")
    assert (row.ignore, row.auto_exacto, row.quality_gate) == (["cobalt", "dune"], "on", False)
    assert "cobalt, dune" in client.get(reverse(LIST)).text


def test_the_form_says_what_is_wrong_with_a_list() -> None:
    status, page = add(operator(), {"cobalt": True})

    assert status == 200
    assert "Give a list of names" in page
    assert not AccountPreferences.objects.exists()


def test_a_curator_sees_and_does_not_change_them() -> None:
    add(operator())
    client = curator()
    row = AccountPreferences.objects.get()

    assert client.get(reverse(LIST)).status_code == 200
    assert client.get(reverse(ADD)).status_code == 403
    page = reverse("admin:routing_accountpreferences_change", args=[row.pk])
    assert client.post(page, {"ignore": "[]"}).status_code == 403
    row.refresh_from_db()
    assert row.ignore == ["cobalt", "dune"]
