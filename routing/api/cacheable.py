"""Answers that a client or a proxy may keep, with an ETag made of their content.

Owns Cache-Control, ETag and the 304. It decides not what is said. The rule others rely on: what
depends on the caller is `private`, and a proxy that has it does not give it to others.
"""

import hashlib
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils.http import parse_etags
from rest_framework.request import Request

# Live figures move with each minute; a change of the catalogue may be seen so much later.
_FRESH_S = 10


def cacheable(
    request: HttpRequest | Request, body: Any, *, fresh_s: int = _FRESH_S, private: bool = False
) -> HttpResponse:
    """Return the JSON of `body`, or 304 if the caller has it."""
    return cacheable_bytes(request, orjson.dumps(body), fresh_s=fresh_s, private=private)


def cacheable_bytes(
    request: HttpRequest | Request,
    body: bytes,
    *,
    content_type: str = "application/json",
    fresh_s: int = _FRESH_S,
    private: bool = False,
) -> HttpResponse:
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": f"public, max-age={fresh_s}"}
    if private:
        headers |= {"Cache-Control": f"private, max-age={fresh_s}", "Vary": "Authorization"}
    if _has(request.headers.get("If-None-Match", ""), etag):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(body, content_type=content_type, headers=headers)


def _has(if_none_match: str, etag: str) -> bool:
    known = parse_etags(if_none_match)
    return "*" in known or any(one.removeprefix("W/") == etag for one in known)
