"""Check that all counts equal a count over the rows."""

import sys
from argparse import ArgumentParser
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.timezone import now

from telemetry.counter_check import compare_counters
from telemetry.counts import compare
from telemetry.service_check import compare_service


class Command(BaseCommand):
    help = "Compare verdict counts and counters with their rows; exit with 1 if one differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repair", action="store_true", help="set differing counts right")

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = self._verdict_counts(repair=options["repair"])
        wrong += self._counters(repair=options["repair"])
        if wrong and options["repair"]:
            self.stdout.write(f"{wrong} counts set right.")
        elif wrong:
            sys.exit(1)

    def _verdict_counts(self, *, repair: bool) -> int:
        wrong = compare(repair=repair)
        for cell, (counted, rows) in wrong.items():
            verdict = cell.verdict or "(no tools)"
            self.stdout.write(
                f"endpoint {cell.endpoint_id} {cell.day} {verdict}: counted {counted}, rows {rows}"
            )
        if not wrong:
            self.stdout.write("Verdict counts equal the rows.")
        return len(wrong)

    def _counters(self, *, repair: bool) -> int:
        wrong = 0
        at = now()
        for mismatch in chain(
            compare_counters(at, repair=repair), compare_service(at, repair=repair)
        ):
            self.stdout.write(str(mismatch))
            wrong += 1
        if not wrong:
            self.stdout.write("Counters equal the rows.")
        return wrong
