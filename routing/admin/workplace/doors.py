"""Links from a figure to the rows behind it, for those who may see them; else the figure alone.

Owns where each kind of figure leads. It reads nothing. The rule others rely on: nobody is led to
a page that would refuse them.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

_LINK = '<a class="text-primary-600 whitespace-nowrap dark:text-primary-500" href="{}">{}</a>'


def link(text: object, url: str) -> SafeString:
    """Return a link as the admin's pages have them; without an address, the text."""
    return format_html(_LINK, url, text) if url else format_html("{}", text)


class Doors:
    """Where one user may go from here."""

    def __init__(self, may: Callable[[str], bool]) -> None:
        self.may = may
        self._attempts = may("telemetry.view_attempt")
        self._runs = may("telemetry.view_benchmarkrun")
        self._preferences = may("routing.view_accountpreferences")

    def attempts(self, text: object, counted: str, **query: Any) -> SafeString:
        """Lead to the attempts that a filter finds, of `callers` or of what is `scored`."""
        asked = {"counted": counted, **query}
        return link(text, _list("telemetry_attempt", asked) if self._attempts else "")

    def run(self, text: object, pk: int) -> SafeString:
        """Lead to one benchmark run."""
        url = reverse("admin:telemetry_benchmarkrun_change", args=[pk]) if self._runs else ""
        return link(text, url)

    def preferences(self, text: object) -> SafeString:
        """Lead to what accounts have chosen for good, ignores among it."""
        return link(text, _list("routing_accountpreferences", {}) if self._preferences else "")


def _list(name: str, query: dict[str, Any]) -> str:
    address = reverse(f"admin:{name}_changelist")
    return f"{address}?{urlencode(query)}" if query else address
