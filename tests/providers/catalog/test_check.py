"""Every rule of the catalogue: one broken file each, and the line and words it is answered with."""

import json
from typing import Any

import pytest

from providers.catalog.check import UNKNOWN, Known, check
from providers.catalog.schema import SCHEMA_FILE
from providers.catalog.source import read
from providers.models import CREDENTIAL_ENV, QUANTIZATIONS, TOOL_CHOICES, Endpoint, Model, Provider

GOOD = """\
providers:
  - slug: acme
    name: Acme
    base_url: https://acme.test/v1
    api_key_env: ACME_API_KEY
models:
  - slug: acme/falcon-1
    name: Falcon
    context_length: 1000
    released_at: 2025-09-05
endpoints:
  - model: acme/falcon-1
    provider: acme
    tag: acme/fp8
    upstream_model: falcon
    context_length: 1000
    prices: {prompt: "0.0000006", completion: "0.0000025"}
    supported_parameters: [tools]
"""


def problems(text: str) -> list[str]:
    return [str(problem) for problem in check(read(text.encode()), Known()).problems]


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def test_finds_nothing_wrong_with_a_good_file() -> None:
    catalog = check(read(GOOD.encode()), Known())

    assert catalog.problems == ()
    assert catalog.providers[0].api_key_env == "ACME_API_KEY"
    assert catalog.endpoints[0].key == ("acme/falcon-1", "acme/fp8")
    assert catalog.endpoints[0].fields["quantization"] == "unknown"


PRICE_RULE = (
    'US dollars as a decimal in quotes, such as "0.0000006": 0 or more, at most 12 places, '
    "no exponent."
)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            '"0.0000006"',
            "0.0000006",
            f"17: endpoints[0].prices.prompt: must be text: put it in quotes. {PRICE_RULE}",
            id="price as a float",
        ),
        pytest.param('"0.0000006"', '"-1"', PRICE_RULE, id="negative price"),
        pytest.param('"0.0000006"', '"6e-7"', PRICE_RULE, id="price with an exponent"),
        pytest.param('"0.0000006"', '"0.0000000000006"', PRICE_RULE, id="13 places"),
        pytest.param('"0.0000006"', '"1000"', PRICE_RULE, id="price out of range"),
        pytest.param('"0.0000006"', '"NaN"', PRICE_RULE, id="price not a number"),
        pytest.param(
            "    tag: acme/fp8",
            "    tag: bolt/fp8",
            "14: endpoints[0].tag: must be acme, or start with acme/.",
            id="tag of another provider",
        ),
        pytest.param(
            "provider: acme",
            "provider: bolt",
            f"13: endpoints[0].provider: {UNKNOWN}",
            id="unknown provider",
        ),
        pytest.param(
            "- model: acme/falcon-1",
            "- model: acme/falcon-2",
            f"12: endpoints[0].model: {UNKNOWN}",
            id="unknown model",
        ),
        pytest.param(
            "supported_parameters:",
            "supported_paramters:",
            "18: endpoints[0].supported_paramters: there is no such field. "
            "Did you mean supported_parameters?",
            id="misspelt field",
        ),
        pytest.param(
            "    upstream_model: falcon\n",
            "",
            "12: endpoints[0]: upstream_model is missing. The model id the provider itself uses.",
            id="missing field",
        ),
        pytest.param(
            "api_key_env: ACME_API_KEY",
            "api_key: sk-very-secret",
            "5: providers[0].api_key: credentials do not belong into this file.",
            id="a key in the file",
        ),
        pytest.param(
            "api_key_env: ACME_API_KEY",
            "api_key_env: SECRET_KEY",
            "5: providers[0].api_key_env: is not written as it must be. The NAME of the",
            id="a variable that is no API key",
        ),
        pytest.param(
            "https://acme.test/v1",
            "${SECRET_KEY}/v1",
            "4: providers[0].base_url: a variable in an address must be named ${UPSTREAM_URL_…}",
            id="another variable in an address",
        ),
        pytest.param(
            "https://acme.test/v1",
            "https://user:very-secret@acme.test/v1",
            "4: providers[0].base_url: must be http(s)://host/path, without a user",
            id="credentials in an address",
        ),
        pytest.param(
            "https://acme.test/v1",
            "ftp://acme.test",
            "4: providers[0].base_url: must be http(s)://host/path",
            id="another scheme",
        ),
        pytest.param(
            "released_at: 2025-09-05",
            "released_at: 2025-02-30",
            "10: models[0].released_at: ",
            id="a day that is none",
        ),
        pytest.param(
            "    name: Acme",
            "    name: <b>",
            "3: providers[0].name: Use plain printable text.",
            id="markup in a name",
        ),
        pytest.param(
            "    name: Acme\n",
            "    name: Acme\n    headquarters: no\n",
            "4: providers[0].headquarters: must be text: put it in quotes.",
            id="Norway",
        ),
        pytest.param(
            "    context_length: 1000\n    released_at",
            "    context_length: 1000.5\n    released_at",
            "9: models[0].context_length: must be a whole number without quotes.",
            id="half a token",
        ),
        pytest.param(
            "[tools]", "[tools, tools]", "supported_parameters: repeats an item.", id="repetition"
        ),
        pytest.param(
            "    supported_parameters: [tools]",
            "    tool_choices: [always]",
            "18: endpoints[0].tool_choices[0]: must be one of none, auto, required, function.",
            id="unknown tool choice",
        ),
        pytest.param(
            "    supported_parameters: [tools]",
            "    first_token_seconds: .inf",
            "18: endpoints[0].first_token_seconds: must be a number without quotes.",
            id="endless time-out",
        ),
        pytest.param(
            "    supported_parameters: [tools]",
            "    reference: maybe",
            "18: endpoints[0].reference: must be true or false, without quotes.",
            id="a reference or not",
        ),
        pytest.param(
            "    supported_parameters: [tools]",
            "    supported_parameters:",
            "supported_parameters: is empty: give a value or leave the field out.",
            id="empty field",
        ),
        pytest.param(
            "endpoints:\n",
            "  - slug: acme/falcon-1\n    name: Again\n    context_length: 1\nendpoints:\n",
            "11: models[1]: acme/falcon-1 appears twice, first on line 7.",
            id="duplicate model",
        ),
    ],
)
def test_names_the_line_the_fault_and_the_cure(old: str, new: str, expected: str) -> None:
    found = problems(changed(old, new))

    assert len(found) == 1
    assert expected in found[0]
    assert "very-secret" not in found[0]


