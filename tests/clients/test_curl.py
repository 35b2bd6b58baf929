"""curl, as documentation and issue reports use it."""

import json
import os
import shutil
import subprocess
from typing import Any

import pytest

from tests.clients.conftest import UNLISTED, not_tested
from tests.clients.weather import EXACTO, PARALLEL_QUESTION, TOOLS, asked
from tests.live import LiveGateway


@pytest.fixture(scope="module")
def curl() -> str:
    found = shutil.which("curl")
    if found is None:
        not_tested("with curl: it is not installed")
    return str(found)


class Curl:
    """Posts with curl; `status` and `headers` are those of the last answer."""

    def __init__(self, program: str, url: str, key: str) -> None:
        self._command = [program, "-sS", "-N", "-i", "--max-time", "20"]
        self._url = url
        self._key = key

    def post(self, body: dict[str, Any], *options: str, key: str = "") -> tuple[int, str]:
        """Return the status and the body."""
        bearer = ["-H", f"Authorization: Bearer {key or self._key}"]
        data = ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        done = subprocess.run(
            [*self._command, f"{self._url}/chat/completions", *bearer, *data, *options],
            env={**os.environ, "no_proxy": "*"},
            capture_output=True,
            text=True,
            check=True,
        )
        head, _, text = done.stdout.partition("\n\n")
        return int(head.split()[1]), text


@pytest.fixture
def post(curl: str, base_url: str, gateway: LiveGateway) -> Curl:
    return Curl(curl, base_url, gateway.key)


def test_gets_json(post: Curl) -> None:
    status, body = post.post({"model": EXACTO, "messages": asked("[[text:Good day.]]")})

    answer = json.loads(body)
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == "Good day."
    assert answer["usage"]["cost"] > 0


def test_gets_a_stream_with_calls_that_ends_with_done(post: Curl) -> None:
    status, body = post.post(
        {"model": EXACTO, "messages": PARALLEL_QUESTION, "tools": TOOLS, "stream": True}
    )

    events = [line.removeprefix("data: ") for line in body.split("\n") if line.startswith("data:")]
    assert status == 200
    assert events.pop() == "[DONE]"
    last = json.loads(events[-1])
    assert last["choices"][0]["finish_reason"] == "tool_calls"
    assert last["usage"]["cost"] > 0


@pytest.mark.parametrize(
    ("model", "key", "expected"),
    [
        pytest.param(f"{UNLISTED}:exacto", "", 404, id="nothing published"),
        pytest.param("nobody/nothing", "", 400, id="unknown model"),
        pytest.param(EXACTO, "sk-wrong", 401, id="wrong key"),
    ],
)
def test_gets_errors_in_one_shape(post: Curl, model: str, key: str, expected: int) -> None:
    status, body = post.post({"model": model, "messages": asked("Hello")}, key=key)

    assert status == expected
    assert json.loads(body)["error"]["code"] == expected


def test_may_send_a_body_in_chunks_over_http_1_1(post: Curl) -> None:
    body = {"model": EXACTO, "messages": asked("[[text:Good day.]]")}

    status, _ = post.post(body, "-H", "Transfer-Encoding: chunked")

    assert status == 200
