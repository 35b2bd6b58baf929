"""One notice as a signed POST to the operator's webhook.

Owns the body, the signature and the connection. It tries once: `notices` tries again. The rules
others rely on: every dialled address passes the guard, and plain http goes only where
UPSTREAM_ALLOW_CIDRS says; redirects are not followed; nothing the receiver says is kept but its
status.
"""

import asyncio
import errno
import hashlib
import hmac
import json
import socket
import time
from ipaddress import ip_address
from typing import Any

import aiohttp
from django.conf import settings

from providers.guard import AddressGuard, AddressRefused
from routing.models import Notice

SIGNATURE = "Assay-Signature"
_TIMEOUT_S = 10.0


class NotTakenError(Exception):
    """The receiver did not take the notice; the message holds no secret and no address."""


def send(notice: Notice) -> None:
    """Post it once. Raises NotTakenError unless the receiver answers 2xx in time."""
    body = body_of(notice)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Assay",
        SIGNATURE: signature(settings.WEBHOOK_SECRET, int(time.time()), body),
    }
    status = asyncio.run(_post(settings.WEBHOOK_URL, body, headers))
    if not 200 <= status < 300:
        raise NotTakenError(f"the receiver answered {status}")


def body_of(notice: Notice) -> bytes:
    """Return the JSON that is signed; a retry's is the same to the byte."""
    content = {
        "id": str(notice.pk),
        "created_at": notice.created_at.isoformat(),
        "kind": notice.kind,
        "urgent": notice.urgent,
        "model": notice.model.slug if notice.model else None,
        "variant": notice.variant or None,
        "text": notice.text,
        "url": f"{settings.PUBLIC_URL}{notice.path}",
    }
    return json.dumps(content, separators=(",", ":")).encode()


def signature(secret: str, at: int, body: bytes) -> str:
    """Return the header's value: Unix time, and HMAC-SHA-256 (hex) over "time.body".

    >>> signature("s" * 16, 1700000000, b"{}")[:30]
    't=1700000000,v1=d0f2bf9ad9ff82'
    """
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


async def _post(url: str, body: bytes, headers: dict[str, str]) -> int:
    guard = AddressGuard.from_cidrs(settings.UPSTREAM_ALLOW_CIDRS)
    connector = aiohttp.TCPConnector(
        socket_factory=lambda info: _dial(info, guard, plain=url.startswith("http:"))
    )
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return response.status
    except aiohttp.ClientConnectorError as error:
        refused = error.os_error.errno == errno.EACCES
        raise NotTakenError(
            "its address is refused: see UPSTREAM_ALLOW_CIDRS" if refused else "no connection"
        ) from None
    except TimeoutError:
        raise NotTakenError("no answer in time") from None
    except aiohttp.ClientError:
        raise NotTakenError("no usable answer") from None


def _dial(address_info: Any, guard: AddressGuard, *, plain: bool) -> socket.socket:
    """Make the socket for an address about to be dialled, unless it may not be."""
    family, kind, protocol, _, address = address_info
    try:
        guard.check(address[0])
    except AddressRefused:
        raise PermissionError(errno.EACCES, "address refused") from None
    if plain and not any(ip_address(address[0]) in network for network in guard.allowed):
        raise PermissionError(errno.EACCES, "plain http is for allowed ranges only")
    return socket.socket(family, kind, protocol)
