"""The periods that spending is counted by: all time, and UTC days, weeks and months.

Pure. Owns where a period begins and ends. The rule others rely on: a week begins on Monday, and
every boundary is midnight UTC.
"""

from datetime import date, timedelta
from typing import Literal

Period = Literal["total", "daily", "weekly", "monthly"]

PERIODS: tuple[Period, ...] = ("total", "daily", "weekly", "monthly")
EVER = date(1970, 1, 1)


def start_of(period: Period, day: date) -> date:
    """Return the first day of the period that `day` is in.

    >>> start_of("weekly", date(2026, 7, 15))
    datetime.date(2026, 7, 13)
    """
    if period == "total":
        return EVER
    if period == "weekly":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "monthly" else day


def end_of(period: Period, day: date) -> date | None:
    """Return the first day after the period that `day` is in; None if it never ends.

    >>> end_of("monthly", date(2026, 12, 31))
    datetime.date(2027, 1, 1)
    """
    if period == "total":
        return None
    length = {"daily": 1, "weekly": 7, "monthly": 31}[period]
    return start_of(period, start_of(period, day) + timedelta(days=length))
