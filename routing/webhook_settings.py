"""The webhook's two settings, checked at start: an address without a real secret stops everything.

Owns the check only. The rule others rely on: where there is a WEBHOOK_URL, there is a secret that
cannot be guessed, so a receiver's check of the signature means something.
"""

from django.core.exceptions import ImproperlyConfigured

from providers.guard import AddressRefused, check_url

_SHORTEST = 16


def webhook_settings(url: str, secret: str) -> tuple[str, str]:
    """Return (address, secret) as given. Raises ImproperlyConfigured if they cannot serve.

    >>> webhook_settings("", "")
    ('', '')
    """
    url = url.strip()
    if not url:
        return "", ""
    try:
        check_url(url)
    except AddressRefused as refusal:
        raise ImproperlyConfigured(f"WEBHOOK_URL cannot be used: {refusal.reason}.") from None
    if len(secret.strip()) < _SHORTEST:
        raise ImproperlyConfigured(
            f"WEBHOOK_URL is set: set WEBHOOK_SECRET (or WEBHOOK_SECRET_FILE), too, to {_SHORTEST} "
            "random characters or more."
        )
    return url, secret
