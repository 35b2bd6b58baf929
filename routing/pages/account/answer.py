"""How a page of the account leaves: who is let in, with which links, and what a refusal looks like.

Owns the door to every page behind the sign-in. What a key may do is `routing.api.permissions`';
this asks it and shows only links that lead somewhere. The rule others rely on: a view wrapped in
`signed_in` is handed a caller whose key works now, and may raise ApiError as the API's views do.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from routing.api.permissions import require, require_management
from routing.errors import ApiError
from routing.gateway.keys import Caller
from routing.models import Scope
from routing.pages.account.session import session_caller
from routing.pages.answer import form_page, switched_on

_Args = ParamSpec("_Args")
_View = Callable[Concatenate[HttpRequest, Caller, _Args], HttpResponse]
_HEADINGS = {403: "Not with this key", 404: "Not found"}


def signed_in(view: _View[_Args]) -> Callable[Concatenate[HttpRequest, _Args], HttpResponse]:
    """Hand a view its caller; whoever is nobody is sent to the sign-in."""

    @require_http_methods(["GET", "HEAD", "POST"])
    @wraps(view)
    def let_in(request: HttpRequest, /, *args: _Args.args, **kwargs: _Args.kwargs) -> HttpResponse:
        switched_on("ACCOUNT_PAGES")
        caller = session_caller(request)
        if caller is None:
            return HttpResponseRedirect(reverse("account"))
        try:
            return view(request, caller, *args, **kwargs)
        except ApiError as error:
            return refused(request, caller, error)

    return let_in


def account_page(
    request: HttpRequest,
    caller: Caller | None,
    template: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    """Return a page for this caller alone, with its forms' token."""
    links = _links(request, caller) if caller else []
    shared = {"account_links": links, "signed_in": caller}
    return form_page(
        request, f"pages/account/{template}.html", {**context, **shared}, status=status
    )


def refused(request: HttpRequest, caller: Caller, error: ApiError) -> HttpResponse:
    """Say what the API would have said."""
    context = {
        "heading": _HEADINGS.get(error.status, "Not possible"),
        "message": error.message,
    }
    return account_page(request, caller, "refused", context, status=error.status)


def may_read(caller: Caller) -> bool:
    return _allowed(lambda: require(caller, Scope.READ))


def may_manage(caller: Caller) -> bool:
    return _allowed(lambda: require(caller, Scope.MANAGE))


def manages_keys(caller: Caller) -> bool:
    return _allowed(lambda: require_management(caller))


def _allowed(check: Callable[[], None]) -> bool:
    try:
        check()
    except ApiError:
        return False
    return True


def _links(request: HttpRequest, caller: Caller) -> list[dict[str, Any]]:
    reads = may_read(caller)
    offered = (
        ("account", "Overview", True),
        ("account-keys", "Keys", manages_keys(caller)),
        ("account-preferences", "Preferences", reads),
        ("account-generations", "Generations", reads),
    )
    return [
        {"url": reverse(name), "words": words, "here": request.path == reverse(name)}
        for name, words, offer in offered
        if offer
    ]
