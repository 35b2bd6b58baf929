"""Simulated providers as a process of their own, and the demo catalogue that points at them.

Owns starting and stopping `manage.py simulate_providers`, and variants of the demo's fleet and
catalogue. What a simulated provider does is the simulator's business. The rule tests rely on: a
calm fleet is the demo's, peculiarities included, without its faults and its waiting.
"""

import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml

from providers.simulator.fleet import DEMO_FLEET
from routing.demo import CATALOG
from tests.live import REPOSITORY

# Fast, yet each token arrives by itself.
_HARDLY_WAITING = {"ttft_ms": {"median": 2, "spread": 0}, "tokens_per_second": 500}


class FleetProcess:
    """Simulated providers on a free port. A context manager."""

    def __init__(self, fleet: Mapping[str, Any], seed: int = 1) -> None:
        self.url = ""
        self._fleet = fleet
        self._seed = seed
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(self._fleet, file)
            file.flush()
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "manage.py", "simulate_providers", "--port", "0"),
                    *("--fleet", file.name, "--seed", str(self._seed)),
                ],
                cwd=REPOSITORY,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self._process.stdout
            line = self._process.stdout.readline()
        self.url = line.rpartition(" at ")[2].partition("/{provider}")[0]
        assert self.url.startswith("http://"), line
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process
        assert self._process.stdout
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()

    @property
    def env(self) -> dict[str, str]:
        """Return what a gateway needs to know of it."""
        return {"UPSTREAM_URL_SIMULATOR": self.url}

    def log(self) -> list[dict[str, Any]]:
        """Return what the providers were asked and did, oldest first."""
        with urllib.request.urlopen(f"{self.url}/_log", timeout=10) as answer:
            requests: list[dict[str, Any]] = json.load(answer)["requests"]
            return requests


def calm(**defaults: Any) -> dict[str, Any]:
    """Return the demo fleet without faults, waiting and reluctance; `defaults` come on top."""
    document = yaml.safe_load(Path(DEMO_FLEET).read_text())
    for provider in document["providers"].values():
        kept = {k: v for k, v in provider.get("defaults", {}).items() if k == "quirks"}
        provider["defaults"] = kept | _HARDLY_WAITING | {"propensity": 1} | defaults
    return {"providers": document["providers"]}


def adjust(fleet: dict[str, Any], provider: str, model: str, **fields: Any) -> None:
    """Let one endpoint of a fleet differ; `model` is as the provider calls it."""
    entries = fleet["providers"][provider]["endpoints"]
    named = [entry if isinstance(entry, dict) else {"model": entry} for entry in entries]
    [endpoint] = [entry for entry in named if entry["model"] == model]
    endpoint.update(fields)
    fleet["providers"][provider]["endpoints"] = named


def demo_catalog(*, without_allowlist: str = "") -> dict[str, Any]:
    """Return the demo catalogue as JSON has it, perhaps with one allowlist fewer."""
    document: dict[str, Any] = json.loads(
        json.dumps(yaml.safe_load(CATALOG.read_text()), default=str)
    )
    document["allowlists"] = [
        listed for listed in document["allowlists"] if listed["model"] != without_allowlist
    ]
    return document
