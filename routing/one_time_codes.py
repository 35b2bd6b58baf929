"""One-time codes as authenticator apps show them: TOTP (RFC 6238), SHA-1, six digits, 30 seconds.

Owns secrets, codes and the link an app is set up with; the arithmetic is `cryptography`'s. It is
told the time, and knows neither people nor where secrets are kept. The rule others rely on: a code
belongs to a step of time, and one at or before the step used last is no code any more.
"""

import base64
import binascii
import secrets

from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP_S = 30
_DIGITS = 6
_SECRET_BYTES = 20  # what RFC 4226, section 4, recommends
_STEPS_OFF = 1  # a phone's clock may be so far from ours, either way


def new_secret() -> str:
    """Return a new secret, in base32 as apps take it."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def code_at(secret: str, time: float) -> str:
    """Return the code that an app shows at this time (seconds since 1970)."""
    return _totp(secret).generate(int(time)).decode()


def step_of(secret: str, typed: str, *, time: float, after: int = 0) -> int | None:
    """Return the step of time whose code was typed, or None if it is no code now.

    Blanks in it are passed over. `after`: the step used last, which is not taken again.
    """
    given, now = "".join(typed.split()).encode(), int(time) // STEP_S
    for step in range(now - _STEPS_OFF, now + _STEPS_OFF + 1):
        if step > after and bytes_eq(code_at(secret, step * STEP_S).encode(), given):
            return step
    return None


def app_link(secret: str, person: str) -> str:
    """Return what an app reads from a QR code (otpauth://, "Key URI format")."""
    return _totp(secret).get_provisioning_uri(person, "Assay")


def in_groups(secret: str) -> str:
    """Return the secret to be read and typed by people."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def _totp(secret: str) -> TOTP:
    try:
        key = base64.b32decode(secret)
    except binascii.Error:
        raise ValueError("not a secret of one-time codes") from None
    return TOTP(key, _DIGITS, SHA1(), STEP_S)  # noqa: S303 - what apps can do; an HMAC, no collision
