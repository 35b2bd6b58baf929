"""Codes of RFC 6238, and which of them are taken."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.one_time_codes import STEP_S, app_link, code_at, in_groups, new_secret, step_of

SECRET = base64.b32encode(b"12345678901234567890").decode()
times = st.integers(10 * STEP_S, 2**40)


@pytest.mark.parametrize(
    ("time", "code"),
    # Source: RFC 6238, appendix B, SHA-1; the last six of its eight digits.
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_published_codes(time: int, code: str) -> None:
    assert code_at(SECRET, time) == code
    assert step_of(SECRET, code, time=time) == time // STEP_S


@given(times, st.integers(-STEP_S, STEP_S))
def test_a_clock_may_be_off_by_a_step(time: int, off: int) -> None:
    step = step_of(SECRET, code_at(SECRET, time + off), time=time)

    assert step is not None
    assert abs(step - time // STEP_S) <= 1


@given(times)
def test_a_code_counts_once(time: int) -> None:
    code = code_at(SECRET, time)
    step = step_of(SECRET, code, time=time)

    assert step is not None
    again = step_of(SECRET, code, time=time, after=step)
    # One code may belong to two steps in a row, by chance.
    assert again is None or code_at(SECRET, again * STEP_S) == code


@given(st.text(max_size=12), times)
def test_whatever_is_typed_is_a_code_of_now_or_none(typed: str, time: int) -> None:
    near = {code_at(SECRET, time + off) for off in (-STEP_S, 0, STEP_S)}

    taken = step_of(SECRET, typed, time=time) is not None

    assert taken is ("".join(typed.split()) in near)


def test_blanks_do_not_matter() -> None:
    assert step_of(SECRET, " 287 082 ", time=59) is not None


def test_secrets_are_new_and_long_and_can_be_read_out() -> None:
    first, second = new_secret(), new_secret()

    assert first != second
    assert len(base64.b32decode(first)) == 20
    assert in_groups(first).replace(" ", "") == first
    assert {len(group) for group in in_groups(first).split()} == {4}


def test_the_link_says_what_an_app_needs() -> None:
    assert app_link(SECRET, "olga").startswith("otpauth://totp/Assay:olga?")
    assert f"secret={SECRET}" in app_link(SECRET, "olga")
    assert "issuer=Assay" in app_link(SECRET, "olga")


def test_what_is_no_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="not a secret"):
        code_at("not base32", 0)
