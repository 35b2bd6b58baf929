"""/exacto/{author}/{slug}/badge.svg: a model's or (`?endpoint=`) an endpoint's place, in one line.

Owns the drawing. It tells no figure of anybody's traffic. The rule others rely on: an image needs
no font file, no script and no other host.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from routing.api.cacheable import cacheable_bytes
from routing.api.exacto import exacto_row
from routing.pages.answer import not_found, switched_on
from routing.pages.model import TONES, no_such_model
from routing.pages.published import published_model
from telemetry.models import Standing

_FRESH_S = 300  # images stand on others' pages and are asked for often
_CHARACTER, _PAD, _HEIGHT = 6.5, 8, 20
# Dark enough for white text.
_COLOURS = {"good": "#15703a", "bad": "#b01c1c", "warn": "#9a4a06", "plain": "#566264"}


@require_safe
def badge(request: HttpRequest, author: str, slug: str) -> HttpResponse:
    """Answer with an image of how many endpoints serve, or of one endpoint's standing."""
    switched_on("PUBLIC_SCOREBOARD")
    model = published_model(author, slug)
    if model is None:
        return no_such_model(request, author, slug)
    rows = exacto_row(model)["endpoints"]
    tag = request.GET.get("endpoint")
    if tag is None:
        image = _drawn(f"{slug}:exacto", *_of_model(rows))
    else:
        row = next((row for row in rows if row["tag"] == tag), None)
        if row is None:
            what = f"No endpoint of {model.slug} has the tag {tag}."
            return not_found(request, what, f"Its page lists them: /exacto/{model.slug}")
        image = _drawn(f"{tag} · {slug}", *_of_endpoint(row))
    return _answer(request, image)


def _of_model(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    serving = sum(row["serves"] for row in rows)
    return f"{serving} of {len(rows)} endpoints", "good" if serving else "bad"


def _of_endpoint(row: Mapping[str, Any]) -> tuple[str, str]:
    place = "on the list" if row["listed"] else "not on the list"
    words = f"{Standing(row['standing']).label}, {place}"
    return words, TONES.get(row["standing"], "plain")


def _drawn(left: str, right: str, tone: str) -> SafeString:
    """Return the image; widths are reckoned by letters, and texts are fitted to them."""
    first, second = (round(len(text) * _CHARACTER) + 2 * _PAD for text in (left, right))
    return format_html(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" role="img"'
        ' aria-label="{left}: {right}"><title>{left}: {right}</title>'
        '<rect width="{w}" height="{h}" rx="3" fill="{colour}"/>'
        '<path d="M3 0h{edge}v{h}H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="#2f3b3d"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        '<text x="{pad}" y="14" textLength="{n}">{left}</text>'
        '<text x="{x}" y="14" textLength="{m}">{right}</text></g></svg>',
        w=first + second,
        h=_HEIGHT,
        left=left,
        right=right,
        colour=_COLOURS[tone],
        edge=first - 3,
        pad=_PAD,
        n=first - 2 * _PAD,
        x=first + _PAD,
        m=second - 2 * _PAD,
    )


def _answer(request: HttpRequest, image: SafeString) -> HttpResponse:
    answer = cacheable_bytes(
        request, image.encode(), content_type="image/svg+xml; charset=utf-8", fresh_s=_FRESH_S
    )
    answer["Content-Security-Policy"] = "default-src 'none'"
    return answer
