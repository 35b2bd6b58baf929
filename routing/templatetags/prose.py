"""Text with `names` between backticks, as descriptions and notes have it, for pages.

Owns that one mark, paragraphs and round figures. The rule others rely on: everything else is
escaped.
"""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def marked(text: str) -> SafeString:
    """Return text with its names as code.

    >>> marked("Use `a<b` & go.")
    'Use <code>a&lt;b</code> &amp; go.'
    """
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # one that has no other is a letter like others
        pieces[-2:] = ["`".join(pieces[-2:])]
    return format_html_join(
        "",
        "{}",
        (
            (format_html("<code>{}</code>", one) if at % 2 else one,)
            for at, one in enumerate(pieces)
        ),
    )


@register.filter
def paragraphs(text: str) -> SafeString:
    """Return each part between empty lines as a paragraph."""
    parts = (" ".join(part.split()) for part in text.split("\n\n"))
    return format_html_join("\n", "<p>{}</p>", ((marked(part),) for part in parts if part))


@register.filter
def part(share: float) -> str:
    """Return a share of 1 as a round number of per cent.

    >>> part(0.5), part(0.125)
    ('50 %', '12.5 %')
    """
    return f"{100 * share:.3g} %"
