"""curl, where it does what no other client does: a body in chunks, a model that is not there."""

import json
import os
import shutil
import subprocess
from typing import Any

import pytest

from tests.clients.packages import not_tested
from tests.clients.weather import EXACTO, asked
from tests.live import LiveGateway


def post(gateway: LiveGateway, base_url: str, body: Any, *options: str) -> tuple[int, Any]:
    """Return the status and the body as JSON."""
    if shutil.which("curl") is None:
        not_tested("with curl: it is not installed")
    done = subprocess.run(
        [
            *("curl", "-sS", "-i", "--max-time", "20", f"{base_url}/chat/completions"),
            *("-H", f"Authorization: Bearer {gateway.key}", "-d", json.dumps(body)),
            *("-H", "Content-Type: application/json", *options),
        ],
        env={**os.environ, "no_proxy": "*"},
        capture_output=True,
        text=True,
        check=True,
    )
    head, _, text = done.stdout.partition("\n\n")
    return int(head.split()[1]), json.loads(text)


def test_may_send_a_body_in_chunks_over_http_1_1(gateway: LiveGateway, base_url: str) -> None:
    body = {"model": EXACTO, "messages": asked("[[text:Good day.]]")}

    status, answer = post(gateway, base_url, body, "-H", "Transfer-Encoding: chunked")

    assert status == 200
    assert answer["choices"][0]["message"]["content"] == "Good day."


@pytest.mark.parametrize("model", ["nobody/nothing", "nothing"])
def test_an_unknown_model_is_a_400(gateway: LiveGateway, base_url: str, model: str) -> None:
    status, answer = post(gateway, base_url, {"model": model, "messages": asked("Hello")})

    assert status == 400
    assert answer["error"]["code"] == 400
