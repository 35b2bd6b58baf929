"""How much of a spool waits: told as it is written, and nothing once it is ingested."""

import time
from pathlib import Path

import pytest

from telemetry.ingest import ingest_all
from telemetry.models import SpoolPosition
from telemetry.recorder import Recorder
from telemetry.spool import segments
from telemetry.spool_depth import SpoolDepth, spool_depth
from tests.catalog_rows import make_endpoint
from tests.telemetry.spooled import attempt_fact, generation_fact, make_writer

pytestmark = pytest.mark.django_db


def test_a_spool_that_is_not_there_has_nothing_waiting(tmp_path: Path) -> None:
    assert spool_depth(tmp_path / "none", now=0.0) == SpoolDepth()


def test_what_is_written_waits_until_it_is_ingested(tmp_path: Path) -> None:
    endpoint = make_endpoint("cobalt")
    writer = make_writer(tmp_path)
    recorder = Recorder(writer)
    recorder.attempt(attempt_fact(endpoint_id=endpoint.pk))
    recorder.generation(generation_fact())
    [segment] = segments(writer.directory)

    waiting = spool_depth(tmp_path, now=segment.stat().st_mtime + 90)
    ingest_all(tmp_path)
    after = spool_depth(tmp_path, now=time.time())
    writer.close()

    assert waiting == SpoolDepth(1, segment.stat().st_size, 90.0)
    assert SpoolPosition.objects.exists()  # the file is still its process's
    assert after == SpoolDepth()


def test_what_cannot_become_a_row_is_counted_until_it_is_removed(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    Recorder(writer).attempt(attempt_fact(endpoint_id=404))
    assert ingest_all(tmp_path).dead == 1
    writer.close()
    [letters] = (tmp_path / "dead").iterdir()

    refused = spool_depth(tmp_path, now=time.time()).refused_bytes
    letters.unlink()

    assert refused > 0
    assert spool_depth(tmp_path, now=time.time()).refused_bytes == 0


def test_of_a_segment_that_is_partly_read_the_rest_waits(tmp_path: Path) -> None:
    endpoint = make_endpoint("cobalt")
    writer = make_writer(tmp_path)
    recorder = Recorder(writer)
    recorder.attempt(attempt_fact(endpoint_id=endpoint.pk))
    recorder.generation(generation_fact())
    ingest_all(tmp_path)
    [segment] = segments(writer.directory)
    read = segment.stat().st_size
    recorder.generation(generation_fact("gen-2"))

    waiting = spool_depth(tmp_path, now=time.time())
    writer.close()

    assert waiting.files == 1
    assert waiting.bytes == segment.stat().st_size - read > 0
