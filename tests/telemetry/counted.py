"""What the tables hold after ingestion, in the shortest form to compare."""

from telemetry.models import VerdictCount


def counts() -> dict[str, int]:
    cells = VerdictCount.objects.filter(attempts__gt=0)
    return {cell.verdict: cell.attempts for cell in cells}
