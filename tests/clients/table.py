"""docs/clients.md: which client does what, as a run of the tests saw it.

Owns the page: writing it from what the tests left, and reading its cells, which every test compares
with what it sees. `make clients-table` runs the tests to leave, then writes.
"""

import json
import os
from pathlib import Path

from tests.clients.roster import CLIENTS, Client
from tests.clients.scenarios import SCENARIOS, Scenario

PAGE = Path(__file__).parent.parent.parent / "docs" / "clients.md"
LEFT = Path(__file__).parent / ".environments" / "seen"
IS_WRITING = os.environ.get("CLIENTS_TABLE") == "write"
HAS_NONE, DIFFERS, DOES, UNTESTED = "none", "differs", "yes", "not tested"

_HEAD = """# Clients that nobody here wrote

`tests/clients/` runs these against a live server over simulated providers, with `make test`.
`make clients-table` writes this page from such a run, and each test compares its cell with what it
sees.

- *yes*: as the contract has it. *differs*: otherwise, see below; that is tested too. *none*: the
  client has no such call.
- All of it through the client's own functions. A relay before the gateway counts requests: what is
  refused is asked for once.
"""


def leave(client: Client, scenario: Scenario, version: str, cell: str) -> None:
    """Leave what one test saw for the page; the tests may run in several processes."""
    LEFT.mkdir(parents=True, exist_ok=True)
    seen = {"client": client.name, "scenario": scenario.name, "version": version, "cell": cell}
    number = SCENARIOS.index(scenario)
    (LEFT / f"{client.name}.{number}.json").write_text(json.dumps(seen))


def rows_of_page() -> dict[str, list[str]]:
    """Return the cells of each client's row, the version first."""
    lines = [line for line in PAGE.read_text().split("\n") if line.startswith("| ")][1:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    names = [client.name for client in CLIENTS]
    return {name: row[1:] for name, row in zip(names, rows, strict=True)}


def page(rows: dict[str, list[str]]) -> str:
    head = ["client", "version", *(scenario.name for scenario in SCENARIOS)]
    lines = [_line(head), "|---" * len(head) + "|"]
    lines += [_line([client.title, *rows[client.name]]) for client in CLIENTS]
    notes = [
        f"- {client.title} {rows[client.name][0]}, {scenario}: {why}"
        for client in CLIENTS
        for scenario, why in client.differs.items()
    ]
    return "\n".join([_HEAD, *lines, "", "## What differs", "", *notes, ""])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    rows = {client.name: [UNTESTED] * (1 + len(SCENARIOS)) for client in CLIENTS}
    places = {scenario.name: place for place, scenario in enumerate(SCENARIOS, start=1)}
    for file in sorted(LEFT.glob("*.json")):
        seen = json.loads(file.read_text())
        rows[seen["client"]][places[seen["scenario"]]] = seen["cell"]
        rows[seen["client"]][0] = seen["version"]
    PAGE.write_text(page(rows))


if __name__ == "__main__":
    main()
