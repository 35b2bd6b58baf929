"""Where the docs lead to: every other page that is switched on, and none that is not."""

from django.conf import settings
from django.urls import reverse

# (setting that switches it on, name of its address, what templates call it)
_PLACES = (
    ("PUBLIC_SCOREBOARD", "scoreboard", "scoreboard_url"),
    ("PUBLIC_FEEDBACK", "feedback", "feedback_url"),
    ("ACCOUNT_PAGES", "account", "account_url"),
    ("API_DOCS", "docs-api", "interactive_url"),
)


def places() -> dict[str, str]:
    """Return addresses for templates; a page that is switched off has none."""
    return {
        called: reverse(name) if getattr(settings, setting) else ""
        for setting, name, called in _PLACES
    }
