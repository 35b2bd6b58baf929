"""Why an endpoint was not used, in words for whoever sent the request.

Owns the words for the codes that a decision is kept in; the codes are `routing.gateway`'s and are
shown beside the words. The rule others rely on: a code that is not known here is still told.
"""

_WORDS = {
    "exacto_pool": "not on the published allowlist",
    "quarantined": "set aside for now: quarantined",
    "allowed_providers": "not among the providers that the request named",
    "ignored_providers": "ignored by the request",
    "account_preferences": "left out by the account's standing preferences",
    "tools": "takes no tools",
    "tool_choice": "does not obey this tool_choice",
    "context_length": "too small for prompt or answer",
    "max_price": "dearer than the request allows",
    "quantization": "not in a quantization that the request allows",
    "require_parameters": "lacks a parameter that the request requires",
    "service_tier": "of another service tier",
    "rate_limited": "was refusing requests by rate limit",
    "unhealthy": "was failing",
    "fallbacks_off": "not first in order, and fallbacks are off",
    "data_policy:training": "may train on data",
    "data_policy:zdr": "keeps data for a time",
}
_UNSUPPORTED = "unsupported:"


def in_words(code: str) -> str:
    """Return the words for a code; "" where the code says all there is."""
    if code.startswith(_UNSUPPORTED):
        return f"others support {code.removeprefix(_UNSUPPORTED)}, this one does not"
    return _WORDS.get(code, "")
