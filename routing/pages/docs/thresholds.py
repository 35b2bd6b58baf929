"""What each threshold means, in the words of docs/scoring.md.

Owns the reading of that document's table, and no number: those are `Method`'s. The rule others
rely on: a test keeps the table complete, so that nothing is written twice.
"""

import re
from functools import cache
from pathlib import Path

from django.conf import settings

_DOCUMENT = Path(settings.BASE_DIR) / "docs" / "scoring.md"
_ROW = re.compile(r"^\| `(\w+)` \| [^|]* \| ([^|]+) \|$", re.MULTILINE)


@cache
def meanings() -> dict[str, str]:
    """Return the meaning of each field of `Method`."""
    table = _DOCUMENT.read_text().partition("## Every threshold")[2]
    return {name: meaning.strip() for name, meaning in _ROW.findall(table)}
