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
def dollars(amount: float | None) -> str:
    """Return dollars, small ones with the digits that matter.

    >>> dollars(0.0012345), dollars(None)
    ('$0.00123', 'not known')
    """
    return "not known" if amount is None else f"${amount:.3g}"


@register.filter
def milliseconds(amount: float | None) -> str:
    return "not known" if amount is None else f"{amount:,.0f} ms"
