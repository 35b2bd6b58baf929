"""The rows other tests build on are valid rows, on the database the run claims to use."""

import os
from pathlib import Path

import pytest
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils.timezone import now

from providers.models import Revision
from routing.models import Allowlist, ApiKey, key_digest
from tests.catalog_rows import make_allowlist, make_endpoint, make_key
from tests.conftest import REPOSITORY
from tests.flushing import TOPICS

pytestmark = pytest.mark.django_db


def test_an_endpoint_and_its_parents_are_clean() -> None:
    endpoint = make_endpoint("cobalt", tag="cobalt/fp8", quantization="fp8")

    endpoint.full_clean()
    endpoint.model.full_clean()
    endpoint.provider.full_clean()


def test_an_allowlist_is_published_or_left_a_draft() -> None:
    first, second = make_endpoint("cobalt"), make_endpoint("larkspur")

    live = make_allowlist(first, second)
    draft = make_allowlist(first, published=False)

    assert live.status == Allowlist.Status.PUBLISHED
    assert [entry.endpoint for entry in live.entries.all()] == [first, second]
    assert draft.status == Allowlist.Status.DRAFT
    assert draft.version == 2


def test_a_key_is_usable() -> None:
    text = make_key("Alice")

    key = ApiKey.objects.get(digest=key_digest(text))

    assert key.account.name == "Alice"
    assert key.usable(now())


def test_the_run_is_kept_apart_from_the_checkout() -> None:
    home = Path(settings.ASSAY_HOME)

    assert REPOSITORY not in home.parents
    assert connection.vendor == ("postgresql" if os.environ.get("TEST_DATABASE_URL") else "sqlite")
    assert "test" in str(connection.settings_dict["NAME"])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("time", ["first", "second"])
def test_a_transactional_test_leaves_the_database_as_it_found_it(time: str) -> None:
    assert not Allowlist.objects.exists()
    assert set(Revision.objects.values_list("topic", flat=True)) >= set(TOPICS)

    edition = make_allowlist(make_endpoint("cobalt"))

    with pytest.raises(DatabaseError, match="of a published edition do not change"):
        edition.delete()
