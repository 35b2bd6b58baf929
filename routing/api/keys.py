"""/keys: an account's keys over HTTP, for its management keys.

Owns the JSON form; what may be done to a key is `key_changes`'. The rule others rely on: a secret
is in the one answer that made it and nowhere else.
"""

from typing import Any

from django.utils.timezone import now
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from routing.api.authentication import caller_of
from routing.api.bodies import bad_field, struct_of
from routing.api.key_changes import (
    KeyChanges,
    KeyRotation,
    NewKey,
    change_key,
    create_key,
    key_of,
    keys_of,
    newest_first,
    revoke_key,
    rotate_key,
)
from routing.api.key_rows import key_rows
from routing.api.permissions import Manages
from routing.models import ApiKey

_PAGE = 100
_MOST_OFFSET = 1_000_000


class KeysView(APIView):
    permission_classes = [Manages]

    def get(self, request: Request) -> Response:
        keys = keys_of(caller_of(request))
        if request.query_params.get("include_disabled", "").lower() not in ("true", "1"):
            keys = keys.filter(disabled=False)
        offset = _offset(request.query_params.get("offset", ""))
        page = list(newest_first(keys)[offset : offset + _PAGE])
        return Response({"data": key_rows(page, now())})

    def post(self, request: Request) -> Response:
        key, text = create_key(caller_of(request), struct_of(request.body, NewKey))
        return Response({"data": _row(key), "key": text}, status=201)


class OneKeyView(APIView):
    permission_classes = [Manages]

    def get(self, request: Request, key_hash: str) -> Response:
        return Response({"data": _row(key_of(caller_of(request), key_hash))})

    def patch(self, request: Request, key_hash: str) -> Response:
        caller = caller_of(request)
        key = key_of(caller, key_hash)
        change_key(caller, key, struct_of(request.body, KeyChanges))
        return Response({"data": _row(key)})

    def delete(self, request: Request, key_hash: str) -> Response:
        caller = caller_of(request)
        revoke_key(caller, key_of(caller, key_hash))
        return Response({"deleted": True})


class RotateKeyView(APIView):
    permission_classes = [Manages]

    def post(self, request: Request, key_hash: str) -> Response:
        caller = caller_of(request)
        key = key_of(caller, key_hash)
        text = rotate_key(caller, key, struct_of(request.body or b"{}", KeyRotation))
        return Response({"data": _row(key), "key": text})


def _row(key: ApiKey) -> dict[str, Any]:
    [row] = key_rows([key], now())
    return row


def _offset(text: str) -> int:
    if not text:
        return 0
    if not text.isdecimal() or not text.isascii() or len(text) > 7 or int(text) > _MOST_OFFSET:
        raise bad_field("offset", f"give a whole number from 0 to {_MOST_OFFSET}.")
    return int(text)
