"""Provider addresses: the same rule in the catalogue file, in the admin and when they are used."""

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from providers.base_url import fault_of, filled, variables_in
from providers.models import Provider
from tests.admin_people import operator
from tests.catalog_rows import make_provider

GOOD = [
    "https://cobalt.example/v1",
    "http://127.0.0.1:8001/v1",
    "https://[2001:db8::1]:8443/openai/v1/",
    "https://${UPSTREAM_URL_HOST}/v1",
    "${UPSTREAM_URL_FLEET}/cobalt/v1",
]
BAD = [
    "",
    "cobalt.example/v1",
    "ftp://cobalt.example",
    "https://me:secret@cobalt.example/v1",
    "https://cobalt.example/v1?key=secret",
    "https://cobalt.example/v1#here",
    "https://cobalt.example\\@evil.example/v1",
    "https://cobalt.example/v1 ",
    "https:///v1",
    "https://cobalt.example/${SECRET_KEY}",
    "https://${UPSTREAM_URL_HOST}/${DATABASE_URL}",
    "https://cobalt.example/$HOME",
]


@pytest.mark.parametrize("url", GOOD)
def test_takes_what_is_a_plain_address(url: str) -> None:
    assert fault_of(url, {}) is None
    assert fault_of(url, {"UPSTREAM_URL_HOST": "h", "UPSTREAM_URL_FLEET": "http://h:1"}) is None


@pytest.mark.parametrize("url", BAD)
def test_refuses_every_other(url: str) -> None:
    assert fault_of(url, {}) is not None


@pytest.mark.parametrize("value", ["me:secret@h", "h?x", "h/a b", "ftp://h"])
def test_a_variables_value_is_looked_at_too(value: str) -> None:
    environ = {"UPSTREAM_URL_HOST": value, "UPSTREAM_URL_FLEET": value}

    assert fault_of("${UPSTREAM_URL_FLEET}/v1", environ) is not None


@given(st.text(alphabet="${}UPSTREAM_L:/h.SECRTKY", max_size=40))
def test_nothing_but_permitted_variables_is_read(url: str) -> None:
    read = []

    class Watched(dict[str, str]):
        def __missing__(self, name: str) -> str:
            read.append(name)
            return "h"

    if fault_of(url, {}) is None:
        filled(url, Watched())

    assert all(name.startswith("UPSTREAM_URL_") for name in read)
    assert read == (variables_in(url) if read else [])


@pytest.mark.django_db
@pytest.mark.parametrize("url", BAD)
def test_the_admin_refuses_it_and_keeps_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_URL_HOST", "h.example")
    form = {
        "name": "Cobalt",
        "slug": "cobalt",
        "base_url": url,
        "credential-TOTAL_FORMS": "0",
        "credential-INITIAL_FORMS": "0",
    }

    answer = operator().post(reverse("admin:providers_provider_add"), form)

    # Blanks at the ends of what is typed are no fault: the form drops them.
    assert answer.status_code == (302 if url.strip() in GOOD else 200)
    assert Provider.objects.exists() == (url.strip() in GOOD)


@pytest.mark.django_db
def test_a_row_that_got_in_another_way_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "the secret")
    provider = make_provider(base_url="https://evil.example/${SECRET_KEY}")

    with pytest.raises(ValidationError, match="must name its variables") as refused:
        provider.resolved_base_url()

    assert "the secret" not in str(refused.value)
