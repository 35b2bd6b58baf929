"""The secret in the address of a message's status page.

Owns how it is made and under which hash it is known. The rules others rely on: it follows from
what was said and SECRET_KEY, so that the same said again has the same page; only the hash is kept.
"""

import base64
import hashlib
from collections.abc import Iterable

from django.utils.crypto import salted_hmac


def secret_of(said: Iterable[str]) -> str:
    """Return 43 characters that nobody can guess who knows not SECRET_KEY."""
    text = "\0".join(said)
    made = salted_hmac("routing.feedback.link", text, algorithm="sha256")
    return base64.urlsafe_b64encode(made.digest()).rstrip(b"=").decode()


def hash_of(secret: str) -> str:
    """Return what `Feedback.link_hash` keeps of it."""
    return hashlib.sha256(secret.encode()).hexdigest()
