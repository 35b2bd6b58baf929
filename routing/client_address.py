"""From where a request came, behind trusted proxies.

Owns one reading of X-Forwarded-For, for whoever counts by address: sign-ins and feedback. It
counts nothing. The rule others rely on: only TRUSTED_PROXIES are believed, so nobody chooses the
address that they are counted under.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """Return the address that the nearest machine which is no proxy of ours has.

    X-Forwarded-For is read from its end, as far as the addresses are TRUSTED_PROXIES: what stands
    before those anybody may have written.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    found = None
    for text in [request.META.get("REMOTE_ADDR", ""), *reversed(forwarded)]:
        try:
            found = _plain(ip_address(text.strip()))
        except ValueError:
            break
        if not _is_trusted(found):
            break
    return str(found) if found else None


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return an IPv4 address as such, also from a socket that is for both families."""
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)
