"""What a management key does to its account's other keys: make, change, rotate, revoke.

Owns the wishes, their checks and their deeds, for /keys and for the account page alike; what a key
is and how its secret changes is `routing.models`'. The rules others rely on: only keys of the
caller's own account are seen, another's is the same 404 as none; a management key is made and
changed in the admin alone, so no key can raise its own rights; a deed is done to a key that
`key_of` found, and logged without a secret.
"""

import logging
import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Annotated, Any, Literal

import msgspec
from django.db.models import QuerySet
from django.utils.timezone import now
from msgspec import UNSET, Meta, UnsetType

from routing.api.bodies import bad_field
from routing.errors import ApiError
from routing.gateway.keys import Caller
from routing.models import ApiKey

logger = logging.getLogger(__name__)

_DAY_S = 24 * 3600
_MICRO = Decimal("0.000001")
_HASH = re.compile(r"[A-Za-z0-9]{8}")
# Not every database and calendar knows what comes after.
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)

_Name = Annotated[str, Meta(min_length=1, max_length=100)]
_Usd = Annotated[float, Meta(ge=0, lt=1e9)]
_Moment = Annotated[datetime, Meta(tz=True)]
_Reset = Literal["daily", "weekly", "monthly"]


class NewKey(msgspec.Struct):
    name: _Name
    limit: _Usd | None = None
    limit_reset: _Reset | None = None
    include_byok_in_limit: bool = False
    expires_at: _Moment | None = None


class KeyChanges(msgspec.Struct):
    name: _Name | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    limit: _Usd | UnsetType | None = UNSET
    limit_reset: _Reset | UnsetType | None = UNSET
    include_byok_in_limit: bool | UnsetType = UNSET
    expires_at: _Moment | UnsetType | None = UNSET


class KeyRotation(msgspec.Struct):
    overlap_seconds: Annotated[int, Meta(ge=0, le=30 * _DAY_S)] = _DAY_S


def keys_of(caller: Caller) -> QuerySet[ApiKey]:
    """Return the keys that this management key may see and change, in no order."""
    return ApiKey.objects.filter(account=caller.account_id, revoked_at=None, management=False)


def newest_first(keys: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
    return keys.order_by("-created_at", "-pk")


def key_of(caller: Caller, key_hash: str) -> ApiKey:
    """Return one of them. Raises ApiError 404."""
    return key_among(keys_of(caller), key_hash)


def key_among(keys: QuerySet[ApiKey], key_hash: str) -> ApiKey:
    """Return the key of this hash. Raises ApiError 404; no other text gets to the database."""
    key = keys.filter(public_id=key_hash).first() if _HASH.fullmatch(key_hash) else None
    if key is None:
        raise _no_such_key()
    return key


def _no_such_key() -> ApiError:
    return ApiError(404, "No such key.")


def create_key(caller: Caller, wanted: NewKey) -> tuple[ApiKey, str]:
    """Make a key and return it with its text, which cannot be had again. Raises ApiError 400."""
    columns = _columns(wanted)
    account = ApiKey.objects.select_related("account").get(pk=caller.api_key_id).account
    key, text = ApiKey.issue(account, columns.pop("label"), **columns)
    _note("created", key, caller)
    return key, text


def change_key(caller: Caller, key: ApiKey, wanted: KeyChanges) -> None:
    """Change what was asked for and nothing else. Raises ApiError 400, 404 if just revoked."""
    columns = _columns(wanted)
    # Only what was asked for: another change at the same time must not be undone.
    if not keys_of(caller).filter(pk=key.pk).update(**columns, updated_at=now()):
        raise _no_such_key()
    key.refresh_from_db()
    _note("changed", key, caller)


def rotate_key(caller: Caller, key: ApiKey, wanted: KeyRotation) -> str:
    """Give a key a new secret and return its text. Raises ApiError 404 if it was just revoked."""
    try:
        text = key.rotate(timedelta(seconds=wanted.overlap_seconds))
    except ValueError:
        raise _no_such_key() from None
    _note("rotated", key, caller)
    return text


def revoke_key(caller: Caller, key: ApiKey) -> None:
    """End a key for good."""
    key.revoke()
    _note("revoked", key, caller)


def _columns(wanted: NewKey | KeyChanges) -> dict[str, Any]:
    """Return the columns for what was asked. Raises ApiError 400 for a day that has passed."""
    columns = {
        name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not UNSET
    }
    if "name" in columns:
        columns["label"] = columns.pop("name").strip()
        if not columns["label"] or not columns["label"].isprintable():
            raise bad_field("name", "give it some visible characters, and no control characters.")
    if "limit" in columns:
        usd = columns.pop("limit")
        # Down: up, the most that may be asked for would be one more digit than there is room for.
        columns["spend_limit"] = (
            None if usd is None else Decimal(str(usd)).quantize(_MICRO, ROUND_DOWN)
        )
    if "limit_reset" in columns:
        columns["limit_reset"] = columns["limit_reset"] or ""
    expires_at = columns.get("expires_at")
    if expires_at is not None and not now() < expires_at < _LATEST:
        raise bad_field("expires_at", "give a time to come, such as 2030-01-31T00:00:00Z.")
    return columns


def _note(what: str, key: ApiKey, by: Caller) -> None:
    logger.info("key %s %s by key %d of account %d", key.public_id, what, by.api_key_id,
                by.account_id)  # fmt: skip
