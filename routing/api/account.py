"""GET and PUT /account/preferences: what the key's own account always wants of providers.

Owns the JSON form and its checks; the row and its meaning are `routing.models.preferences` and
`routing.gateway.preferences`. The rule others rely on: PUT replaces the whole object, a field
left out has its default again, and a field that does not exist is an error, lest a typing
mistake be taken for a wish that holds.
"""

from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from routing.api.authentication import caller_of
from routing.api.bodies import bad_field, struct_of
from routing.api.permissions import MayReadAndManage
from routing.models import AccountPreferences


class WantedPreferences(msgspec.Struct, forbid_unknown_fields=True):
    only: list[str] = []
    ignore: list[str] = []
    order: list[str] = []
    auto_exacto: str | None = None
    quality_gate: bool = False


class AccountPreferencesView(APIView):
    permission_classes = [MayReadAndManage]

    def get(self, request: Request) -> Response:
        row = preferences_of(caller_of(request).account_id)
        changed_at = row.changed_at.isoformat() if row.pk else None
        return Response({"data": preferences_row(row, changed_at)})

    def put(self, request: Request) -> Response:
        wanted = struct_of(request.body, WantedPreferences)
        row = keep_preferences(caller_of(request).account_id, wanted)
        return Response({"data": preferences_row(row, row.changed_at.isoformat())})


def preferences_of(account_id: int) -> AccountPreferences:
    """Return an account's row, or one that is not kept and has the defaults."""
    row = AccountPreferences.objects.filter(account_id=account_id).first()
    return row or AccountPreferences(account_id=account_id)


def keep_preferences(account_id: int, wanted: WantedPreferences) -> AccountPreferences:
    """Replace all of an account's preferences. Raises ApiError 400 by field."""
    fields = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    fields["auto_exacto"] = wanted.auto_exacto or ""
    row = AccountPreferences(account_id=account_id, **fields)
    try:
        row.clean_fields(exclude=["account"])
        row.clean()
    except ValidationError as error:
        field, [message, *_] = next(iter(error.message_dict.items()))
        raise bad_field(field, message) from None
    row, _ = AccountPreferences.objects.update_or_create(
        account_id=account_id, defaults={name: getattr(row, name) for name in fields}
    )
    return row


def preferences_row(row: AccountPreferences, changed_at: str | None) -> dict[str, Any]:
    return {
        "only": row.only,
        "ignore": row.ignore,
        "order": row.order,
        "auto_exacto": row.auto_exacto or None,
        "quality_gate": row.quality_gate,
        "changed_at": changed_at,
    }
