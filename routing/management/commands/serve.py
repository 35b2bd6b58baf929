"""Serve the gateway and the admin with uvicorn, with the options they rely on."""

from argparse import ArgumentParser
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Serve HTTP: the API, the admin, /healthz and /readyz."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers", type=int, default=1, help="Processes; each one serves.")

    def handle(self, *, host: str, port: int, workers: int, **options: Any) -> None:
        uvicorn.run(
            "routing.asgi:application",
            host=host,
            port=port,
            workers=workers,
            # The other parser accepts Content-Length and Transfer-Encoding together.
            http="httptools",
            loop="uvloop",
            ws="none",
            lifespan="on",
            access_log=False,
            server_header=False,
            # Nothing here depends on the caller's address; Django reads the scheme for itself.
            proxy_headers=False,
            log_level="warning",
            # Streams are ended by our own drain first: the server's cut would lose their records.
            timeout_graceful_shutdown=int(settings.LIMITS.graceful_stop_s) + 5,
        )
