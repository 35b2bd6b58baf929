"""Assay in the bench: everything on, exactly as an operator would run it, in a home of its own.

One web process (with its judge child) is charged for the requests; the Celery worker with beat,
which ingests what the web process spooled, runs beside it and is reported on its own. Requests go
to `bench/<kind>:exacto`: three of four endpoints are on the published allowlist. The key has
limits, so high that they are counted but never reached.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import Processes, capabilities, free_port, run
from bench.systems import HERE, KINDS, PROVIDERS, System, Upstream

ROOT = HERE.parent
OFF_THE_LIST = "fluorite"
INGEST_LIMIT_SECONDS = 60.0

COUNT_FACTS = """
from django.db.models import Count
from telemetry.models import Attempt, Generation
verdicts = dict(Attempt.objects.values_list("verdict").annotate(n=Count("pk")).order_by())
import json; print("facts", json.dumps([Generation.objects.count(), verdicts]))
"""


@dataclass(frozen=True)
class Facts:
    """What the worker made of the run: proof that spool, judge and ingestion were on."""

    generations: int
    verdicts: dict[str, int]

    @property
    def attempts(self) -> int:
        return sum(self.verdicts.values())

    def __str__(self) -> str:
        verdicts = ", ".join(f"{n} {name or 'none'}" for name, n in self.verdicts.items())
        return f"the worker ingested {self.generations} generations ({verdicts})"


def _catalog(upstream: Upstream) -> dict[str, Any]:
    providers = [*PROVIDERS, OFF_THE_LIST]
    return {
        "providers": [
            {
                "slug": name,
                "name": name.title(),
                "base_url": f"http://127.0.0.1:{upstream.port}/{name}/v1",
            }
            for name in providers
        ],
        "models": [
            {"slug": f"bench/{kind}", "name": f"Bench {kind}", "context_length": 131072}
            for kind in KINDS
        ],
        "endpoints": [
            {
                "model": f"bench/{kind}",
                "provider": name,
                "tag": name,
                "upstream_model": f"bench-{kind}",
                "context_length": 131072,
                "prices": {"prompt": "0.0000005", "completion": "0.000002"},
                "supported_parameters": ["tools", "tool_choice", "temperature", "max_tokens"],
            }
            for kind in KINDS
            for name in providers
        ],
        "allowlists": [
            {
                "model": f"bench/{kind}",
                "variant": "exacto",
                "reason": "The bench needs an edition.",
                "endpoints": [{"tag": name} for name in PROVIDERS],
            }
            for kind in KINDS
        ],
    }


def _environment(folder: Path) -> dict[str, str]:
    return capabilities() | {
        "ASSAY_HOME": str(folder / "assay"),
        "UPSTREAM_ALLOW_CIDRS": "127.0.0.0/8",
        "LOG_LEVEL": "WARNING",
    }


def _manage(folder: Path, *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return run(command, folder / "manage.log", env=_environment(folder), seconds=120)


def _last_word(output: str, label: str) -> str:
    """The rest of the line that starts with `label`: the shell may print other lines."""
    lines = [line for line in output.splitlines() if line.startswith(f"{label} ")]
    return lines[-1].removeprefix(f"{label} ")


def start_assay(processes: Processes, upstream: Upstream) -> System:
    folder, port = processes.folder, free_port()
    file = folder / "catalog.json"
    file.write_text(json.dumps(_catalog(upstream), indent=1))
    _manage(folder, "migrate", "--verbosity", "0")
    _manage(folder, "load_catalog", str(file))
    limits = ["--rpm", "100000000", "--in-flight", "1000"]
    key = _manage(folder, "create_key", "bench", "bench", *limits).split()[-1]
    env = _environment(folder) | {"PYTHONPATH": str(ROOT)}
    manage = [sys.executable, str(ROOT / "manage.py")]
    celery = [sys.executable, "-m", "celery", "-A", "routing"]
    pid = processes.start("assay", [*manage, "serve", "--port", str(port)], env)
    quiet = ["--loglevel", "WARNING"]
    beat = processes.start("beat", [*celery, "beat", "--pidfile", "", *quiet], env)
    worker = processes.start("worker", [*celery, "worker", "-P", "threads", "-c", "2", *quiet], env)
    processes.wait_for("assay", pid, f"http://127.0.0.1:{port}/readyz")
    return System(
        "assay", "of this commit", port, pid, key, "/api/v1/chat/completions",
        "bench/{kind}:exacto", (worker, beat),
    )  # fmt: skip


def count_facts(folder: Path, expected: int) -> Facts:
    """Waits until the worker has taken in all that was served, then counts its rows."""
    deadline = time.monotonic() + INGEST_LIMIT_SECONDS
    while True:
        output = _manage(folder, "shell", "-c", COUNT_FACTS)
        generations, verdicts = json.loads(_last_word(output, "facts"))
        pending = verdicts.get("pending", 0)
        if (generations >= expected and not pending) or time.monotonic() > deadline:
            return Facts(generations, verdicts)
        time.sleep(1)
