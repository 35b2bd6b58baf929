"""The audit trail: added to, never changed, and a change behind its back is found."""

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from providers.triggers import _drop
from routing.models import AuditEntry
from tests.catalog_rows import make_endpoint

pytestmark = pytest.mark.django_db


def keep_three() -> list[AuditEntry]:
    endpoint = make_endpoint()
    user = User.objects.create_user("carl")
    return [
        AuditEntry.record("publish", by=user, model=endpoint.model, edition=1, after={"x": 0.1}),
        AuditEntry.record("quarantine", by="detector", endpoint=endpoint, reason="Broke.\nAll."),
        AuditEntry.record("release", by="detector", endpoint=endpoint, before=["a", 1, None]),
    ]


def test_each_row_carries_the_hash_of_the_one_before() -> None:
    first, second, third = keep_three()

    assert (first.previous, second.previous, third.previous) == ("", first.hash, second.hash)
    assert AuditEntry.head() == third.hash
    assert AuditEntry.broken_at() is None


def test_the_database_refuses_to_change_a_row() -> None:
    first, *_ = keep_three()

    with pytest.raises(DatabaseError, match="only ever added to"), transaction.atomic():
        AuditEntry.objects.filter(pk=first.pk).update(reason="Nothing happened.")
    with pytest.raises(DatabaseError, match="only ever added to"), transaction.atomic():
        first.delete()

    assert AuditEntry.objects.count() == 3


def without_trigger(event: str) -> None:
    """Do what a superuser of the database could."""
    with connection.cursor() as cursor:
        cursor.execute(_drop(f"routing_auditentry_keep_{event}", "routing_auditentry"))


def test_a_row_changed_behind_its_back_is_found() -> None:
    _, second, _ = keep_three()
    without_trigger("update")
    AuditEntry.objects.filter(pk=second.pk).update(reason="Nothing happened.")

    assert AuditEntry.broken_at() == second


def test_a_row_taken_out_behind_its_back_is_found() -> None:
    _, second, third = keep_three()
    without_trigger("delete")
    AuditEntry.objects.filter(pk=second.pk).delete()

    assert AuditEntry.broken_at() == third


def test_an_old_name_stays_in_the_trail() -> None:
    endpoint = make_endpoint("cobalt")
    entry = AuditEntry.record("quarantine", by="detector", endpoint=endpoint)
    endpoint.tag = "cobalt/fp8"
    endpoint.save()

    assert AuditEntry.objects.get(pk=entry.pk).endpoint_tag == "cobalt"


def test_the_command_prints_the_end_to_be_kept_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    *_, last = keep_three()

    call_command("check_audit")

    assert capsys.readouterr().out == f"3 rows, unbroken. The last hash: {last.hash}\n"


def test_the_command_names_a_broken_row() -> None:
    first, *_ = keep_three()
    without_trigger("update")
    AuditEntry.objects.filter(pk=first.pk).update(actor_name="dora")

    with pytest.raises(CommandError, match=f"broken at row {first.pk}"):
        call_command("check_audit")
