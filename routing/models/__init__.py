"""Who serves this request: accounts and keys, the allowlist editions, and how they are kept."""

from routing.models.accounts import Account, ApiKey, LimitReset, Scope, key_checksum, key_digest
from routing.models.audit import AuditEntry
from routing.models.curation import ModelPolicy, Quarantine
from routing.models.editions import Allowlist, EditionError
from routing.models.entries import AllowlistEntry, LeftOut
from routing.models.leases import Lease
from routing.models.notices import Delivery, Notice
from routing.models.own_credentials import OwnCredential
from routing.models.preferences import AccountPreferences
from routing.models.presets import Preset
from routing.models.processes import ProcessReport
from routing.models.provider_reports import ProviderMessage, ProviderReport
from routing.models.score_orders import ScoreOrder
from routing.models.second_factors import SecondFactor

__all__ = [
    "Account",
    "AccountPreferences",
    "Allowlist",
    "AllowlistEntry",
    "ApiKey",
    "AuditEntry",
    "Delivery",
    "EditionError",
    "Lease",
    "LeftOut",
    "LimitReset",
    "ModelPolicy",
    "Notice",
    "OwnCredential",
    "Preset",
    "ProcessReport",
    "ProviderMessage",
    "ProviderReport",
    "Quarantine",
    "Scope",
    "ScoreOrder",
    "SecondFactor",
    "key_checksum",
    "key_digest",
]
