from django import template

register = template.Library()


@register.filter
def percent(share: float | None) -> str:
    """Return a share for reading; small ones keep a digit that tells them from none.

    >>> percent(0.5), percent(0.0042), percent(None)
    ('50.0%', '0.42%', '')
    """
    if share is None:
        return ""
    return f"{share:.2%}" if 0 < share < 0.01 else f"{share:.1%}"
