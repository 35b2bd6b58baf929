"""Give somebody a role in the admin, and print the password: the only time it can be seen."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from routing.models import AuditEntry
from routing.roles import GROUPS

_ACTOR = "command line"


class Command(BaseCommand):
    help = "Give a person (made if new) a role; prints a new person's password, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--role", choices=GROUPS, required=True)
        parser.add_argument("--email", default="", help="Of a new person.")

    @transaction.atomic
    def handle(self, *, name: str, role: str, email: str, **options: Any) -> str:
        person = User.objects.filter(username=name).first()
        told = f"{name} is {role} now; the password stays."
        if person is None:
            told = secrets.token_urlsafe(15)
            person = _new(name, email, password=told)
        elif not person.is_active or not person.is_staff:
            raise CommandError(
                f"{name} may not sign in to the admin: "
                "tick Active and Staff status under Users first."
            )
        person.groups.add(Group.objects.get(name=GROUPS[role]))
        AuditEntry.record("give role", by=_ACTOR, after={"person": name, "role": role})
        return told


def _new(name: str, email: str, *, password: str) -> User:
    person = User(username=name, email=email, is_staff=True)
    person.set_password(password)
    try:
        person.full_clean()
    except ValidationError as error:
        raise CommandError(f"{name}: {' '.join(error.messages)}") from None
    person.save()
    return person
