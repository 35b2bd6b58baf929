"""A small fleet and a client for these tests: one request in, everything that came back out."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp

from providers.simulator import fleet
from providers.simulator.asked import ChatRequest, read
from providers.simulator.server import running

T = TypeVar("T")
Log = list[dict[str, Any]]

POLLS = 3000

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "minimum": 1, "maximum": 7},
    },
    "required": ["city", "days"],
}
CLOCK = {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "read_clock", "parameters": CLOCK}},
]


def small_fleet(**endpoint: Any) -> fleet.Fleet:
    """Return a fleet of one provider `x` with one fast, faultless model `m`."""
    fields = {"model": "m", "ttft_ms": 0, "tokens_per_second": 0, "propensity": 1} | endpoint
    return fleet.parse({"providers": {"x": {"endpoints": [fields]}}})


def endpoint(**fields: Any) -> fleet.SimulatedEndpoint:
    return small_fleet(**fields).providers["x"].endpoints["m"]


def body(text: str = "Hello", **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **fields}


def chat(text: str = "Hello", **fields: Any) -> ChatRequest:
    return read(body(text, **fields), "x")


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""
    error: str = ""  # the name of the client's exception, if there was one

    def json(self) -> Any:
        return json.loads(self.data)

    def events(self) -> list[str]:
        lines = self.data.decode(errors="replace").replace("\r\n", "\n").split("\n\n")
        return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]

    def chunks(self) -> list[Any]:
        return [json.loads(event) for event in self.events() if event != "[DONE]"]

    def deltas(self) -> list[Any]:
        return [chunk["choices"][0]["delta"] for chunk in self.chunks() if chunk["choices"]]


@dataclass
class Client:
    session: aiohttp.ClientSession
    url: str

    async def chat(
        self,
        text: str = "Hello",
        *,
        provider: str = "x",
        patience: float = 30,
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> Answer:
        """Ask and read to the end, or until patience (seconds) ends."""
        answer = Answer()
        try:
            async with self.session.post(
                f"{self.url}/{provider}/v1/chat/completions",
                json=body(text, **fields),
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=patience),
            ) as response:
                answer.status, answer.headers = response.status, dict(response.headers)
                async for data in response.content.iter_any():
                    answer.data += data
        except (aiohttp.ClientError, TimeoutError) as error:
            answer.error = type(error).__name__
        return answer

    async def get(self, path: str) -> Any:
        async with self.session.get(self.url + path) as response:
            return await response.json()

    async def log(self) -> Log:
        requests: Log = (await self.get("/_log"))["requests"]
        return requests

    async def first_judged(self) -> list[str]:
        """Return the faults of the first request as soon as the server has chosen them."""

        def is_judged(log: Log) -> bool:
            return any(entry["faults"] or entry["outcome"] != "running" for entry in log[:1])

        faults: list[str] = (await self._log_once(is_judged))[0]["faults"]
        return faults

    async def settled_log(self) -> Log:
        """Return the log once no request is running any more."""
        return await self._log_once(lambda log: all(entry["outcome"] != "running" for entry in log))

    async def _log_once(self, is_ready: Callable[[Log], bool]) -> Log:
        for _ in range(POLLS):
            log = await self.log()
            if is_ready(log):
                return log
            await asyncio.sleep(0.01)
        raise AssertionError("the simulator's log never got there")


def rehearse(
    scene: Callable[[Client], Awaitable[T]], simulated: fleet.Fleet | None = None, seed: int = 1
) -> T:
    """Run a scene against a simulator of its own and return what the scene returns."""

    async def run() -> T:
        async with (
            running(simulated or small_fleet(), seed=seed) as url,
            aiohttp.ClientSession() as session,
        ):
            return await scene(Client(session, url))

    return asyncio.run(run())
