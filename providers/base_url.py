"""How a provider's address may be written, whoever writes it: the catalogue file or the admin.

Owns the rule and its words; it resolves no names and dials nothing (see `providers.guard`). The
rule others rely on: an address holds no credentials, and of the environment it reads only
variables named UPSTREAM_URL_… (decision 2). Pure.
"""

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"UPSTREAM_URL_[A-Z0-9_]+")
_UNSET = "unset"
_ADDRESS = re.compile(r"https?://[^\s/@?#$\\]+(/[^\s@?#$\\]*)?")


def variables_in(url: str) -> list[str]:
    """Return the names of the variables in an address.

    >>> variables_in("https://${UPSTREAM_URL_HOST}/v1")
    ['UPSTREAM_URL_HOST']
    """
    return _VARIABLE.findall(url)


def filled(url: str, environ: Mapping[str, str]) -> str:
    """Return the address with its variables' values. Raises KeyError for one that is not set."""
    return _VARIABLE.sub(lambda match: environ[match[1]], url).rstrip("/")


def fault_of(url: str, environ: Mapping[str, str]) -> str | None:
    """Return what an address must be and is not, or None. An unset variable is no fault.

    >>> fault_of("https://cobalt.example/v1", {})
    >>> fault_of("https://me:secret@cobalt.example/v1", {})
    'must be http(s)://host/path, without a user, query or fragment. A key is named in api_key_env.'
    """
    names = variables_in(url)
    if not all(map(_NAME.fullmatch, names)):
        return "must name its variables ${UPSTREAM_URL_…}: rename them."
    address = filled(url, {name: environ.get(name, _UNSET) for name in names})
    # What is not set may stand for the scheme, too.
    address = f"http://{address}" if address.startswith(_UNSET) else address
    if not _ADDRESS.fullmatch(address):
        return (
            "must be http(s)://host/path, without a user, query or fragment. "
            "A key is named in api_key_env."
        )
    return None
