"""OpenRouter's own Python client, talking to this project in the test's thread."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from django.test import Client
from openrouter import OpenRouter


def through_django(request: httpx.Request) -> httpx.Response:
    """Answer a real HTTP message with the project; only the socket is left out."""
    answer = Client().generic(
        request.method,
        request.url.raw_path.decode(),
        request.read(),
        headers={k: v for k, v in request.headers.items() if k != "host"},
    )
    return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)


@pytest.fixture
def sdk(db: None) -> Iterator[Callable[[str], OpenRouter]]:
    """Return a maker of clients for a key."""
    with httpx.Client(transport=httpx.MockTransport(through_django)) as http:
        yield lambda key: OpenRouter(
            api_key=key, server_url="http://localhost/api/v1", client=http, retry_config=None
        )
