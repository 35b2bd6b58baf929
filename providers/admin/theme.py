"""The admin's look, typed: what every admin module takes from the theme, and small plain words.

Unfold ships no types, so its classes are seen here as Django's own, which they extend. Nothing
else imports from it.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from django import forms
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as _ModelAdmin
    from django.contrib.admin import StackedInline, TabularInline
    from django.contrib.admin.views.main import ChangeList as _ChangeList

    DecimalInput = PasswordInput = RadioInput = TextInput = Textarea = forms.TextInput
    Checkboxes = forms.CheckboxSelectMultiple
    Select = forms.Select
else:
    from unfold.admin import ModelAdmin as _ModelAdmin
    from unfold.admin import StackedInline, TabularInline
    from unfold.views import ChangeList as _ChangeList
    from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget as Checkboxes
    from unfold.widgets import UnfoldAdminDecimalFieldWidget as DecimalInput
    from unfold.widgets import UnfoldAdminPasswordWidget as PasswordInput
    from unfold.widgets import UnfoldAdminRadioSelectWidget as RadioInput
    from unfold.widgets import UnfoldAdminSelectWidget as Select
    from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput

__all__ = [
    "ChangeList", "Checkboxes", "DecimalInput", "ModelAdmin", "PasswordInput", "RadioInput",
    "Select", "StackedInline", "TabularInline", "TextInput", "Textarea", "badge", "badges",
    "per_million", "switch_badge",
]  # fmt: skip

_Row = TypeVar("_Row", bound=Model)


class ChangeList(_ChangeList):
    """A list that is asked for what no row can hold shows all, as for other rubbish."""

    def get_results(self, request: HttpRequest) -> None:
        try:
            super().get_results(request)
        # A number beyond SQLite's, and text for bytes.
        except (OverflowError, TypeError) as error:
            raise IncorrectLookupParameters from error


class ModelAdmin(_ModelAdmin[_Row]):
    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[_ChangeList]:
        return ChangeList


# The theme's own label colours; only these are in its style sheet.
_COLOURS = {
    "good": "bg-green-100 text-green-700 dark:bg-green-500/20 dark:text-green-400",
    "bad": "bg-red-100 text-red-700 dark:bg-red-500/20 dark:text-red-400",
    "warn": "bg-orange-100 text-orange-700 dark:bg-orange-500/20 dark:text-orange-400",
    "info": "bg-blue-100 text-blue-700 dark:bg-blue-500/20 dark:text-blue-400",
    "plain": "bg-base-500/8 text-base-700 dark:bg-base-500/20 dark:text-base-200",
}


def badge(text: object, colour: str = "plain") -> SafeString:
    """Return a small coloured label: good, bad, warn, info or plain."""
    return format_html(
        '<span class="inline-block font-semibold rounded-default text-[11px] '
        'whitespace-nowrap h-6 leading-6 px-2 {}">{}</span>',
        _COLOURS[colour],
        text,
    )


def badges(texts: Iterable[object], colour: str = "plain") -> SafeString:
    return SafeString(" ".join(badge(text, colour) for text in texts))


def switch_badge(*, on: bool) -> SafeString:
    """Say whether new attempts go there."""
    return badge("in service", "good") if on else badge("stopped", "bad")


def per_million(price: Decimal) -> str:
    """Return a price per token as dollars per million tokens.

    >>> per_million(Decimal("0.000000600000")), per_million(Decimal("0.000000037500"))
    ('$0.60', '$0.0375')
    """
    digits = f"{(price * 1_000_000).normalize():f}"
    whole, _, fraction = digits.partition(".")
    return f"${whole}.{fraction:0<2}"
