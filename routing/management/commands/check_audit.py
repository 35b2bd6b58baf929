"""Check the audit trail's chain of hashes, and print its end to be kept elsewhere."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from routing.models import AuditEntry


class Command(BaseCommand):
    help = "Check that no row of the audit trail was changed or taken out; print the last hash."

    def handle(self, *args: Any, **options: Any) -> None:
        broken = AuditEntry.broken_at()
        if broken is not None:
            raise CommandError(
                f"The audit trail is broken at row {broken.pk} ({broken}): it, or a row before it, "
                "was changed or taken out."
            )
        rows = AuditEntry.objects.count()
        self.stdout.write(f"{rows} rows, unbroken. The last hash: {AuditEntry.head() or 'none'}")
