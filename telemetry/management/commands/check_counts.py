"""Check that the verdict counts equal a count over the rows."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from telemetry.counts import compare


class Command(BaseCommand):
    help = "Compare every verdict count with its rows; exit with 1 if one differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repair", action="store_true", help="set differing counts right")

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = compare(repair=options["repair"])
        for cell, (counted, rows) in wrong.items():
            verdict = cell.verdict or "(no tools)"
            self.stdout.write(
                f"endpoint {cell.endpoint_id} {cell.day} {verdict}: counted {counted}, rows {rows}"
            )
        if not wrong:
            self.stdout.write("Verdict counts equal the rows.")
        elif options["repair"]:
            self.stdout.write(f"{len(wrong)} counts set right.")
        else:
            sys.exit(1)
