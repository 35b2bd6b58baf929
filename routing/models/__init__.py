"""Who serves this request: accounts and keys, the allowlist editions, and how they are kept."""

from routing.models.accounts import Account, ApiKey, key_checksum, key_digest
from routing.models.curation import ModelPolicy, Quarantine
from routing.models.editions import Allowlist, AllowlistEntry, EditionError
from routing.models.preferences import AccountPreferences

__all__ = [
    "Account",
    "AccountPreferences",
    "Allowlist",
    "AllowlistEntry",
    "ApiKey",
    "EditionError",
    "ModelPolicy",
    "Quarantine",
    "key_checksum",
    "key_digest",
]
