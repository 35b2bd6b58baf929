"""An edition's way from draft to retired, and what the database itself refuses on it."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils.timezone import now

from routing.models import Allowlist, EditionError, LeftOut
from tests.admin_people import curator
from tests.catalog_rows import make_allowlist, make_endpoint

pytestmark = pytest.mark.django_db
RETIRED: dict[str, Any] = {"status": "retired", "retired_reason": "All of them fail."}


@pytest.fixture
def carl() -> User:
    curator()
    return User.objects.get(username="carl")


def change(edition: Allowlist, **columns: Any) -> None:
    with transaction.atomic():
        Allowlist.objects.filter(pk=edition.pk).update(**columns)


def test_an_edition_keeps_who_withdrew_it_and_why(carl: User) -> None:
    edition = make_allowlist(make_endpoint("cobalt"))

    edition.retire(by=carl, reason="All of them fail.")

    edition.refresh_from_db()
    assert (edition.status, edition.retired_by) == ("retired", carl)
    assert edition.retired_reason == "All of them fail."
    assert edition.retired_at is not None


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_withdrawing_without_a_reason_is_refused(carl: User, reason: str) -> None:
    edition = make_allowlist(make_endpoint("cobalt"))

    with pytest.raises(EditionError, match="write why"):
        edition.retire(by=carl, reason=reason)

    assert Allowlist.objects.get().status == "published"


def test_only_the_live_edition_can_be_withdrawn(carl: User) -> None:
    draft = make_allowlist(make_endpoint("cobalt"), published=False)

    with pytest.raises(EditionError, match="not the published edition"):
        draft.retire(by=carl, reason="All of them fail.")


def test_a_replaced_edition_says_by_which_and_by_whom(carl: User) -> None:
    endpoint = make_endpoint("cobalt")
    first = make_allowlist(endpoint)

    make_allowlist(endpoint, published=False).publish(by=carl)

    first.refresh_from_db()
    assert (first.status, first.retired_by) == ("retired", carl)
    assert first.retired_reason == "Replaced by edition 2."


def test_the_database_lets_a_published_edition_retire(carl: User) -> None:
    edition = make_allowlist(make_endpoint("cobalt"))

    change(edition, **RETIRED, retired_at=now(), retired_by=carl)

    assert Allowlist.objects.get().status == "retired"


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"retired_reason": "Soon."}, id="reason but still live"),
        pytest.param({"retired_at": now()}, id="time but still live"),
        pytest.param({"status": "draft"}, id="back to a draft"),
        pytest.param({"status": "retired", "retired_at": now()}, id="no reason"),
        pytest.param(RETIRED | {"retired_at": None}, id="no time"),
        pytest.param(RETIRED | {"retired_at": now(), "retired_reason": " "}, id="blank reason"),
        pytest.param(RETIRED | {"retired_at": now(), "reason": "Other."}, id="another reason"),
        pytest.param(RETIRED | {"retired_at": now(), "version": 7}, id="another version"),
        pytest.param(RETIRED | {"retired_at": now(), "published_at": None}, id="no publication"),
        pytest.param(RETIRED | {"retired_at": now(), "variant": "nitro"}, id="another variant"),
    ],
)
def test_the_database_refuses_any_other_change(columns: dict[str, Any]) -> None:
    edition = make_allowlist(make_endpoint("cobalt"))
    before = Allowlist.objects.values().get()

    with pytest.raises(DatabaseError, match="a published edition does not change"):
        change(edition, **columns)

    assert Allowlist.objects.values().get() == before


@pytest.mark.parametrize("column", ["created_by", "published_by"])
def test_the_database_refuses_another_person(carl: User, column: str) -> None:
    edition = make_allowlist(make_endpoint("cobalt"))

    with pytest.raises(DatabaseError, match="a published edition does not change"):
        change(edition, **RETIRED, retired_at=now(), **{column: carl})


@pytest.mark.parametrize(
    "columns",
    [
        {"retired_reason": "Because."},
        {"retired_at": now() + timedelta(1)},
        {"status": "published"},
        {"retired_by": None},
    ],
)
def test_the_database_keeps_a_retired_edition_as_it_is(carl: User, columns: dict[str, Any]) -> None:
    edition = make_allowlist(make_endpoint("cobalt"))
    edition.retire(by=carl, reason="All of them fail.")

    with pytest.raises(DatabaseError, match="a published edition does not change"):
        change(edition, **columns)


@pytest.mark.parametrize("status", ["draft", "in_review"])
@pytest.mark.parametrize(
    ("approved", "at"),
    [pytest.param("", now(), id="nothing approved"), pytest.param("a" * 64, None, id="at no time")],
)
def test_the_database_publishes_only_what_was_approved(
    status: str, approved: str, at: datetime | None
) -> None:
    draft = make_allowlist(make_endpoint("cobalt"), published=False)
    change(draft, status=status, approved_hash=approved)

    with pytest.raises(DatabaseError, match="what is published says what was approved"):
        change(draft, status="published", published_at=at)

    assert Allowlist.objects.get().status == status
    change(draft, status="draft", approved_hash="a" * 64)
    change(draft, status="published", published_at=now())


@pytest.fixture
def left_out() -> LeftOut:
    """Return who was left out of an edition that is live."""
    draft = make_allowlist(make_endpoint("cobalt"), published=False)
    out = LeftOut.objects.create(allowlist=draft, endpoint=make_endpoint("zinc"), reason="Fails.")
    LeftOut.objects.filter(pk=out.pk).update(reason="It fails.")  # a draft may change
    draft.publish(by=None)
    return out


def more(out: LeftOut) -> None:
    LeftOut.objects.create(allowlist=out.allowlist, endpoint=make_endpoint("iron"), reason="Too.")


def other_words(out: LeftOut) -> None:
    LeftOut.objects.filter(pk=out.pk).update(reason="Bribed.")


def moved_out(out: LeftOut) -> None:
    draft = Allowlist.objects.create(model=out.allowlist.model, variant="exacto", version=2)
    LeftOut.objects.filter(pk=out.pk).update(allowlist=draft)


def moved_in(out: LeftOut) -> None:
    draft = Allowlist.objects.create(model=out.allowlist.model, variant="exacto", version=2)
    late = LeftOut.objects.create(allowlist=draft, endpoint=make_endpoint("iron"), reason="Late.")
    LeftOut.objects.filter(pk=late.pk).update(allowlist=out.allowlist)


def fewer(out: LeftOut) -> None:
    LeftOut.objects.filter(pk=out.pk).delete()


@pytest.mark.parametrize("status", ["published", "retired"])
@pytest.mark.parametrize("attempt", [more, other_words, moved_out, moved_in, fewer])
def test_the_database_keeps_who_was_left_out(
    left_out: LeftOut, attempt: Callable[[LeftOut], None], status: str
) -> None:
    if status == "retired":
        left_out.allowlist.retire(by=None, reason="All of them fail.")

    with (
        pytest.raises(DatabaseError, match="the entries of a published edition do not change"),
        transaction.atomic(),
    ):
        attempt(left_out)

    kept = LeftOut.objects.get(allowlist=left_out.allowlist)
    assert (kept.endpoint, kept.reason) == (left_out.endpoint, "It fails.")


def triggers() -> dict[str, str]:
    """Return every trigger with what it does."""
    sqlite = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    postgres = (
        "SELECT tgname, pg_get_triggerdef(t.oid) || p.prosrc FROM pg_trigger t "
        "JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal"
    )
    with connection.cursor() as cursor:
        cursor.execute(sqlite if connection.vendor == "sqlite" else postgres)
        return dict(cursor.fetchall())


@pytest.fixture
def before_retirement_was_kept(transactional_db: None) -> Iterator[dict[str, str]]:
    """Undo the migrations of this file's columns; give the triggers there were with them."""
    call_command("migrate", "routing", "0005", verbosity=0)
    there = triggers()
    call_command("migrate", "routing", "0003", verbosity=0)
    yield there
    call_command("migrate", "routing", verbosity=0)


def test_a_table_that_grows_keeps_its_triggers(before_retirement_was_kept: dict[str, str]) -> None:
    undone = triggers()

    call_command("migrate", "routing", "0005", verbosity=0)

    assert triggers() == before_retirement_was_kept
    assert undone.keys() == before_retirement_was_kept.keys()
    changed = {name for name, text in triggers().items() if undone[name] != text}
    assert changed == {"routing_allowlist_keep_published"}
