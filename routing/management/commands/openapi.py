"""Write the OpenAPI document, or say whether the committed one is current."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from routing.api.document import FILE


class Command(BaseCommand):
    help = "Write docs/openapi.json from the API as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="Only say whether it is current.")

    def handle(self, *, check: bool, **options: Any) -> str:
        try:
            from routing.document.making import Doubtful, Undescribed, document_bytes
        except ModuleNotFoundError as error:
            raise CommandError(
                f"{error.name} is missing: the document is made in development (make sync)."
            ) from None
        try:
            made = document_bytes()
        except (Undescribed, Doubtful) as error:
            raise CommandError(str(error)) from None
        if FILE.exists() and FILE.read_bytes() == made:
            return f"{FILE.name} is current."
        if check:
            raise CommandError(f"{FILE.name} is not current: run `make openapi`.")
        FILE.write_bytes(made)
        return f"Wrote {FILE}."