def test_refers_to_what_exists_already() -> None:
    part = GOOD[GOOD.index("endpoints:") :]
    there = Known(providers=frozenset([("acme",)]), models=frozenset([("acme/falcon-1",)]))

    assert check(read(part.encode()), there).problems == ()
    assert len(problems(part)) == 2


def test_refuses_two_endpoints_with_one_tag() -> None:
    again = GOOD[GOOD.index("  - model:") :]

    assert problems(GOOD + again) == [
        "19: endpoints[1]: acme/falcon-1 acme/fp8 appears twice, first on line 12."
    ]


def test_reports_everything_at_once() -> None:
    text = (
        GOOD.replace("name: Acme", "nam: Acme")
        .replace('"0.0000006"', "1")
        .replace("released_at: 2025-09-05", "released_at: 2025-02-30")
    )

    lines = [int(problem.split(":")[0]) for problem in problems(text)]

    assert sorted(lines) == [2, 3, 10, 17]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[]", id="a list"),
        pytest.param("just text", id="text"),
        pytest.param("providers: {}", id="a mapping for a list"),
        pytest.param("providers: [1, [], null]", id="no items"),
        pytest.param("endpoints: [{model: [], tag: {}, provider: 1}]", id="nothing as it should"),
        pytest.param("models: [{slug: [1]}]", id="a list for a slug"),
    ],
)
def test_survives_any_shape(text: str) -> None:
    assert problems(text)


def test_only_warns_of_a_variable_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UPSTREAM_URL_ACME", raising=False)
    text = changed("https://acme.test/v1", "${UPSTREAM_URL_ACME}/v1")

    catalog = check(read(text.encode()), Known())

    assert catalog.errors == []
    assert "UPSTREAM_URL_ACME is not set here" in str(catalog.problems[0])
    monkeypatch.setenv("UPSTREAM_URL_ACME", "https://acme.test")
    assert problems(text) == []
    monkeypatch.setenv("UPSTREAM_URL_ACME", "file:///etc")
    assert "must be http(s)://host/path" in problems(text)[0]


def _properties(name: str) -> dict[str, Any]:
    schema = json.loads(SCHEMA_FILE.read_text())
    properties: dict[str, Any] = schema["$defs"][name]["properties"]
    return properties


def test_the_schema_names_what_the_models_hold() -> None:
    def fields(model: type[Provider | Model | Endpoint]) -> set[str]:
        return {field.name for field in model._meta.fields} - {"id"}

    endpoint = _properties("endpoint")
    prices = {f"price_{name}" for name in endpoint["prices"]["properties"]}
    assert set(_properties("provider")) - {"api_key_env"} == fields(Provider)
    assert set(_properties("model")) == fields(Model)
    assert set(endpoint) - {"prices"} | prices == fields(Endpoint)
    assert endpoint["quantization"]["enum"] == QUANTIZATIONS
    assert endpoint["tool_choices"]["items"]["enum"] == TOOL_CHOICES
    assert _properties("provider")["api_key_env"]["pattern"] == f"^{CREDENTIAL_ENV.pattern}$"


def test_a_model_has_one_reference_at_most() -> None:
    marked = GOOD + "    reference: true\n"
    second = marked.split("endpoints:\n")[1].replace("acme/fp8", "acme/fp4")

    assert problems(marked) == []
    assert problems(marked + second) == [
        "27: endpoints[1].reference: acme/falcon-1 has its reference on line 12: leave one of them."
    ]
