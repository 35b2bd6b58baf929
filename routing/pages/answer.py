"""How a public page leaves: rendered on the base template, under one strict policy.

Owns the headers of pages, the links of the navigation and the page that says what was not found.
It decides not what is said. The rule others rely on: a page whose setting is off is a 404 and no
link leads to it.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.urls import reverse

from routing.api.cacheable import cacheable_bytes

# (setting that switches it on, name of its address, words)
_LINKS = (
    ("PUBLIC_SCOREBOARD", "scoreboard", "Scoreboard"),
    ("PUBLIC_FEEDBACK", "feedback", "Feedback"),
    ("PUBLIC_DOCS", "docs", "Docs"),
    ("ACCOUNT_PAGES", "account", "Account"),
)
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)


def switched_on(setting: str) -> None:
    """Raise Http404 where the operator has switched a page off."""
    if not getattr(settings, setting):
        raise Http404


def page(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, status: int = 200
) -> HttpResponse:
    """Return a page for one visitor, not to be kept."""
    answer = HttpResponse(_rendered(request, template, context), status=status)
    answer["Cache-Control"] = "no-store"
    return _guarded(answer)


def form_page(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, status: int = 200
) -> HttpResponse:
    """Return a page with a form, and the token that the form sends back."""
    answer = page(request, template, {**context, "csrf_token": get_token(request)}, status=status)
    # Under no-referrer a browser sends the form with "Origin: null", which is refused.
    answer["Referrer-Policy"] = "same-origin"
    return answer


def kept_page(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    fresh_s: int,
    of_this_host: bool = False,
) -> HttpResponse:
    """Return a page that is the same for everybody and may be kept, or 304 if it is known.

    `of_this_host`: it has this server's own address. Without PUBLIC_URL that is the one it was
    asked for at, so that only its reader keeps it.
    """
    body = _rendered(request, template, context).encode()
    answer = cacheable_bytes(
        request, body, content_type="text/html; charset=utf-8", fresh_s=fresh_s
    )
    if of_this_host and not settings.PUBLIC_URL:
        answer["Cache-Control"] = f"private, max-age={fresh_s}"
        answer["Vary"] = "Host, X-Forwarded-Proto"
    return _guarded(answer)


def not_found(request: HttpRequest, what: str, cure: str) -> HttpResponse:
    """Say what is not there, and where to look instead."""
    return page(request, "pages/not_found.html", {"what": what, "cure": cure}, status=404)


def _rendered(request: HttpRequest, template: str, context: Mapping[str, Any]) -> str:
    links = [
        {"url": reverse(name), "words": words, "here": request.path == reverse(name)}
        for setting, name, words in _LINKS
        if getattr(settings, setting)
    ]
    # Without the request: a page that may be kept must not depend on who asks.
    return render_to_string(template, {**context, "links": links})


def _guarded(answer: HttpResponse) -> HttpResponse:
    answer["Content-Security-Policy"] = _POLICY
    answer["Referrer-Policy"] = "no-referrer"
    return answer
