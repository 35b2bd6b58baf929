"""Say of each part of Assay whether it works, for people and for monitoring."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from routing.system_health import State, system_health


class Command(BaseCommand):
    help = "Say of each part whether it works. Exits 1 if one is down, with --strict also if late."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--strict", action="store_true", help="Late counts as down.")

    def handle(self, *args: Any, **options: Any) -> None:
        parts = system_health()
        for part in parts:
            self.stdout.write(f"{part.state:<5} {part.name}: {part.text} {part.cure}".rstrip())
        bad = {State.DOWN, State.LATE} if options["strict"] else {State.DOWN}
        if any(part.state in bad for part in parts):
            sys.exit(1)
