"""What is said of /keys."""

from datetime import datetime

from msgspec import Struct

from routing.api.key_changes import KeyChanges, KeyRotation, NewKey
from routing.api.keys import KeysView, OneKeyView, RotateKeyView
from routing.document.account import Money
from routing.document.operation import Answer, Operation, Words, in_path, query

TAG = "Keys"


class Key(Money):
    """A key as its manager sees it. `hash` is its public part, which a rotation keeps."""

    hash: str
    name: str
    label: str
    disabled: bool
    created_at: datetime
    updated_at: datetime | None
    expires_at: datetime | None
    last_used_at: datetime | None
    previous_expires_at: datetime | None
    external_user: str | None
    workspace_id: str


class OneKey(Struct):
    data: Key


class KeyWithSecret(Struct):
    """`key` is the secret. It is in this answer and nowhere else."""

    data: Key
    key: str


class Deleted(Struct):
    deleted: bool


_HASH = (in_path("key_hash", "The key's `hash`.", "3kTMd2aB"),)
_NEW_HASH = {"key_hash": "$response.body#/data/hash"}
_WORDS: Words = {
    NewKey: {
        "limit": "What the key may spend, in USD; null: no limit.",
        "limit_reset": "When that begins anew (UTC); null: never.",
        "expires_at": "With a time zone; null: never.",
    },
    KeyRotation: {"overlap_seconds": "For how long the old secret works beside the new one."},
}
_LIMITED = {"name": "their service", "limit": 25, "limit_reset": "monthly"}
OPERATIONS = (
    Operation(
        view=KeysView,
        method="GET",
        id="listKeys",
        tag=TAG,
        summary="List the account's keys",
        description="The newest first, 100 a page. Management keys are not among them.",
        parameters=(
            query("include_disabled", {"type": "string", "enum": ["true", "false"]}, "These too."),
            query(
                "offset",
                {"type": "integer", "minimum": 0, "maximum": 1_000_000},
                "How many to leave out.",
            ),
        ),
        answers=(Answer(list[Key], "A page of keys.", data=True),),
    ),
    Operation(
        view=KeysView,
        method="POST",
        id="createKeys",
        tag=TAG,
        summary="Make a key",
        body=NewKey,
        words=_WORDS,
        examples={"Limited": _LIMITED},
        answers=(
            Answer(
                KeyWithSecret,
                "The key, with its secret.",
                status=201,
                leads_to=dict.fromkeys(
                    ["getKey", "updateKeys", "rotateKey", "deleteKeys"], _NEW_HASH
                ),
            ),
        ),
    ),
    Operation(
        view=OneKeyView,
        method="GET",
        id="getKey",
        tag=TAG,
        summary="Look a key up",
        parameters=_HASH,
        answers=(Answer(OneKey, "The key."),),
        errors=(404,),
    ),
    Operation(
        view=OneKeyView,
        method="PATCH",
        id="updateKeys",
        tag=TAG,
        summary="Change a key",
        description="What is left out stays as it is.",
        parameters=_HASH,
        body=KeyChanges,
        examples={"Disabled": {"disabled": True}},
        answers=(Answer(OneKey, "The key as it is now."),),
        errors=(404,),
    ),
    Operation(
        view=OneKeyView,
        method="DELETE",
        id="deleteKeys",
        tag=TAG,
        summary="Revoke a key for good",
        parameters=_HASH,
        answers=(Answer(Deleted, "It is revoked."),),
        errors=(404,),
    ),
    Operation(
        view=RotateKeyView,
        method="POST",
        id="rotateKey",
        tag=TAG,
        summary="Give a key a new secret",
        description="The old secret still works for a while, so that nothing stops meanwhile.",
        parameters=_HASH,
        body=KeyRotation,
        body_required=False,
        examples={"At once": {"overlap_seconds": 0}},
        answers=(Answer(KeyWithSecret, "The key, with its new secret."),),
        errors=(404,),
    ),
)
