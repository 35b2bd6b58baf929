"""What an account holds at the gateway: its presets and its own credentials at providers.

Owns the in-memory form of both. It is read with the snapshot and never on the request path. The
rule others rely on: an own credential never makes an endpoint usable; it only says with which key
one that may serve is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from providers.secrets import Secret
from routing.gateway.presets import Presets


@dataclass(frozen=True, slots=True)
class OwnCredential:
    """An account's own key at one provider; `shared_too`: after it the gateway's may be used."""

    secret: Secret
    shared_too: bool = True


# By provider slug.
OwnCredentials = Mapping[str, OwnCredential]
NO_CREDENTIALS: OwnCredentials = {}


@dataclass(frozen=True, slots=True)
class Holdings:
    presets: Presets = field(default_factory=dict)
    credentials: OwnCredentials = field(default_factory=dict)


NO_HOLDINGS = Holdings()
