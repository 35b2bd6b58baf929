"""Django's own users and groups, in this admin's look."""

from typing import TYPE_CHECKING, cast

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest

from providers.admin.theme import ModelAdmin
from routing import roles
from routing.models import SecondFactor

if TYPE_CHECKING:
    from django.contrib.auth.forms import (
        AdminPasswordChangeForm,
        AdminUserCreationForm,
        UserChangeForm,
    )
else:
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm
    from unfold.forms import UserCreationForm as AdminUserCreationForm

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PeopleAdmin(UserAdmin[User], ModelAdmin[User]):
    form = UserChangeForm  # type: ignore[assignment]  # generic over the user model
    add_form = AdminUserCreationForm
    change_password_form = AdminPasswordChangeForm
    filter_horizontal = ()  # Django's two lists say nothing to a screen reader
    list_display = ["username", "email", "is_active", "is_staff", "has_second_factor"]
    list_select_related = ["second_factor"]
    actions = ["reset_second_factor"]

    @admin.display(description="Second factor")
    def has_second_factor(self, person: User) -> str:
        return "set up" if hasattr(person, "second_factor") else "none"

    @admin.action(
        description="Remove the second factor: their phones are lost, the password alone signs in",
        permissions=["change"],
    )
    def reset_second_factor(self, request: HttpRequest, people: QuerySet[User]) -> None:
        by = cast("User", request.user)
        reset = [str(one) for one in people if SecondFactor.remove(one, by=by)]
        if reset:
            told = f"Removed, and signed out everywhere: {', '.join(reset)}."
            self.message_user(request, told, messages.SUCCESS)
        else:
            self.message_user(request, "None of them has a second factor.", messages.WARNING)


@admin.register(Group)
class TeamAdmin(GroupAdmin, ModelAdmin[Group]):
    """The roles' groups are shown, not edited: the next release would undo it."""

    filter_horizontal = ()

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        may_change = super().has_change_permission(request, obj)
        return may_change and not (obj is not None and roles.is_kept(obj))

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        may_delete = super().has_delete_permission(request, obj)
        return may_delete and not (obj is not None and roles.is_kept(obj))
