"""Check that all counts equal a count over the rows."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.timezone import now

from telemetry.counter_check import Mismatch, compare_counters
from telemetry.counts import compare
from telemetry.service_check import compare_service
from telemetry.spending_check import compare_spending


class Command(BaseCommand):
    help = (
        "Compare verdict counts, counters and spending with their rows; exit with 1 if one differs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repair", action="store_true", help="set differing counts right")

    def handle(self, *args: Any, **options: Any) -> None:
        repair, at = options["repair"], now()
        counters = chain(compare_counters(at, repair=repair), compare_service(at, repair=repair))
        wrong = self._verdict_counts(repair=repair)
        wrong += self._mismatches("Counters", counters)
        wrong += self._mismatches("Spending", compare_spending(at, repair=repair))
        if wrong and repair:
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

    def _mismatches(self, what: str, found: Iterable[Mismatch]) -> int:
        wrong = 0
        for mismatch in found:
            self.stdout.write(str(mismatch))
            wrong += 1
        if not wrong:
            self.stdout.write(f"{what} equal{'s' if what == 'Spending' else ''} the rows.")
        return wrong
