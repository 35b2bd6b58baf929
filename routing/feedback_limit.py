"""How much feedback is taken from one address, and from everybody, in one hour.

Owns whom a message is counted under. The counters are rows, so all processes share them. The rules
others rely on: no address is kept, only a keyed hash of it that changes every day; of any number
of messages at the same time no more are taken than the limit says.
"""

from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from routing.client_address import client_address
from telemetry.models import FeedbackSender

HOUR = timedelta(hours=1)
_ONE_SUBSCRIBER = 64  # bits: an IPv6 network of this size is one customer's


def take_turn(request: HttpRequest, at: datetime) -> bool:
    """Count one message from here, if there may be one; call it in the transaction that keeps it.

    Where it says no, roll that back, so that nothing is counted of what is refused.
    """
    limits = settings.LIMITS
    hour = at.replace(minute=0, second=0, microsecond=0)
    sender = _sender(client_address(request), at)
    return FeedbackSender.take(sender, hour, limits.feedback_hourly) and FeedbackSender.take(
        "", hour, limits.feedback_hourly_all
    )


def next_turn(at: datetime) -> datetime:
    """Return when counting begins anew."""
    return at.replace(minute=0, second=0, microsecond=0) + HOUR


def _sender(address: str | None, at: datetime) -> str:
    """Return a hash of an address. Without one all count as one."""
    text = f"{_network(address) if address else 'unknown'} {at:%Y-%m-%d}"
    return salted_hmac("routing.feedback.sender", text, algorithm="sha256").hexdigest()


def _network(address: str) -> str:
    """Return the network that is one sender.

    >>> _network("203.0.113.9"), _network("2001:db8::1")
    ('203.0.113.9', '2001:db8::/64')
    """
    ip = ip_address(address)
    if not isinstance(ip, IPv6Address):
        return str(ip)
    return str(ip_network((ip.packed, _ONE_SUBSCRIBER), strict=False))
