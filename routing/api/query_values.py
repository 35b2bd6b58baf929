"""What a query parameter says: lists of words, yes or no, and numbers.

Owns how their text is read. It knows no resource. The rule others rely on: a value that cannot be
read is a 400 that names its parameter and says what would do.
"""

import math
from collections.abc import Mapping

from routing.errors import ApiError

Query = Mapping[str, str]


def words(query: Query, name: str) -> frozenset[str]:
    """Return the words of a list with commas, in lower case."""
    listed = (word.strip().lower() for word in query.get(name, "").split(","))
    return frozenset(word for word in listed if word)


def flag(query: Query, name: str) -> bool:
    """Return whether a parameter says true. Raises ApiError 400 if it says neither."""
    text = query.get(name, "").strip().lower()
    if text not in ("", "true", "false"):
        raise ApiError(400, f"{name}: give true or false.", metadata={"path": name})
    return text == "true"


def whole_number(query: Query, name: str) -> int | None:
    """Return a whole number, or None where none was given. Raises ApiError 400."""
    text = query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        message = f"{name}: give a whole number of 0 or more."
        raise ApiError(400, message, metadata={"path": name})
    return int(text)


def number(query: Query, name: str) -> float | None:
    """Return a number, or None where none was given. Raises ApiError 400."""
    text = query.get(name, "")
    if not text:
        return None
    try:
        value = float(text) if len(text) <= 30 and text.isascii() else math.nan
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ApiError(400, f"{name}: give a number of 0 or more.", metadata={"path": name})
    return value
