"""Under which address this server is told to others: on pages, in links, in snippets.

Owns that one choice. The rules others rely on: PUBLIC_URL, where it is set, whatever host a request
names; else the address it came to, whose host is one of ALLOWED_HOSTS, for Django answers no other.
"""

from django.conf import settings
from django.http import HttpRequest


def own_address(request: HttpRequest) -> str:
    """Return scheme, host and port, without a slash at the end. Raises DisallowedHost."""
    return settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"
