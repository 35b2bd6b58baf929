"""Who opens the admin in tests: clients that are signed in with a role's real permissions."""

from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from routing.roles import GROUPS


def operator() -> Client:
    """May do everything: a superuser. The role of that name is `person("operator")`."""
    client = Client()
    client.force_login(User.objects.create_superuser("olga"))
    return client


def curator(name: str = "carl") -> Client:
    """Decides about lists."""
    return person("curator", name)


def person(role: str, name: str = "") -> Client:
    """Has one role; is named for it unless told otherwise."""
    user = User.objects.create_user(name or role, is_staff=True)
    user.groups.add(Group.objects.get(name=GROUPS[role]))
    client = Client()
    client.force_login(user)
    return client


def newcomer(name: str = "nina", *rights: str) -> Client:
    """May sign in to the admin, and nothing else but what is named."""
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client
