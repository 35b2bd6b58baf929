"""A file in, rows and live editions out, and back."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers.catalog.check import UNKNOWN
from providers.catalog.schema import SCHEMA_FILE
from providers.catalog.source import CatalogError
from providers.models import Credential, Endpoint, Model, Provider, Revision
from providers.simulator import fleet
from routing.curation.catalog_file import Loaded, check_file, dump, load
from routing.models import Allowlist
from tests.catalog_rows import make_allowlist, make_endpoint, make_provider
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.django_db

FILE = """\
providers:
  - {slug: acme, name: Acme, base_url: "https://acme.test/v1", api_key_env: ACME_API_KEY}
  - {slug: bolt, name: Bolt, base_url: "https://bolt.test/v1"}
models:
  - {slug: acme/falcon-1, name: Falcon, context_length: 1000, released_at: 2025-09-05}
endpoints:
  - model: acme/falcon-1
    provider: acme
    tag: acme/fp8
    upstream_model: falcon
    context_length: 1000
    prices: {prompt: "0.0000006", completion: "0.0000025"}
    supported_parameters: [tools]
  - model: acme/falcon-1
    provider: bolt
    tag: bolt
    upstream_model: falcon
    context_length: 1000
    prices: {prompt: "0", completion: "0", cache_read: "0.5"}
allowlists:
  - model: acme/falcon-1
    variant: exacto
    reason: Measured.
    endpoints: [{tag: acme/fp8, reason: Valid calls.}]
