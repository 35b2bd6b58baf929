"""What a key may do: its scopes, checked after who is calling and before anything else.

Owns the 403 of a key that lacks one. It authenticates nobody. The rule others rely on: a view
that takes a key names the one scope it needs; what a key's scopes mean is `routing.models`'.
"""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from routing.api.authentication import caller_of
from routing.errors import ApiError
from routing.gateway.keys import Caller
from routing.models import Scope


def require(caller: Caller, scope: Scope) -> None:
    """Raise ApiError 403 unless the caller's key has this scope."""
    if not caller.may(scope):
        raise ApiError(
            403,
            f"This key may not do that: it lacks the scope {scope.value}.",
            metadata={"scope": scope.value},
        )


def require_management(caller: Caller) -> None:
    """Raise ApiError 403 unless the caller's key is a management key."""
    if not caller.management:
        raise ApiError(
            403,
            "Only a management key may do that: make one in the admin.",
            metadata={"scope": "management"},
        )


class MayRead(BasePermission):
    """For the views that tell a caller about its own key and generations."""

    def has_permission(self, request: Request, view: Any) -> bool:
        require(caller_of(request), Scope.READ)
        return True


class MayReadAndManage(BasePermission):
    """For the views that tell a caller about its own account, and change it."""

    def has_permission(self, request: Request, view: Any) -> bool:
        reads = request.method in SAFE_METHODS
        require(caller_of(request), Scope.READ if reads else Scope.MANAGE)
        return True


class Manages(BasePermission):
    """For the views of an account's keys and of all that they have spent."""

    def has_permission(self, request: Request, view: Any) -> bool:
        require_management(caller_of(request))
        return True
