"""Who opens the admin in tests: clients that are signed in with a role's real permissions."""

from django.contrib.auth.models import Group, User
from django.test import Client


def operator() -> Client:
    """May do everything."""
    client = Client()
    client.force_login(User.objects.create_superuser("olga"))
    return client


def curator(name: str = "carl") -> Client:
    """Is in the group that the migration makes."""
    user = User.objects.create_user(name, is_staff=True)
    user.groups.add(Group.objects.get(name="Curators"))
    client = Client()
    client.force_login(user)
    return client


def newcomer() -> Client:
    """May sign in to the admin and nothing else."""
    client = Client()
    client.force_login(User.objects.create_user("nina", is_staff=True))
    return client
