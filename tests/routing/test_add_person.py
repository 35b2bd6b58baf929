"""People get a role from the command line, and sign in with what it printed."""

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from routing.models import AuditEntry

pytestmark = pytest.mark.django_db


def add(name: str, role: str) -> str:
    out = StringIO()
    call_command("add_person", name, role=role, stdout=out)
    return out.getvalue().strip()


def test_a_new_person_signs_in_with_the_password_and_has_the_role() -> None:
    password = add("vera", "viewer")

    client = Client()
    said = {"username": "vera", "password": password}
    assert client.post(reverse("admin:login"), said).status_code == 302
    assert client.get(reverse("admin:routing_allowlist_changelist")).status_code == 200
    assert client.get(reverse("admin:routing_allowlist_add")).status_code == 403
    assert client.get(reverse("admin:auth_user_changelist")).status_code == 403


def test_the_trail_says_who_got_which_role_and_not_the_password() -> None:
    password = add("vera", "viewer")

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.after) == ("give role", {"person": "vera", "role": "viewer"})
    assert password not in str(vars(entry))


def test_somebody_who_is_there_keeps_the_password_and_gets_one_more_role() -> None:
    password = add("vera", "viewer")

    assert add("vera", "curator") == "vera is curator now; the password stays."

    vera = User.objects.get()
    assert vera.check_password(password)
    assert set(vera.groups.values_list("name", flat=True)) == {"Viewers", "Curators"}


@pytest.mark.parametrize("field", ["is_active", "is_staff"])
def test_somebody_who_was_locked_out_does_not_come_back_by_a_role(field: str) -> None:
    User.objects.create_user("vera", is_staff=True)
    User.objects.update(**{field: False})

    with pytest.raises(CommandError, match="may not sign in"):
        add("vera", "viewer")

    assert not User.objects.get().groups.exists()


def test_a_name_that_cannot_be_typed_is_refused() -> None:
    with pytest.raises(CommandError, match="a b: Enter a valid username"):
        add("a b", "viewer")

    assert not User.objects.exists()
