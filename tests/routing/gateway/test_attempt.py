import pytest

from providers.errors import ProviderError, UpstreamErrorInside200
from providers.secrets import Secret
from routing.gateway.attempt import hide

SECRET = "sk-upstream-" + "x" * 80


@pytest.mark.parametrize("code", [SECRET, SECRET[:64], f"key {SECRET[:20]}"])
def test_takes_our_credential_out_of_what_a_provider_says(code: str) -> None:
    error: ProviderError = UpstreamErrorInside200(400, f"bad key {SECRET}!", provider_code=code)

    hide(Secret(SECRET), error)

    assert error.message == "bad key ***!"
    assert error.provider_code is None


def test_leaves_other_words_alone() -> None:
    error: ProviderError = UpstreamErrorInside200(400, "no such model", provider_code="bad_model")

    hide(Secret(SECRET), error)
    hide(None, error)

    assert (error.message, error.provider_code) == ("no such model", "bad_model")
