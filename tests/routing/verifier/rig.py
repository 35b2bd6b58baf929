"""A model on scripted providers, a request set of a test's own, and what providers answer to it."""

import json
from collections.abc import Sequence
from typing import Any

from providers.models import Endpoint
from telemetry.verifier.request_set import Requests, read_set
from tests.catalog_rows import make_endpoint, make_model, make_provider
from tests.routing.live_catalog import WEATHER, new_nonce
from tests.scripted_upstream import ScriptedUpstream, Step, Visit, answer, wire

MODEL = "acme/falcon-1"
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def make_fleet(upstream: ScriptedUpstream, *names: str, **fields: Any) -> list[Endpoint]:
    """Make a model with an endpoint at each of these scripted providers."""
    model = make_model(MODEL)
    return [
        make_endpoint(
            make_provider(
                name,
                base_url=f"http://127.0.0.1:{upstream.ports[name]}/v1",
                api_key_env=f"{name.upper()}_API_KEY",
            ),
            model,
            **fields,
        )
        for name in names
    ]


class Script:
    """Requests that differ by a nonce, so that each may be answered by its own script."""

    def __init__(self, upstream: ScriptedUpstream, number: int, **fields: Any) -> None:
        self.nonces = [new_nonce() for _ in range(number)]
        self.upstream = upstream
        self.lines = [
            {"messages": [{"role": "user", "content": f"Weather? nonce:{nonce} "}],
             "tools": [WEATHER], "max_tokens": 100, **fields}
            for nonce in self.nonces
        ]  # fmt: skip

    @property
    def requests(self) -> Requests:
        return read_set("\n".join(map(json.dumps, self.lines)).encode(), "made up")

    def answers(self, provider: str, *steps: Step, numbers: Sequence[int] | None = None) -> None:
        """Say what a provider does with these requests (all), in either mode."""
        for at, nonce in enumerate(self.nonces):
            if numbers is None or at + 1 in numbers:
                programs: dict[str, Any] = {provider: steps}
                self.upstream.script(nonce, **programs)

    def seen(self, provider: str = "") -> list[tuple[str, str, bool]]:
        """Return (provider, nonce, streamed) of each request that arrived."""
        return [
            (visit.provider, visit.nonce, visit.body.get("stream") is True)
            for visit in self.visits(provider)
        ]

    def visits(self, provider: str = "") -> list[Visit]:
        return [visit for nonce in self.nonces for visit in self.upstream.seen(nonce, provider)]


def calls(arguments: str = '{"city": "Oslo"}', name: str = "get_weather") -> Step:
    """Answer with one tool call, whole or streamed as asked."""
    return _reply("tool_calls", tool_calls=[_call(name, arguments)])


def says(text: str = "Good day.", finish: str = "stop") -> Step:
    return _reply(finish, content=text)


def _call(name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"index": 0, "id": "call_1", "type": "function", "function": function}


def _reply(finish: str, **message: Any) -> Step:
    async def step(visit: Visit) -> None:
        said = {"role": "assistant", "content": None, **message}
        part = {"index": 0, "finish_reason": finish}
        body = {"id": "up-1", "object": "chat.completion", "usage": USAGE}
        if not visit.body.get("stream"):
            await answer({**body, "choices": [{**part, "message": said}]})(visit)
            return
        event = json.dumps({**body, "choices": [{**part, "delta": said}]})
        data = f"data: {event}\n\ndata: [DONE]\n\n".encode()
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        await wire(head.encode() + data)(visit)

    return step
