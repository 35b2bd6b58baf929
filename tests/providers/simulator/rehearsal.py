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

    async def log(self) -> list[dict[str, Any]]:
        requests: list[dict[str, Any]] = (await self.get("/_log"))["requests"]
        return requests

    async def first_judged(self) -> list[str]:
        """Return the faults of the first request as soon as the server has chosen them."""
        log = await self.log()
        if log and (log[0]["faults"] or log[0]["outcome"] != "running"):
            faults: list[str] = log[0]["faults"]
            return faults
        await asyncio.sleep(0.01)
        return await self.first_judged()

    async def settled_log(self) -> list[dict[str, Any]]:
        """Return the log once no request is running any more."""
        log = await self.log()
        if any(entry["outcome"] == "running" for entry in log):
            await asyncio.sleep(0.01)
            return await self.settled_log()
        return log


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
