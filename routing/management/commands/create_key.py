"""Create an API key and print it: the only time it can be seen."""

from argparse import ArgumentParser
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand

from routing.models import Account, ApiKey, LimitReset, Scope


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

        parser.add_argument(
            "--management",
            action="store_true",
            help="Manages the account's other keys; calls no model.",
        )
        parser.add_argument("--limit", type=Decimal, help="What it may spend, in USD.")
        parser.add_argument(
            "--limit-reset",
            default="",
            choices=[value for value in LimitReset.values if value],
            help="When the limit begins anew. Left out: never.",
        )
        parser.add_argument(
            "--include-byok-in-limit",
            action="store_true",
            help="What the account's own provider credentials pay for counts, too.",
        )

    def handle(
        self,
        *,
        account: str,
        label: str,
        rpm: int | None,
        in_flight: int | None,
        scope: list[str] | None,
        management: bool,
        limit: Decimal | None,
        limit_reset: str,
        include_byok_in_limit: bool,
        **options: Any,
    ) -> str:
        owner, _ = Account.objects.get_or_create(name=account)
        _, text = ApiKey.issue(
            owner,
            label,
            requests_per_minute=rpm,
            max_in_flight=in_flight,
            scopes=scope,
            management=management,
            spend_limit=limit,
            limit_reset=limit_reset,
            include_byok_in_limit=include_byok_in_limit,
        )
        return text
