from routing.admin import (
    access,
    allowlists,
    listed,
    own_credentials,
    owners,
    policies,
    preferences,
    presets,
    quarantines,
    sessions,
    trail,
    users,
)

__all__ = [
    "access",
    "allowlists",
    "listed",
    "own_credentials",
    "owners",
    "policies",
    "preferences",
    "presets",
    "quarantines",
    "sessions",
    "trail",
    "users",
]
