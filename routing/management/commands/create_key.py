"""Create an API key and print it: the only time it can be seen."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from routing.models import Account, ApiKey, Scope


class Command(BaseCommand):
    help = "Create an API key for an account (made if new) and print the key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account")
        parser.add_argument("label")
        parser.add_argument("--rpm", type=int, help="Requests a minute; 0: no limit.")
        parser.add_argument("--in-flight", type=int, help="Requests at once; 0: no limit.")
        parser.add_argument(
            "--scope",
            action="append",
            choices=Scope.values,
            help="What it may do; may be given several times. Left out: everything.",
        )

    def handle(
        self,
        *,
        account: str,
        label: str,
        rpm: int | None,
        in_flight: int | None,
        scope: list[str] | None,
        **options: Any,
    ) -> str:
        owner, _ = Account.objects.get_or_create(name=account)
        _, text = ApiKey.issue(
            owner, label, requests_per_minute=rpm, max_in_flight=in_flight, scopes=scope
        )
        return text
