"""Send the demo's simulated traffic: a child of `make run`."""

import asyncio
import os
import signal
from argparse import ArgumentParser
from random import Random
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from routing import demo, demo_traffic

SEED = 20_251_121


class Command(BaseCommand):
    help = "Send chat requests with tools to a running demo, as its simulated owners."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", help="Such as http://127.0.0.1:8000/api/v1.")
        parser.add_argument("--per-second", type=float, default=6.0)
        parser.add_argument("--seed", type=int, default=SEED)

    def handle(self, *, url: str, per_second: float, seed: int, **options: Any) -> None:
        who = demo_traffic.callers(demo.traffic_keys())
        if not who:
            raise CommandError("The demo has no callers here: `manage.py up` makes them.")
        # A second start should not ask the same again in the same order.
        rng = Random(f"{seed}:{os.getpid()}")
        asyncio.run(_until_told(url, who, per_second, rng))


async def _until_told(
    url: str, who: list[demo_traffic.Caller], per_second: float, rng: Random
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    await demo_traffic.run(url, who, per_second=per_second, rng=rng, stop=stop)
