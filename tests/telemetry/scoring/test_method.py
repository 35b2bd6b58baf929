"""The thresholds are documented, with the defaults they have."""

import re
from dataclasses import asdict
from pathlib import Path

from telemetry.scoring.method import DEFAULT

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "scoring.md"
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{one:g}" for one in value)
    return value if isinstance(value, str) else f"{value:.4g}"


def test_the_document_lists_every_threshold_with_its_default() -> None:
    table = DOCUMENT.read_text().split("## Every threshold")[1]

    rows = {name: default.strip() for name, default, _ in ROW.findall(table)}

    assert rows == {name: shown(value) for name, value in asdict(DEFAULT).items()}
