"""Runs the simulated providers until it is told to stop. Needs no database."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from providers.simulator import server
from providers.simulator.fleet import DEMO_FLEET, FleetError, load


class Command(BaseCommand):
    help = "Serve simulated, OpenAI-compatible providers with named faults (docs/simulator.md)."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--fleet", type=Path, default=DEMO_FLEET, help="a YAML file; default: the demo fleet"
        )
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8100, help="0 takes a free one")
        parser.add_argument("--seed", type=int, help="same seed, same behaviour")

    def handle(
        self, *, fleet: Path, host: str, port: int, seed: int | None, **options: Any
    ) -> None:
        try:
            simulated = load(fleet)
        except FleetError as error:
            raise CommandError(str(error)) from None

        def announce(url: str) -> None:
            names = ", ".join(simulated.providers)
            self.stdout.write(f"Simulating {names} at {url}/{{provider}}/v1")
            self.stdout.flush()

        try:
            server.serve(simulated, host, port, seed, announce=announce)
        except OSError as error:
            raise CommandError(f"Cannot listen on {host}:{port}: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    """Return the system's words; asyncio wraps them in its own."""
    return os.strerror(error.errno) if error.errno else "the host is unknown"
