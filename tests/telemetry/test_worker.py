"""Ingestion as it runs in service: a writing process, Celery's beat and worker, and kill -9."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from routing import celery_app
from telemetry.counts import compare
from telemetry.models import Attempt, Generation
from telemetry.spool import process_directories, segments
from tests.catalog_rows import make_endpoint

BACKLOG = 6_000
PATIENCE_S = 150.0

Start = Callable[..., subprocess.Popen[str]]


def wait_for(condition: Callable[[], bool], *, what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


def unread(spool: Path) -> list[Path]:
    return [path for directory in process_directories(spool) for path in segments(directory)]


def database_url() -> str:
    """Return the address under which another process finds the test's database."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start programs that share the test's database and a spool of their own, and end them."""
    running: list[subprocess.Popen[str]] = []

    def run(*command: str, broker: str = "filesystem://") -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "ASSAY_HOME": str(tmp_path),
            "DATABASE_URL": database_url(),
            "CELERY_BROKER_URL": broker,
        }
        with (tmp_path / "log").open("a") as log:
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", *command],
                    env=environment,
                    stdout=subprocess.PIPE if "writing" in command[0] else log,
                    stderr=log,
                    text=True,
                )
            )
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def write_until_killed(start: Start, spool: Path, endpoint_id: int) -> set[str]:
    """Return the generations that a process wrote and acknowledged before kill -9."""
    writer = start("tests.telemetry.writing_process", str(spool), str(endpoint_id), "gen")
    assert writer.stdout
    seen = list(itertools.islice(writer.stdout, BACKLOG))
    writer.send_signal(signal.SIGKILL)
    seen += writer.stdout.readlines()
    return {line.strip() for line in seen if line.endswith("\n")}


def check_nothing_is_lost_or_doubled(start: Start, home: Path, broker: str) -> None:
    acknowledged = write_until_killed(start, home / "spool", make_endpoint().pk)
    worker = ["celery", "-A", "routing", "worker", "-P", "threads", "-c", "2", "-l", "WARNING"]
    start("celery", "-A", "routing", "beat", "-l", "WARNING", broker=broker)
    first = start(*worker, broker=broker)

    wait_for(Attempt.objects.exists, what="the first rows")
    first.send_signal(signal.SIGKILL)
    first.wait()
    ingested = Attempt.objects.count()
    start(*worker, broker=broker)
    wait_for(lambda: not unread(home / "spool"), what="an empty spool")

    assert 0 < ingested < len(acknowledged), "the worker was not killed in the middle"
    assert acknowledged <= set(Generation.objects.values_list("pk", flat=True))
    attempts = Attempt.objects.values_list("generation_id", flat=True)
    assert acknowledged <= set(attempts)
    # The last one may be stored, but its process died before it could say so.
    assert len(attempts) - len(acknowledged) <= 1
    assert not Attempt.objects.filter(generation_id__in=acknowledged, verdict="pending").exists()
    assert compare() == {}
    assert "Traceback" not in (home / "log").read_text()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_or_doubled_when_the_embedded_worker_is_killed(
    start: Start, tmp_path: Path
) -> None:
    check_nothing_is_lost_or_doubled(start, tmp_path, "filesystem://")


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_or_doubled_when_a_worker_on_redis_is_killed(
    start: Start, tmp_path: Path, redis_url: str
) -> None:
    check_nothing_is_lost_or_doubled(start, tmp_path, redis_url)


def test_every_scheduled_task_exists_and_drops_what_is_overdue() -> None:
    celery_app.loader.import_default_modules()

    for name, entry in celery_app.conf.beat_schedule.items():
        assert entry["task"] in celery_app.tasks, name
        assert entry["options"]["expires"] <= max(60, entry["schedule"]), name


def test_tasks_travel_as_json_and_keep_no_results() -> None:
    conf = celery_app.conf

    assert (conf.task_serializer, conf.accept_content) == ("json", ["json"])
    assert conf.task_ignore_result
    assert conf.enable_utc
    assert conf.beat_schedule_filename.startswith(str(settings.ASSAY_HOME))
