"""What a first `make run` finds: the demo catalogue and a benchmark, a key to try it, and logins.

Owns making these once and remembering the secrets shown on the terminal (ASSAY_HOME/demo.json,
readable by its owner only). It is never part of a deployment. The rule others rely on: what
exists is not touched again, so that starting twice changes nothing a person has changed.
"""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import transaction
from django.utils.timezone import now

from providers.models import Provider
from routing import demo_traffic
from routing.demo_benchmarks import import_demo_runs
from routing.models import Account, ApiKey, key_digest
from routing.roles import GROUPS

CATALOG = Path(settings.BASE_DIR) / "providers" / "demo_catalog.yaml"
_ACCOUNT = "demo"


@dataclass(frozen=True, slots=True)
class Demo:
    """The secrets to show. A password is "" once its owner has changed it."""

    api_key: str
    curator_password: str
    operator_password: str
    traffic_keys: dict[str, str] = field(default_factory=dict, repr=False)


def prepare(*, traffic: bool) -> Demo:
    """Make what is missing, and return what to show; with `traffic`, callers to send it as."""
    if not Provider.objects.exists():
        call_command("load_catalog", str(CATALOG), stdout=StringIO())
        import_demo_runs(now())
    kept = _read()
    with transaction.atomic():
        demo = Demo(
            api_key=_key(_ACCOUNT, kept.get("api_key", "")),
            curator_password=_user("curator", kept.get("curator_password", ""), curator=True),
            operator_password=_user("operator", kept.get("operator_password", ""), curator=False),
            traffic_keys=_callers(traffic_keys()) if traffic else traffic_keys(),
        )
    _write(demo)
    return demo


def traffic_keys() -> dict[str, str]:
    """Return {owner: key} of the simulated callers made so far."""
    kept = _read().get("traffic_keys")
    return kept if isinstance(kept, dict) else {}


def _callers(kept: dict[str, str]) -> dict[str, str]:
    return {name: _key(name, kept.get(name, "")) for name in demo_traffic.OWNERS}


def _key(owner: str, kept: str) -> str:
    if kept and ApiKey.objects.filter(digest=key_digest(kept), revoked_at=None).exists():
        return kept
    account, _ = Account.objects.get_or_create(name=owner, defaults={"vouched": True})
    # No limits: these are keys to try things with, on one's own machine.
    _, text = ApiKey.issue(account, "demo", requests_per_minute=0, max_in_flight=0)
    return text


def _user(name: str, kept: str, *, curator: bool) -> str:
    """Return the password to show for `name`, made if there is no such user yet."""
    user = User.objects.filter(username=name).first()
    if user is not None:
        return kept if kept and user.check_password(kept) else ""
    password = secrets.token_urlsafe(12)
    user = User.objects.create_user(name, password=password, is_staff=True)
    if curator:
        user.groups.add(Group.objects.get(name=GROUPS["curator"]))
    else:
        user.is_superuser = True
        user.save(update_fields=["is_superuser"])
    return password


def _file() -> Path:
    return Path(settings.ASSAY_HOME) / "demo.json"


def _read() -> dict[str, Any]:
    try:
        kept = json.loads(_file().read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _write(demo: Demo) -> None:
    file = _file()
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(asdict(demo), out)
    fresh.replace(file)
