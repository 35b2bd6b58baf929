"""Signing in to the admin after failures: who is counted, and what a locked one is told.

Owns the caller's address behind trusted proxies and the answer while locked; counting and locking
are django-axes', per user name and address, so that nobody locks a curator out from elsewhere. The
rule others rely on: the answer depends on the attempts alone, never on whether the user exists.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def client_address(request: HttpRequest) -> str | None:
    """Return the address that the nearest machine which is no proxy of ours has.

    X-Forwarded-For is read from its end, as far as the addresses are TRUSTED_PROXIES: what stands
    before those anybody may have written.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    found = None
    for text in [request.META.get("REMOTE_ADDR", ""), *reversed(forwarded)]:
        try:
            found = ip_address(text.strip())
        except ValueError:
            break
        if not _is_trusted(found):
            break
    return str(found) if found else None


def _is_trusted(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)


def locked_out(request: HttpRequest, response: Any, credentials: Any) -> HttpResponse:
    """Return the answer to an attempt while its user name and address are locked."""
    seconds = settings.LIMITS.login_lock_s
    context = {"minutes": -(-seconds // 60), "title": "Locked"}
    answer = render(request, "admin/locked_out.html", context, status=429)
    answer["Retry-After"] = str(seconds)
    return answer