"""


def load_text(text: str, **options: Any) -> Loaded:
    return load(check_file(text.encode()), **options)


def done(loaded: Loaded) -> set[str]:
    return {change.done for change in loaded.changes}


def revision() -> int:
    return Revision.objects.get(topic="catalog").number


def live() -> Allowlist:
    return Allowlist.objects.get(status=Allowlist.Status.PUBLISHED)


def refused(text: str) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        load_text(text)
    return [str(problem) for problem in caught.value.problems]


def test_makes_what_the_file_describes() -> None:
    loaded = load_text(FILE)

    assert done(loaded) == {"created"}
    endpoint = Endpoint.objects.get(tag="acme/fp8")
    assert endpoint.price_prompt == Decimal("0.0000006")
    assert endpoint.price_cache_read is None
    assert endpoint.provider.credential.api_key_env == "ACME_API_KEY"
    assert not Credential.objects.filter(provider__slug="bolt").exists()
    assert [(e.endpoint.tag, e.reason) for e in live().entries.all()] == [
        ("acme/fp8", "Valid calls.")
    ]
    assert live().reason == "Measured."


def test_loading_twice_changes_nothing() -> None:
    load_text(FILE)
    before = revision()

    loaded = load_text(FILE)

    assert done(loaded) == {"unchanged"}
    assert revision() == before
    assert Allowlist.objects.count() == 1


def test_changes_only_what_differs() -> None:
    load_text(FILE)

    loaded = load_text(FILE.replace("0.0000025", "0.000003"))

    assert [change.key for change in loaded.changes if change.done == "updated"] == [
        "acme/falcon-1 acme/fp8"
    ]
    assert Endpoint.objects.get(tag="acme/fp8").price_completion == Decimal("0.000003")


def test_a_part_may_refer_to_what_the_database_holds() -> None:
    load_text(FILE)

    loaded = load_text(FILE[FILE.index("allowlists:") :].replace("acme/fp8", "bolt"))

    assert [change.done for change in loaded.changes] == ["updated"]
    assert loaded.left_alone == {"providers": 2, "models": 1, "endpoints": 2, "allowlists": 0}
    assert [entry.endpoint.tag for entry in live().entries.all()] == ["bolt"]


def test_what_the_file_leaves_out_goes_back_to_its_default() -> None:
    load_text(FILE)
    Endpoint.objects.filter(tag="bolt").update(enabled=False, quantization="fp8")

    load_text(FILE)

    endpoint = Endpoint.objects.get(tag="bolt")
    assert (endpoint.enabled, endpoint.quantization) == (True, "unknown")


def test_the_reference_moves_with_the_file() -> None:
    first, second = (
        FILE.replace(f"    tag: {tag}\n", f"    tag: {tag}\n    reference: true\n")
        for tag in ("acme/fp8", "bolt")
    )

    for text, tag in [(first, "acme/fp8"), (second, "bolt"), (first, "acme/fp8")]:
        load_text(text)
        assert list(Endpoint.objects.filter(reference=True).values_list("tag", flat=True)) == [tag]
    assert done(load_text(first)) == {"unchanged"}
    assert done(load_text(dump())) == {"unchanged"}


def test_leaves_alone_what_the_file_does_not_name() -> None:
    other = make_allowlist(make_endpoint("cobalt", "cobalt/one"))

    loaded = load_text(FILE)

    other.refresh_from_db()
    assert other.status == Allowlist.Status.PUBLISHED
    assert loaded.left_alone == {"providers": 1, "models": 1, "endpoints": 1, "allowlists": 1}


def test_a_changed_list_becomes_a_new_edition_in_the_name_of_its_publisher() -> None:
    load_text(FILE)
    alice = User.objects.create_user("alice")

    load_text(
        FILE.replace("[{tag: acme/fp8, reason: Valid calls.}]", "[{tag: bolt}]").replace(
            "reason: Measured.", "reason: Acme broke."
        ),
        by=alice,
    )

    assert live().version == 2
    assert live().published_by == alice
    assert live().reason == "Acme broke."
    assert [entry.endpoint.tag for entry in live().entries.all()] == ["bolt"]
    assert Allowlist.objects.get(version=1).status == Allowlist.Status.RETIRED


def test_another_reason_alone_publishes_nothing() -> None:
    load_text(FILE)

    loaded = load_text(FILE.replace("reason: Measured.", "reason: Measured again."))

    assert done(loaded) == {"unchanged"}
    assert live().reason == "Measured."


def test_a_dry_run_reports_and_writes_nothing() -> None:
    before = revision()

    loaded = load_text(FILE, dry_run=True)

    assert done(loaded) == {"created"}
    assert not Provider.objects.exists()
    assert revision() == before


@pytest.mark.django_db(transaction=True)
def test_two_loads_at_once_are_one_after_the_other() -> None:
    start = Barrier(2)

    def load_in_thread() -> set[str]:
        start.wait()
        try:
            return done(load_text(FILE))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(load_in_thread) for _ in range(2)]
        outcomes = [load.result() for load in loads]

    assert sorted(outcomes, key=str) == [{"created"}, {"unchanged"}]
    assert live().version == 1


def test_one_error_anywhere_writes_nothing() -> None:
    assert refused(FILE.replace("{tag: acme/fp8, ", "{tag: acme/fp4, ")) == [
        f"24: allowlists[0].endpoints[0].tag: {UNKNOWN}"
    ]
    assert not Provider.objects.exists()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            "[{tag: acme/fp8, reason: Valid calls.}]",
            "[{tag: bolt}, {tag: bolt}]",
            "24: allowlists[0].endpoints[1].tag: is on this list twice: remove one.",
            id="endpoint twice",
        ),
        pytest.param(
            "allowlists:\n  - model: acme/falcon-1",
            "  - {slug: acme/falcon-1}\nallowlists:\n  - model: acme/falcon-2",
            f"22: allowlists[0].model: {UNKNOWN}",
            id="unknown model",
        ),
        pytest.param(
            "variant: exacto",
            "variant: nitro",
            "22: allowlists[0].variant: there is no such variant. Known: exacto.",
            id="unknown variant",
        ),
        pytest.param(
            "reason: Measured.",
            'reason: " "',
            "23: allowlists[0].reason: is not written as it must be. Why this list",
            id="no reason",
        ),
        pytest.param(
            "[{tag: acme/fp8, reason: Valid calls.}]",
            "[]",
            "24: allowlists[0].endpoints: is too short: at least 1. The endpoints allowed",
            id="no endpoints",
        ),
    ],
)
def test_names_what_is_wrong_with_a_list(old: str, new: str, expected: str) -> None:
    assert any(problem.startswith(expected) for problem in refused(FILE.replace(old, new)))


def test_refuses_an_endpoint_of_another_model() -> None:
    text = FILE.replace(
        "endpoints:\n  - model: acme/falcon-1\n    provider: acme",
        "  - {slug: acme/owl, name: Owl, context_length: 1}\n"
        "endpoints:\n  - model: acme/owl\n    provider: acme",
    )

    assert refused(text) == [
        "25: allowlists[0].endpoints[0].tag: is an endpoint of acme/owl, not of acme/falcon-1: "
        "use one of its own."
    ]


def test_refuses_two_lists_for_one_variant() -> None:
    again = FILE[FILE.index("allowlists:\n") + len("allowlists:\n") :]

    assert refused(FILE + again) == [
        "25: allowlists[1]: acme/falcon-1:exacto appears twice, first on line 21."
    ]


def test_a_stored_credential_stays_and_is_not_dumped() -> None:
    load_text(FILE)
    credential = Credential.objects.get(provider__slug="acme")
    credential.store("sk-stored-here")
    credential.save()

    loaded = load_text(FILE)
    text = dump()

    credential.refresh_from_db()
    secret = credential.open()
    assert secret is not None
    assert secret.reveal() == "sk-stored-here"
    assert done(loaded) == {"unchanged"}
    assert "keeps its stored credential" in loaded.changes[0].note
    assert "# acme: its credential is stored here and not in this file." in text
    assert "api_key" not in text
    assert done(load_text(text)) == {"unchanged"}


def test_a_variable_taken_out_of_the_file_is_forgotten() -> None:
    load_text(FILE)

    loaded = load_text(FILE.replace(", api_key_env: ACME_API_KEY", ""))

    assert loaded.changes[0].done == "updated"
    assert Credential.objects.get(provider__slug="acme").open() is None


def test_dumps_published_editions_only_and_short_prices() -> None:
    load_text(FILE)
    make_allowlist(Endpoint.objects.get(tag="bolt"), published=False)

    text = dump()

    assert "prices: {prompt: '0.0000006', completion: '0.0000025'}" in text
    assert text.count("variant: exacto") == 1
    assert "- tag: bolt" not in text


def test_refuses_to_dump_a_row_no_file_may_hold() -> None:
    make_endpoint("cobalt", tool_choices=["always"])

    with pytest.raises(CatalogError) as caught:
        dump()

    assert "must be one of none, auto, required, function" in str(caught.value.problems[0])


PRINTABLE = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="<>")
NAMES = st.text(PRINTABLE, min_size=1, max_size=30).filter(str.strip)
# All that a text column takes: the rest is refused on load.
TEXTS = st.text(
    st.characters(codec="utf-8", min_codepoint=0x80) | st.sampled_from("ab:#'\"\n\r\t -")
)
PRICES = st.decimals(0, Decimal("999.999999999999"), places=12, allow_nan=False)
FLAGS = st.sampled_from([None, True, False])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=NAMES,
    text=TEXTS,
    prices=st.tuples(PRICES, PRICES, st.none() | PRICES),
    flags=st.tuples(FLAGS, FLAGS),
    seconds=st.none() | st.floats(0.001, 3600),
)
def test_loading_a_dump_changes_nothing(
    name: str, text: str, prices: tuple[Any, ...], flags: tuple[Any, ...], seconds: float | None
) -> None:
    Endpoint.objects.all().delete()
    Model.objects.all().delete()
    Provider.objects.all().delete()
    endpoint = make_endpoint(
        make_provider("cobalt", name=name, api_key_env="COBALT_API_KEY"),
        upstream_model=name,
        price_prompt=prices[0],
        price_completion=prices[1],
        price_cache_read=prices[2],
        trains_on_data=flags[0],
        zero_data_retention=flags[1],
        first_token_seconds=seconds,
    )
    Model.objects.update(description=text, hugging_face_id=name)

    before = revision()
    loaded = load_text(dump())

    assert [change for change in loaded.changes if change.done != "unchanged"] == []
    assert revision() == before
    Endpoint.objects.filter(pk=endpoint.pk).delete()


@pytest.mark.parametrize(
    "name", ["1e5", "no", "0.1", "2025-01-01", "~", "0x1F", "1_000", "<<", "="]
)
def test_text_that_looks_like_something_else_survives(name: str) -> None:
    make_endpoint("cobalt", upstream_model=name)

    assert done(load_text(dump())) == {"unchanged"}


@pytest.mark.parametrize(
    "file",
    ["providers/demo_catalog.yaml", "examples/catalog.yaml", "docs/catalog.md"],
)
def test_the_files_we_ship_load_and_survive_a_round_trip(file: str) -> None:
    text = (REPOSITORY / file).read_text()
    if file.endswith(".md"):
        [text] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)

    load_text(text)
    dumped = dump()

    assert done(load_text(text)) == {"unchanged"}
    assert done(load_text(dumped)) == {"unchanged"}
    assert dump() == dumped


def test_the_documented_file_shows_every_field() -> None:
    documented = (REPOSITORY / "docs/catalog.md").read_text()
    schema = json.loads(SCHEMA_FILE.read_text())
    kinds = [schema["$defs"][name] for name in ("provider", "model", "endpoint", "allowlist")]
    fields = {name for kind in kinds for name in kind["properties"]}
    fields |= set(schema["$defs"]["endpoint"]["properties"]["prices"]["properties"])

    assert {field for field in fields if f"{field}:" not in documented} == set()


def test_every_demo_endpoint_is_simulated() -> None:
    load_text((REPOSITORY / "providers/demo_catalog.yaml").read_text())

    simulated = {
        (provider.slug, model)
        for provider in fleet.load(fleet.DEMO_FLEET).providers.values()
        for model in provider.endpoints
    }
    assert simulated == set(Endpoint.objects.values_list("provider__slug", "upstream_model"))
