"""/docs/ and /docs/quickstart/{client}: where to begin, and how to point a client at this server.

Owns the two pages. What they fill in is `reader`'s, what there is to copy is `clients`'. The rule
others rely on: without PUBLIC_URL a quickstart names the address it was asked for at, so then it is
kept by the reader alone.
"""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from routing.pages.answer import kept_page, not_found, switched_on
from routing.pages.docs.clients import CLIENTS, client_named
from routing.pages.docs.places import places
from routing.pages.docs.reader import asked_model, filled_in, root_address

_FRESH_S = 60


@require_safe
def docs_index(request: HttpRequest) -> HttpResponse:
    """Lead to everything there is to read, with this server's address on top."""
    switched_on("PUBLIC_DOCS")
    context = {**places(), "base_url": f"{root_address(request)}/v1", "clients": CLIENTS}
    return kept_page(request, "pages/docs/index.html", context, fresh_s=_FRESH_S, of_this_host=True)


@require_safe
def quickstart(request: HttpRequest, client: str) -> HttpResponse:
    """Tell one client's installation and first requests, ready to be copied."""
    switched_on("PUBLIC_DOCS")
    found = client_named(client)
    if found is None:
        what = "There is no quickstart for a client of that name."
        return not_found(request, what, "/docs/ lists those there are.")
    root, asked = root_address(request), asked_model()
    snippets = [
        {"name": one.name, "title": one.title, "text": filled_in(one, root, asked.name)}
        for one in found.snippets
    ]
    context = {**places(), "client": found, "clients": CLIENTS, "asked": asked}
    context |= {"base_url": f"{root}/v1", "snippets": snippets}
    return kept_page(
        request, "pages/docs/quickstart.html", context, fresh_s=_FRESH_S, of_this_host=True
    )
