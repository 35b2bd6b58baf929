"""GET /openapi.json: the description of this API, as it was committed; and its page, /docs/api.

Owns the serving of `docs/openapi.json`, and nothing of what it says: that is `routing.document`'s,
which no process that serves imports. The rules others rely on: the page loads nothing from
another host and allows no inline script; API_DOCS=false switches the page off.
"""

from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.views import APIView

from routing.api.cacheable import cacheable_bytes

FILE = Path(settings.BASE_DIR) / "docs" / "openapi.json"
_FRESH_S = 300
# The page's scripts come from here; styles are set by them, and its icons are data.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


class DocumentView(APIView):
    authentication_classes = []

    def get(self, request: Request) -> HttpResponse:
        return cacheable_bytes(request, _document(), fresh_s=_FRESH_S)


def docs_page(request: HttpRequest) -> HttpResponse:
    """Answer with the page that shows the document and sends requests with the reader's key."""
    if not settings.API_DOCS:
        raise Http404
    page = render(request, "api/docs.html", {"public_docs": settings.PUBLIC_DOCS})
    page["Content-Security-Policy"] = _POLICY
    page["Referrer-Policy"] = "no-referrer"
    return page


def old_docs_page(request: HttpRequest) -> HttpResponse:
    """Lead on from /docs, where the page was: its readers' browsers keep what follows the #."""
    if not (settings.API_DOCS or settings.PUBLIC_DOCS):
        raise Http404
    return HttpResponseRedirect(reverse("docs-api" if settings.API_DOCS else "docs"))


@cache
def _document() -> bytes:
    return FILE.read_bytes()
