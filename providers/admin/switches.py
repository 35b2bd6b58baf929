"""Switches that somebody else may have used while a page of the admin was open.

Owns that saving such a page leaves them as they are, unless its reader changed them there: whoever
corrects a price does not resume what a colleague, or the detector, has stopped meanwhile.
"""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest

from providers.admin.theme import ModelAdmin


class LeavesSwitchesAlone(ModelAdmin[Any]):
    """An admin whose form sends back what it showed of `switches`, to tell what was changed."""

    switches: Sequence[str] = ()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        for name in self.switches:
            if change and name in form.base_fields:
                form.base_fields[name].show_hidden_initial = True
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        left = [name for name in self.switches if name not in form.changed_data]
        if not change or not left:
            super().save_model(request, obj, form, change)
            return
        columns = [one.name for one in obj._meta.concrete_fields if not one.primary_key]
        obj.save(update_fields=[name for name in columns if name not in left])
        obj.refresh_from_db(fields=left)
