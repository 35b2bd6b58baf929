from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.usage import TOKENS_MAX, Usage, parse_usage


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        pytest.param(
            {
                "prompt_tokens": 9,
                "completion_tokens": 3,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 1},
            },
            Usage(9, 3, 4, 2, 1),
            id="OpenAI",
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 3, "prompt_cache_hit_tokens": 4},
            Usage(9, 3, 4),
            id="DeepSeek",
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 3, "cached_tokens": 4},
            Usage(9, 3, 4),
            id="Moonshot",
        ),
        pytest.param({"input_tokens": 9, "output_tokens": 3}, Usage(9, 3), id="Anthropic's words"),
        pytest.param(
            {"prompt_tokens": 9, "prompt_tokens_details": None}, Usage(9), id="null details"
        ),
        pytest.param(
            {"prompt_tokens": -5, "completion_tokens": 10**18}, Usage(0, TOKENS_MAX), id="clamped"
        ),
        pytest.param(
            {"prompt_tokens": float("inf"), "completion_tokens": 2.0},
            Usage(TOKENS_MAX, 2),
            id="floats",
        ),
        pytest.param(
            {"prompt_tokens": 5, "completion_tokens": float("nan")}, Usage(5), id="not a number"
        ),
        pytest.param(
            {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 900}},
            Usage(5, 0, 5),
            id="more cached than sent",
        ),
        pytest.param({"prompt_tokens": "9", "completion_tokens": True}, None, id="wrong types"),
        pytest.param({}, None, id="empty"),
        pytest.param(None, None, id="null"),
        pytest.param([1], None, id="list"),
    ],
)
def test_reads(reported: object, usage: Usage | None) -> None:
    assert parse_usage(reported) == usage


NAMES = st.sampled_from(
    ["prompt_tokens", "completion_tokens", "prompt_tokens_details", "cached_tokens",
     "reasoning_tokens", "completion_tokens_details", "prompt_cache_hit_tokens"]
)  # fmt: skip
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)


@given(st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES)))
def test_never_raises_and_is_always_bounded(reported: dict[str, Any]) -> None:
    usage = parse_usage(reported)

    assert usage is None or all(
        0 <= count <= TOKENS_MAX
        for count in (
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
            usage.cache_write_tokens,
            usage.reasoning_tokens,
        )
    )
