"""What goes into a cell of a CSV file, so that no spreadsheet runs it.

Owns one rule (OWASP, "CSV injection"); pure. Every CSV that Assay writes passes its cells here.
"""

from typing import Any

# Also as full-width characters, which some spreadsheets read as the plain ones.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def safe_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet runs: text that begins like a formula is quoted.

    >>> safe_cell("=1+1"), safe_cell(" =1+1"), safe_cell("amber"), safe_cell(-0.5), safe_cell(True)
    ("'=1+1", "' =1+1", 'amber', -0.5, 'true')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and (
        value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA)
    ):
        return f"'{value}"
    return value
