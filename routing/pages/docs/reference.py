"""/docs/reference and /docs/reference/{part}: every address of the API, to read without a script.

Owns the two pages; what they say is `operations`'. The rules others rely on: made once per
process, for nothing they say can change while it runs; the same for everybody.
"""

from functools import cache

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from routing.pages.answer import kept_page, not_found, switched_on
from routing.pages.docs.operations import Part, parts
from routing.pages.docs.places import places

_FRESH_S = 300


@require_safe
def reference_index(request: HttpRequest) -> HttpResponse:
    """List every address by its part of the API."""
    switched_on("PUBLIC_DOCS")
    context = {**places(), "parts": parts()}
    return kept_page(request, "pages/docs/reference.html", context, fresh_s=_FRESH_S)


@require_safe
def reference_part(request: HttpRequest, part: str) -> HttpResponse:
    """Tell parameters, bodies, answers and errors of one part."""
    switched_on("PUBLIC_DOCS")
    found = next((one for one in parts() if one.slug == part), None)
    if found is None:
        what = "The API has no part of that name."
        return not_found(request, what, "/docs/reference lists every address.")
    context = {"part": found, "parts": parts(), "said": _said(found)}
    return kept_page(request, "pages/docs/reference_part.html", context, fresh_s=_FRESH_S)


@cache
def _said(part: Part) -> str:
    """Return what is said of a part: thousands of cells, so not for each reader anew."""
    return render_to_string("pages/docs/reference_said.html", {"part": part})
