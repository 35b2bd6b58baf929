"""Names of models: one meaning, or an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.gateway.slugs import SlugError, parse_model


@pytest.mark.parametrize(
    ("name", "slug", "variant", "sort"),
    [
        ("openai/gpt-oss-120b", "openai/gpt-oss-120b", "", None),
        ("z-ai/glm-4.6:exacto", "z-ai/glm-4.6", "exacto", None),
        ("a/b:nitro", "a/b", "", "throughput"),
        ("a/b:floor", "a/b", "", "price"),
        ("a/b:exacto:floor", "a/b", "exacto", "price"),
        ("a/b:floor:exacto", "a/b", "exacto", "price"),
        ("a/b:nitro:floor", "a/b", "", "price"),
        ("a/b:floor:nitro", "a/b", "", "throughput"),
        ("~a/b", "~a/b", "", None),
    ],
)
def test_reads_slug_and_variants(name: str, slug: str, variant: str, sort: str | None) -> None:
    ref = parse_model(name)

    assert (ref.requested, ref.slug, ref.variant, ref.sort) == (name, slug, variant, sort)


@pytest.mark.parametrize(
    ("name", "slug", "pin"),
    [
        ("a/b@amber", "a/b", "amber"),
        ("a/b:exacto@amber/fp8", "a/b", "amber/fp8"),
        ("a/b:floor@a.b-c_d", "a/b", "a.b-c_d"),
        ("a/b", "a/b", ""),
    ],
)
def test_reads_the_pinned_endpoint(name: str, slug: str, pin: str) -> None:
    ref = parse_model(name)

    assert (ref.slug, ref.pin) == (slug, pin)


@pytest.mark.parametrize(
    "name",
    ["a/b@", "a/b@preset/x", "a/b@preset", "a/b@x/y/z", "a/b@X", "a/b@x:exacto", "a/b@x@y",
     "", "a", "a/", "/b", "a/b/c", "a/b:", "a/b:x", "a/b:EXACTO", "a/b:exacto:exacto", "a/b\n",
     "a/b :exacto", "é/b", "a/" + "b" * 101, "a/b::exacto", "a/b:exacto:", "a /b", ":exacto",
     "a/..", "../a", "a/b\x00"],
)  # fmt: skip
def test_refuses_what_is_no_model_name(name: str) -> None:
    with pytest.raises(SlugError):
        parse_model(name)


@given(st.text(max_size=300))
def test_reads_a_name_or_says_why_not_in_a_few_printable_words(name: str) -> None:
    told = ""
    try:
        assert name.startswith(parse_model(name).slug)
    except SlugError as error:
        told = str(error)

    assert told.isprintable()
    assert len(told) < 250
