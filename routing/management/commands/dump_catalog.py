"""Write the database's catalogue as a file that load_catalog reads."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from providers.catalog.source import CatalogError, shown
from routing.curation.catalog_file import dump


class Command(BaseCommand):
    help = "Write providers, models, endpoints and published allowlists as YAML."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", type=Path, nargs="?", help="where to; left out: standard output"
        )

    def handle(self, file: Path | None, **_: Any) -> str | None:
        try:
            text = dump()
        except CatalogError as error:
            for problem in error.problems:
                self.stderr.write(f"{shown(problem.path)}: {problem.message}")
            raise CommandError(
                "The database holds what a catalogue file cannot: correct it in the admin."
            ) from None
        if file is None:
            return text.removesuffix("\n")
        try:
            file.write_text(text)
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from None
        return None
