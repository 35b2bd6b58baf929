"""Provider credentials: a value that does not print itself, and its encryption at rest.

Owns `Secret` and the AES-256-GCM sealing of credentials. It does not decide where a
credential comes from (`providers.models.Credential` does). The rule others rely on: a sealed
value opens only under a known key *and* for the row it was sealed for, so a ciphertext moved
to another row is refused. Layout: 1 byte key id, 12 bytes nonce, ciphertext with tag.
"""

import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class SealError(Exception):
    """A sealed credential cannot be opened: unknown key, another row's, or damaged."""


class Secret:
    """A string that shows itself only when asked by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not serialised")


def seal(value: Secret, *, keys: Sequence[str], row: str) -> bytes:
    """Encrypt `value` for the row named `row` under the first of `keys`."""
    if not keys:
        raise SealError("no credential key is configured: set CREDENTIAL_KEYS")
    key = _derive(keys[0])
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, value.reveal().encode(), row.encode())
    return bytes([_key_id(key)]) + nonce + sealed


def unseal(sealed: bytes, *, keys: Sequence[str], row: str) -> Secret:
    """Decrypt what `seal` made for the same row; any of `keys` may have sealed it.

    Raises SealError if no key opens it.
    """
    nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    for key in map(_derive, keys):
        if _key_id(key) != sealed[0]:
            continue
        try:
            return Secret(AESGCM(key).decrypt(nonce, body, row.encode()).decode())
        except InvalidTag:
            continue
    raise SealError("no configured credential key opens this credential")


def _derive(passphrase: str) -> bytes:
    # The passphrase is 256 random bits from the operator, so one hash is enough.
    return hashlib.sha256(b"assay credential key:" + passphrase.encode()).digest()


def _key_id(key: bytes) -> int:
    return hashlib.sha256(key).digest()[0]
