"""Run all of Assay in the foreground: `make run`."""

import fcntl
import os
import socket
import sys
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, connections

from routing import demo
from routing.supervisor import Child, Supervisor

_ALL = ("0.0.0.0", "::")  # noqa: S104  # shown, not bound
_MOST_TRAFFIC = 100
_BANNER = """
Assay is up.

  API      {url}/api/v1     ({url}/readyz tells what it serves)
  Docs     {url}/docs/
  Admin    {url}/admin/
  Key      {key}
{logins}
Try it:

  curl {url}/api/v1/chat/completions -H "Authorization: Bearer {key}" -H "Content-Type: application/json" -d '{{"model": "moonshotai/kimi-k2-0905:exacto", "messages": [{{"role": "user", "content": "Hello"}}]}}'

Logs are in {logs}. Ctrl-C stops everything.
"""  # noqa: E501  # the line to paste is one line


class Command(BaseCommand):
    help = "Prepare the database, load the demo and run web, worker, beat and simulator."
    requires_migrations_checks = False

    def handle(self, **options: Any) -> None:
        home = Path(settings.ASSAY_HOME)
        home.mkdir(parents=True, exist_ok=True)
        host = os.environ.get("HOST", "127.0.0.1")
        port = _port("PORT", 8000)
        simulator_port = _port("SIMULATOR_PORT", port + 1)
        per_second = _per_second()
        lock = _only_one(home)
        _refuse_busy(host, port, "PORT")
        _refuse_busy("127.0.0.1", simulator_port, "SIMULATOR_PORT")
        # The children inherit these; an operator's own values win.
        os.environ.setdefault("UPSTREAM_URL_SIMULATOR", f"http://127.0.0.1:{simulator_port}")
        os.environ.setdefault("UPSTREAM_ALLOW_CIDRS", "127.0.0.0/8")
        if per_second:
            # Who looks at a demo waits for minutes, not for days.
            os.environ.setdefault("SCORE_EVERY_S", "30")

        call_command("migrate", verbosity=0, interactive=False)
        _refresh_statistics()
        shown = demo.prepare(traffic=per_second > 0)
        connections.close_all()

        supervisor = Supervisor(
            _children(host, port, simulator_port, per_second),
            logs=home / "log",
            environ=os.environ,
            say=self._say,
        )
        url = f"http://{_reachable(host)}:{port}"
        supervisor.start()
        code = supervisor.run(
            ready=lambda: _is_ready(url),
            on_ready=lambda: self._say(_banner(url, shown, home / "log")),
        )
        lock.close()
        self._say("Assay has stopped.")
        sys.exit(code)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _children(host: str, port: int, simulator_port: int, per_second: float) -> list[Child]:
    """Return the programs in the order they are stopped.

    What feeds others comes first; only beat comes after the worker, which ends quicker so.
    """
    url = f"http://{_reachable(host)}:{port}/api/v1"
    manage = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py")]
    celery = [sys.executable, "-m", "celery", "-A", "routing"]
    stop_s = settings.LIMITS.graceful_stop_s + 10
    traffic = [*manage, "demo_traffic", url, "--per-second", str(per_second)]
    return [
        *([Child("traffic", traffic)] if per_second else []),
        Child("web", [*manage, "serve", "--host", host, "--port", str(port)], stop_s),
        Child("worker", [*celery, "worker", "-P", "threads", "-c", "2", "--loglevel", "WARNING"]),
        Child("beat", [*celery, "beat", "--loglevel", "WARNING", "--pidfile", ""]),
        Child("simulator", [*manage, "simulate_providers", "--port", str(simulator_port)]),
    ]


def _refresh_statistics() -> None:
    """Let SQLite look at a sample of its tables: it picks poor indexes for the admin without."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA analysis_limit = 400")
            cursor.execute("PRAGMA optimize = 0x10002")


def _port(name: str, default: int) -> int:
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise CommandError(f"{name}={text}: give a port from 1 to 65535.")
    return int(text)


def _per_second() -> float:
    text = os.environ.get("DEMO_TRAFFIC", "").strip() or "6"
    try:
        per_second = float(text)
    except ValueError:
        per_second = -1.0
    if not 0 <= per_second <= _MOST_TRAFFIC:
        raise CommandError(
            f"DEMO_TRAFFIC={text}: give requests per second, from 0 to {_MOST_TRAFFIC}."
        )
    return per_second


def _only_one(home: Path) -> TextIO:
    """Hold the lock of this ASSAY_HOME; two of us would share one database and spool."""
    lock = (home / "up.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CommandError(f"Assay is already running in {home}.") from None
    return lock


def _refuse_busy(host: str, port: int, name: str) -> None:
    with closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} cannot be used ({error.strerror}): set {name} to a free one."
            ) from None


def _reachable(host: str) -> str:
    """Return the host as it stands in an address that reaches a server bound to it."""
    if host in _ALL:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=1) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


def _banner(url: str, shown: demo.Demo, logs: Path) -> str:
    logins = "".join(
        f"  {title:<8} {name} / {password or '(the password you have set)'}\n"
        for title, name, password in (
            ("Curator", "curator", shown.curator_password),
            ("Operator", "operator", shown.operator_password),
        )
    )
    return _BANNER.format(url=url, key=shown.api_key, logins=logins, logs=logs)
