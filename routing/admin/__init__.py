from routing.admin import (
    access,
    allowlists,
    listed,
    owners,
    policies,
    preferences,
    quarantines,
    sessions,
    trail,
    users,
)

__all__ = [
    "access",
    "allowlists",
    "listed",
    "owners",
    "policies",
    "preferences",
    "quarantines",
    "sessions",
    "trail",
    "users",
]
