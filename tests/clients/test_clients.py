"""Every client does every scenario, and docs/clients.md says so."""

from collections.abc import Callable

import pytest

from tests.clients import table
from tests.clients.driver import Driver
from tests.clients.fleet import FleetProcess
from tests.clients.roster import CLIENTS, Client
from tests.clients.scenarios import OTHERWISE, SCENARIOS, Scenario, Seen
from tests.clients.wire import Wire
from tests.live import LiveGateway


@pytest.fixture
def ask(
    driver_of: Callable[[Client], Driver],
    wire: Wire,
    fleet: FleetProcess,
    gateway: LiveGateway,
    generation: str,
) -> Callable[[Client, Scenario], Seen]:
    """Return what has a client do a scenario once, with what all witnesses saw of it."""

    def once(client: Client, scenario: Scenario) -> Seen:
        driver = driver_of(client)
        sent, served = len(wire.requests), len(fleet.log())
        command = {"key": gateway.key, "id": generation, **scenario.ask}
        saw = driver.ask(scenario.operation, **command)
        return Seen(client, saw, wire.requests[sent:], fleet.log()[served:])

    return once


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_does(
    client: Client,
    scenario: Scenario,
    ask: Callable[[Client, Scenario], Seen],
    driver_of: Callable[[Client], Driver],
) -> None:
    if not client.has(scenario.operation):
        cell = table.HAS_NONE
    elif scenario.name in client.differs:
        cell = table.DIFFERS
        seen = ask(client, scenario)
        # It says what is missing, so it fails as well once the client can do it.
        OTHERWISE[scenario.name](seen)
    else:
        cell = table.DOES
        for _ in range(scenario.times):
            scenario.check(ask(client, scenario))

    version = driver_of(client).version if client.is_pinned else "any"
    if table.IS_WRITING:
        table.leave(client, scenario, version, cell)
        return
    written = table.rows_of_page()[client.name]
    assert written[0] == version
    assert written[1 + SCENARIOS.index(scenario)] == cell, "run `make clients-table`"


@pytest.mark.skipif(table.IS_WRITING, reason="the page is about to be written")
def test_the_page_is_as_the_run_writes_it() -> None:
    assert table.PAGE.read_text() == table.page(table.rows_of_page())
