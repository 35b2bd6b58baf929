"""Roles: who may do what in the admin, as one table, and the groups that carry it.

Owns the table and `keep`, which makes each role's group hold exactly the table's rights: after
every migration (`routing.apps`) what a release adds is given and what it drops is taken back.
Other groups are never touched: whoever needs more makes one. The rules others rely on: no role may
change people, groups or a role's rights, because whoever can may make himself anything; nobody but
operators and auditors sees keys and credentials; who publishes does not set the policy that asks
for a second person.
"""

from collections.abc import Mapping

from django.contrib.auth.models import Group, Permission

# Role: its group. The curators' group is older than the others and keeps its name.
GROUPS = {
    "viewer": "Viewers",
    "curator": "Curators",
    "operator": "Operators",
    "auditor": "Auditors",
}
# What a letter below stands for. P and Q are the permissions to publish and to quarantine.
_DEEDS = {
    "v": "view",
    "a": "add",
    "c": "change",
    "d": "delete",
    "P": "publish",
    "Q": "release",
}
_COLUMNS = ("viewer", "curator", "operator", "auditor")
# Adding a benchmark run is importing it; adding a verifier run is ordering or stopping it; adding a
# key is issuing it, changing it is also rotating and revoking it; changing what is in the catalogue
# is also stopping and resuming; changing a notice is marking it as read.
_TABLE: Mapping[str, tuple[str, str, str, str]] = {
    # model                          viewer curator  operator  auditor
    "providers.provider":            ("v",  "v",     "vacd",   "v"),
    "providers.model":               ("v",  "v",     "vacd",   "v"),
    "providers.endpoint":            ("v",  "v",     "vacd",   "v"),
    "providers.credential":          ("",   "",      "vacd",   "v"),
    "telemetry.generation":          ("v",  "v",     "v",      "v"),
    "telemetry.attempt":             ("v",  "v",     "v",      "v"),
    "telemetry.verdictcount":        ("v",  "v",     "v",      "v"),
    "telemetry.benchmarkrun":        ("v",  "va",    "v",      "v"),
    "telemetry.verifierrun":         ("v",  "va",    "v",      "v"),
    "telemetry.feedback":            ("v",  "vc",    "v",      "v"),
    "routing.allowlist":             ("v",  "vacdP", "v",      "v"),
    "routing.allowlistentry":        ("v",  "vacd",  "v",      "v"),
    "routing.leftout":               ("v",  "v",     "v",      "v"),
    "routing.quarantine":            ("v",  "vQ",    "v",      "v"),
    "routing.notice":                ("v",  "vc",    "vc",     "v"),
    "routing.delivery":              ("v",  "v",     "v",      "v"),
    "routing.providerreport":        ("v",  "vac",   "v",      "v"),
    "routing.providermessage":       ("v",  "vc",    "v",      "v"),
    "routing.auditentry":            ("",   "v",     "v",      "v"),
    "routing.modelpolicy":           ("v",  "v",     "vac",    "v"),
    "routing.account":               ("v",  "v",     "vac",    "v"),
    "routing.accountpreferences":    ("",   "v",     "vacd",   "v"),
    "routing.apikey":                ("",   "",      "vac",    "v"),
    "routing.preset":                ("",   "",      "vacd",   "v"),
    "routing.owncredential":         ("",   "",      "vacd",   "v"),
    "auth.user":                     ("",   "",      "",       "v"),
    "auth.group":                    ("",   "",      "",       "v"),
}  # fmt: skip


def rights(role: str) -> set[str]:
    """Return a role's permissions as `user.has_perm` takes them."""
    column = _COLUMNS.index(role)
    return {
        f"{app}.{_DEEDS[letter]}_{model}"
        for label, row in _TABLE.items()
        for app, model in [label.split(".")]
        for letter in row[column]
    }


def is_kept(group: Group) -> bool:
    """Return whether a group is a role's, whose rights are the table's and nobody else's."""
    return group.name in GROUPS.values()


def keep(using: str = "default") -> None:
    """Make each role's group hold the table's rights and no other; called after migrating.

    A database that was migrated only part of the way has not all permissions yet: those that are
    missing are given when they exist.
    """
    known = {
        f"{right.content_type.app_label}.{right.codename}": right
        for right in Permission.objects.using(using).select_related("content_type")
    }
    for role, name in GROUPS.items():
        group, _ = Group.objects.using(using).get_or_create(name=name)
        wanted = {known[right].pk for right in rights(role) if right in known}
        held = set(group.permissions.values_list("pk", flat=True))
        if wanted != held:
            group.permissions.set(wanted)
