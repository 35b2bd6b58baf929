"""Standings and quarantines in the snapshot, and when they make processes read anew."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from providers.models import Endpoint
from routing.gateway.admission import admit
from routing.gateway.slugs import parse_model
from routing.gateway.snapshot import build, read_revisions
from routing.models import Quarantine
from telemetry.models import EndpointScore
from tests.catalog_rows import MODEL, make_allowlist, make_endpoint

pytestmark = pytest.mark.django_db


def make_score(endpoint: Endpoint, standing: str = "verified", **fields: object) -> EndpointScore:
    row = {
        "computed_at": now(),
        "method": "assay-1",
        "inputs_hash": "",
        "standing_since": now(),
        "eligible": True,
        "sentence": "Measured.",
        "criteria": {},
    }
    return EndpointScore.objects.create(endpoint=endpoint, standing=standing, **{**row, **fields})


def set_aside(endpoint: Endpoint, variant: str = "exacto") -> Quarantine:
    return Quarantine.objects.create(
        endpoint=endpoint,
        model=endpoint.model,
        variant=variant,
        kind=Quarantine.Kind.FAILURES,
        reason="Broke.",
        started_at=now(),
        back_off_until=now() + timedelta(hours=1),
    )


def _catalog() -> int:
    return read_revisions()["catalog"]


def _standings() -> dict[str, tuple[str, str]]:
    return {e.tag: (e.standing, e.method) for e in build(64).models[MODEL].endpoints}


def test_knows_the_standing_and_method_of_every_endpoint() -> None:
    amber, cobalt, _ = (make_endpoint(slug) for slug in ("amber", "cobalt", "zinc"))
    make_score(amber)
    make_score(cobalt, "below_par", method="openrouter")

    assert _standings() == {
        "amber": ("verified", "assay-1"),
        "cobalt": ("below_par", "openrouter"),
        "zinc": ("insufficient_data", ""),
    }


def test_subtracts_open_quarantines_from_the_pool_and_no_others() -> None:
    amber, cobalt = make_endpoint("amber"), make_endpoint("cobalt")
    make_score(amber)
    make_allowlist(amber, cobalt)
    row = set_aside(amber)

    model = build(64).models[MODEL]
    pool = admit(model, parse_model(f"{MODEL}:exacto"))

    assert [e.tag for e in pool.endpoints] == ["cobalt"]
    assert [e.tag for e in pool.quarantined] == ["amber"]
    assert len(admit(model, parse_model(MODEL)).endpoints) == 2
    assert _standings()["amber"] == ("quarantined", "assay-1")

    Quarantine.objects.filter(pk=row.pk).update(ended_at=now())
    pool = admit(build(64).models[MODEL], parse_model(f"{MODEL}:exacto"))
    assert len(pool.endpoints) == 2
    assert _standings()["amber"] == ("verified", "assay-1")


def test_a_quarantine_raises_the_revision_when_it_begins_and_ends() -> None:
    endpoint = make_endpoint("amber")
    before = _catalog()

    row = set_aside(endpoint)
    began = _catalog()
    row.ended_at = now()
    row.save()

    assert before < began < _catalog()


def test_only_a_new_standing_or_method_raises_the_revision() -> None:
    score = make_score(make_endpoint("amber"))
    first = _catalog()

    score.computed_at = now()
    score.sentence = "Measured again."
    score.save()
    EndpointScore.objects.bulk_create(
        [score],
        update_conflicts=True,
        unique_fields=["endpoint"],
        update_fields=["computed_at", "standing", "sentence"],
    )
    assert _catalog() == first

    score.standing = "below_par"
    score.save()
    second = _catalog()
    score.method = "openrouter"
    score.save()
    third = _catalog()
    score.delete()

    assert first < second < third < _catalog()
