"""What the database itself holds of policies and quarantines."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils.timezone import now

from providers.models import Endpoint, Revision
from routing.models import ModelPolicy, Quarantine
from tests.catalog_rows import make_endpoint, make_model

pytestmark = pytest.mark.django_db


def set_aside(endpoint: Endpoint, **columns: Any) -> Quarantine:
    defaults = {"kind": "manual", "reason": "Breaks its JSON.", "back_off_until": now()}
    return Quarantine.objects.create(
        endpoint=endpoint, model=endpoint.model, started_at=now(), **{**defaults, **columns}
    )


def test_an_endpoint_is_set_aside_once_at_a_time() -> None:
    endpoint = make_endpoint()
    first = set_aside(endpoint)

    with pytest.raises(IntegrityError), transaction.atomic():
        set_aside(endpoint)
    Quarantine.objects.filter(pk=first.pk).update(ended_at=now())

    assert set_aside(endpoint).ended_at is None


def test_every_change_of_a_quarantine_is_seen_by_routing() -> None:
    def revision() -> int:
        return Revision.objects.get(topic="catalog").number

    endpoint = make_endpoint()
    before = revision()
    quarantine = set_aside(endpoint)
    begun = revision()
    Quarantine.objects.filter(pk=quarantine.pk).update(ended_at=now())

    assert before < begun < revision()


def test_a_model_without_a_policy_has_the_defaults() -> None:
    policy = ModelPolicy.of(make_model())

    assert (policy.mode, policy.method) == ("propose", "assay")
    assert (policy.min_pool, policy.max_changes_per_day) == (1, 2)
    assert policy.second_person_required is None
    assert not ModelPolicy.objects.exists()


def test_a_pool_of_nobody_is_no_policy() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelPolicy.objects.create(model=make_model(), min_pool=0)
