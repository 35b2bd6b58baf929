"""Remove somebody's second factor, whose phone is lost: the password alone signs in again."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from routing.models import SecondFactor

_ACTOR = "command line"


class Command(BaseCommand):
    help = "Remove the second factor of a person who has lost it; ends that person's sessions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")

    def handle(self, *, name: str, **options: Any) -> str:
        person = User.objects.filter(username=name).first()
        if person is None:
            raise CommandError(f"{name}: there is no such person.")
        if not SecondFactor.remove(person, by=_ACTOR):
            raise CommandError(f"{name} has no second factor.")
        return f"{name} signs in with the password alone now, until a new one is set up."
