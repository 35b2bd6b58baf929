"""One live gateway over calm simulated providers for all clients, and one process per client."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.driver import Driver
from tests.clients.fleet import FleetProcess, adjust, calm, demo_catalog
from tests.clients.packages import npm_packages, python_with
from tests.clients.roster import Client
from tests.clients.scenarios import DOWN, KIMI, POOL, UNLISTED
from tests.clients.weather import asked
from tests.clients.wire import Wire
from tests.live import LiveGateway

DRIVERS = Path(__file__).parent / "drivers"


@pytest.fixture(scope="session")
def fleet() -> Iterator[FleetProcess]:
    providers = calm()
    for provider in POOL:
        adjust(providers, provider, "glm-4.6", tokens_per_second=20)
    for provider in (*POOL, "tallow", "quillstone", "brindle"):
        adjust(providers, provider, "deepseek-v3.1-terminus", faults={"http_503": 1})
    with FleetProcess(providers) as running:
        yield running


@pytest.fixture(scope="session")
def gateway(fleet: FleetProcess) -> Iterator[LiveGateway]:
    catalog = demo_catalog(without_allowlist=UNLISTED)
    # With few endpoints, so that a request has attempts left for the next model.
    catalog["allowlists"] = [one for one in catalog["allowlists"] if one["model"] != DOWN]
    catalog["endpoints"] = [
        one
        for one in catalog["endpoints"]
        if one["model"] != DOWN or one["provider"] in ("cobalt", "larkspur")
    ]
    with LiveGateway(catalog, fleet.env) as live:
        yield live


@pytest.fixture(scope="session")
def wire(gateway: LiveGateway) -> Iterator[Wire]:
    with Wire(gateway.port) as relay:
        yield relay


@pytest.fixture(scope="session")
def base_url(wire: Wire) -> str:
    return f"http://127.0.0.1:{wire.port}/api/v1"


@pytest.fixture(scope="session")
def generation(gateway: LiveGateway) -> str:
    """Return the id of a generation that the gateway knows all about."""
    answer = gateway.chat({"model": KIMI, "messages": asked("Hello")}, key=gateway.key)
    gateway.ingest()
    number: str = answer.json["id"]
    return number


@pytest.fixture(scope="session")
def packages(node: str) -> Path:
    """Return the folder with the npm packages."""
    return npm_packages()


@pytest.fixture(scope="session")
def driver_of(
    request: pytest.FixtureRequest, base_url: str
) -> Iterator[Callable[[Client], Driver]]:
    """Return what finds the running driver of a client, and starts it the first time."""
    running: dict[str, Driver] = {}
    with ExitStack() as stack:

        def find(client: Client) -> Driver:
            if client.name not in running or not running[client.name].is_running:
                command = [*_command(request, client), base_url, *client.arguments]
                running[client.name] = stack.enter_context(Driver(command))
            return running[client.name]

        yield find


def _command(request: pytest.FixtureRequest, client: Client) -> list[str | Path]:
    if client.runs == "node":
        request.getfixturevalue("packages")
        return [request.getfixturevalue("node"), DRIVERS / client.script]
    python = python_with(client.runs) if client.runs else Path(sys.executable)
    return [python, "-m", f"tests.clients.drivers.{client.script}"]
