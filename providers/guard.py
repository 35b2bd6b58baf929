"""Which addresses may be dialled: public unicast, and what the operator allows.

Decides on numeric addresses only, at the moment of dialling, so a name that resolves differently
the second time, a redirect or an odd spelling of an address gains nothing. It resolves no names
and does no I/O. Rule: what is not known to be public is refused; IPv4 addresses carried inside
IPv6 ones are judged as what they carry. Source: IANA special-purpose registries (RFC 6890).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network

_REFUSED_V4 = {
    IPv4Network(cidr): reason
    for cidr, reason in [
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "a cloud's host service"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    ]
}
_GLOBAL_V6 = IPv6Network("2000::/3")  # the only global unicast space IANA has given out
_REFUSED_V6 = {
    IPv6Network(cidr): reason
    for cidr, reason in [
        ("2001::/23", "reserved for protocols (Teredo, benchmarking, ORCHID)"),
        ("2001:db8::/32", "documentation"),
        ("3fff::/20", "documentation"),
    ]
}
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")


class AddressRefused(ValueError):
    """The address or URL may not be dialled."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address!r} is refused: {reason}")
        self.address = address
        self.reason = reason


@dataclass(frozen=True, slots=True)
class AddressGuard:
    allowed: tuple[Network, ...] = ()

    @classmethod
    def from_cidrs(cls, cidrs: str | Iterable[str]) -> AddressGuard:
        """Build from networks the operator allows: a list, or text with commas or blanks.

        Raises ValueError for anything that is not a network in CIDR notation.
        """
        if isinstance(cidrs, str):
            cidrs = cidrs.replace(",", " ").split()
        return cls(tuple(ip_network(cidr.strip()) for cidr in cidrs))

    def check(self, address: str) -> None:
        """Raise AddressRefused unless this numeric address may be dialled."""
        if "%" in address:
            raise AddressRefused(address, "it has a zone")
        try:
            parsed = ip_address(address)
        except ValueError:
            raise AddressRefused(address, "not an IP address") from None
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped  # the kernel dials IPv4 for it
        if any(parsed in network for network in self.allowed):
            return
        reason = _fault_of(parsed)
        if reason is not None:
            raise AddressRefused(address, reason)


def check_url(url: str) -> None:
    """Raise AddressRefused unless url is a plain http(s) URL with a host.

    Whether its host may be dialled is not decided here: names change what they resolve to.
    """
    if any(character <= " " or character in "\\\x7f" for character in url):
        raise AddressRefused("", "blank, control character or backslash in the URL")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise AddressRefused("", "not a URL") from None
    if parts.scheme not in ("http", "https"):
        raise AddressRefused(host or "", "only http and https")
    if not host:
        raise AddressRefused("", "no host")
    if "@" in parts.netloc:
        raise AddressRefused(host, "user information in the URL")
    if "#" in url:
        raise AddressRefused(host, "fragment in the URL")
    if "%" in parts.netloc:
        raise AddressRefused(host, "a zone or an escape in the host")


def _fault_of(address: IPv4Address | IPv6Address) -> str | None:
    """Return why the address is not public unicast, or None if it is."""
    if isinstance(address, IPv4Address):
        return _first_match(address, _REFUSED_V4) or _unless_global(address)
    carried = _carried_v4(address)
    if carried is not None:
        fault = _fault_of(carried)
        return f"it carries {carried}: {fault}" if fault else None
    if address not in _GLOBAL_V6:
        return "not in global unicast space"
    return _first_match(address, _REFUSED_V6) or _unless_global(address)


def _carried_v4(address: IPv6Address) -> IPv4Address | None:
    # The local-use prefix 64:ff9b:1::/48, Teredo and IPv4-compatible addresses are not unwrapped:
    # they lie outside what is let through, whatever they carry.
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour if address in _SIX_TO_FOUR else None


def _first_match(
    address: IPv4Address | IPv6Address,
    networks: dict[IPv4Network, str] | dict[IPv6Network, str],
) -> str | None:
    return next((reason for network, reason in networks.items() if address in network), None)


def _unless_global(address: IPv4Address | IPv6Address) -> str | None:
    # A second opinion, for registry changes that a newer Python knows of.
    return None if address.is_global else "not globally reachable"
