"""The demo's callers: what they send is what the gateway takes, and they stop when told."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from aiohttp import web
from django.core.management import CommandError, call_command
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from routing import demo_traffic
from routing.demo_traffic import Caller, callers, draw_request
from routing.gateway.chat_request import parse_chat
from routing.limits import Limits

CALLERS = callers({name: f"sk-{name}" for name in demo_traffic.OWNERS})


@given(seed=st.integers(), caller=st.sampled_from(CALLERS))
def test_every_request_it_draws_is_one_the_gateway_takes(seed: int, caller: Caller) -> None:
    body = draw_request(Random(seed), caller)

    request = parse_chat(json.dumps(body).encode(), Limits())

    assert request.tool_count == len(body["tools"]) > 0
    assert body == draw_request(Random(seed), caller)


def test_only_owners_with_a_key_call() -> None:
    assert [caller.name for caller in callers({"Elm Street Software": "sk-1", "?": "sk-2"})] == [
        "Elm Street Software"
    ]


def test_it_sends_as_its_owners_until_it_is_told_to_stop() -> None:
    seen: list[tuple[str, str]] = []

    async def scenario() -> None:
        stop = asyncio.Event()

        async def answer(request: web.Request) -> web.Response:
            seen.append((request.headers["Authorization"], (await request.json())["model"]))
            if len(seen) == 5:
                stop.set()
            return web.json_response({"choices": []})

        app = web.Application()
        app.router.add_post("/api/v1/chat/completions", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            host, port = runner.addresses[0][:2]
            url = f"http://{host}:{port}/api/v1"
            await demo_traffic.run(url, CALLERS, per_second=1_000, rng=Random(1), stop=stop)
        finally:
            await runner.cleanup()

    asyncio.run(scenario())

    assert len(seen) >= 5
    assert {key.removeprefix("Bearer sk-") for key, _ in seen} <= set(demo_traffic.OWNERS)


def test_an_answer_that_never_comes_does_not_end_it() -> None:
    async def scenario() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, stop.set)
        # Nobody listens on port 9 (discard).
        url = "http://127.0.0.1:9/api/v1"
        await demo_traffic.run(url, CALLERS, per_second=1_000, rng=Random(1), stop=stop)

    asyncio.run(scenario())


@pytest.fixture
def home(tmp_path: Path) -> Iterator[None]:
    with override_settings(ASSAY_HOME=tmp_path):
        yield


@pytest.mark.usefixtures("home")
def test_without_callers_it_says_who_makes_them() -> None:
    with pytest.raises(CommandError, match=r"`manage\.py up` makes them"):
        call_command("demo_traffic", "http://127.0.0.1:9/api/v1")


@pytest.mark.parametrize("rate", ["many", "-1", "101", "nan"])
@pytest.mark.usefixtures("home")
def test_a_rate_that_is_none_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, rate: str) -> None:
    monkeypatch.setenv("DEMO_TRAFFIC", rate)

    with pytest.raises(CommandError, match=f"DEMO_TRAFFIC={rate}: give requests per second"):
        call_command("up")
