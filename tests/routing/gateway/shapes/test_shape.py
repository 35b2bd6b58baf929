"""An error names its place in the words of the API that was called."""

import pytest

from routing.errors import ApiError
from routing.gateway.shapes.shape import in_words_of

NAMES = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "tools[1]": "tools[4]",
    "tools[1].function": "tools[4]",
}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("messages[3].content", "input[3].content"),
        ("messages", "input"),
        ("max_tokens", "max_output_tokens"),
        ("max_tokens_more", "max_tokens_more"),
        ("provider.only[0]", "provider.only[0]"),
        ("tools[1]", "tools[4]"),
        ("tools[1].function.name", "tools[4].name"),
        ("tools[1].functional", "tools[4].functional"),
        ("tools[0].function.name", "tools[0].function.name"),
        ("tools[12].function.name", "tools[12].function.name"),
    ],
)
def test_the_place_is_called_as_the_shape_calls_it(path: str, said: str) -> None:
    error = ApiError(400, f"{path}: no.", metadata={"path": path}, headers={"X-A": "1"})

    told = in_words_of(NAMES, error)

    assert told.message == f"{said}: no."
    assert told.metadata == {"path": said}
    assert (told.status, told.error_type, told.headers) == (400, "invalid_request", {"X-A": "1"})


def test_an_error_without_a_place_stays_as_it_is() -> None:
    error = ApiError(429, "messages: too many.")

    assert in_words_of(NAMES, error) is error
