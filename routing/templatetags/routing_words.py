"""Figures of the curation pages' templates, in words."""

from django import template

register = template.Library()


@register.filter
def percent(share: float | None) -> str:
    """Return a share of 1 in per cent.

    >>> percent(0.0312), percent(None)
    ('3.1 %', 'not known')
    """
    return "not known" if share is None else f"{100 * share:.1f} %"


@register.filter
def dollars_per_thousand(amount: float | None) -> str:
    """Return what a thousand cost, of one's price in dollars.

    >>> dollars_per_thousand(0.0012345), dollars_per_thousand(None)
    ('$1.23', 'not known')
    """
    if amount is None:
        return "not known"
    return f"${1000 * amount:.2f}" if amount >= 0.001 else f"${1000 * amount:.4f}"


@register.filter
def milliseconds(amount: float | None) -> str:
    return "not known" if amount is None else f"{amount:,.0f} ms"
