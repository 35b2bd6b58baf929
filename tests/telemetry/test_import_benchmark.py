"""`manage.py import_benchmark`: files and folders in, rows and a summary out."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from providers.models import Endpoint
from telemetry.models import BenchmarkRun
from tests.catalog_rows import MODEL
from tests.telemetry.benchmarks.made_up import (
    bfcl_answer,
    bfcl_failure,
    bfcl_score,
    failed_row,
    jsonl,
    row,
    zipped,
)

pytestmark = pytest.mark.django_db
COBALT = f"{MODEL}@cobalt"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "results.jsonl"
    path.write_bytes(jsonl([row(1), row(2, False), row(3, None)]))
    return path


@pytest.fixture
def bfcl(tmp_path: Path) -> Path:
    """A run's folder as BFCL leaves it, with a hidden file of somebody else."""
    folder = tmp_path / "run"
    failed = bfcl_failure("simple_0", "value_error", [{"f": "{}"}], "simple")
    answers = jsonl([bfcl_answer(f"simple_{number}", [{"f": "{}"}]) for number in range(4)])
    for name, content in {
        "score/falcon-1-FC/non_live/BFCL_v4_simple_score.json": bfcl_score(4, failed),
        "result/falcon-1-FC/non_live/BFCL_v4_simple_result.json": answers,
        "score/data_live.csv": b"Rank,Model\n1,falcon\n",
        "test_case_ids_to_generate.json": b'{"simple": ["simple_0"]}',
        ".DS_Store": b"\x00\x01",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_it_stores_a_run_and_says_its_figures(endpoint: Endpoint, rows: Path) -> None:
    said = call_command("import_benchmark", rows, endpoint=COBALT, origin="Carl")

    run = BenchmarkRun.objects.get(endpoint=endpoint)
    assert "3 replies, 2 are tool calls, 1 with a bad one." in said
    assert "schema_accuracy: 0.5000 of 2 (95 % in 0.0945 to 0.9055)" in said
    assert f"Comparable only with runs of the same suite, version, judge and request set: k2vv, no version, no judge, {run.request_set[:12]}." in said  # fmt: skip  # noqa: E501  # as printed
    assert run.origin == "Carl; K2 Vendor Verifier: acme/falcon-1 pinned to cobalt; results.jsonl"


def test_again_it_says_so_and_writes_nothing(endpoint: Endpoint, rows: Path) -> None:
    call_command("import_benchmark", rows, endpoint=COBALT)
    said = call_command("import_benchmark", rows, endpoint=COBALT)

    assert said.endswith("is stored already: nothing was written.")
    assert BenchmarkRun.objects.count() == 1


def test_a_folder_and_its_zip_are_the_same_run(
    endpoint: Endpoint, bfcl: Path, tmp_path: Path
) -> None:
    said = call_command("import_benchmark", bfcl, "--measured-at=2026-11-20", endpoint=COBALT)
    assert "simple accuracy: 0.7500 of 4" in said

    files = {
        path.relative_to(bfcl).as_posix(): path.read_bytes()
        for path in bfcl.rglob("[!.]*")
        if path.is_file()
    }
    packed = tmp_path / "run.zip"
    packed.write_bytes(zipped(files))
    said = call_command("import_benchmark", packed, "--measured-at=2026-11-20", endpoint=COBALT)
    assert "is stored already" in said


def test_a_dry_run_writes_nothing(endpoint: Endpoint, rows: Path) -> None:
    said = call_command("import_benchmark", rows, endpoint=COBALT, dry_run=True)

    assert said.startswith("Nothing was written; this would be stored: k2vv at cobalt")
    assert not BenchmarkRun.objects.exists()


def test_a_reference_gives_f1(endpoint: Endpoint, rows: Path, tmp_path: Path) -> None:
    reference = tmp_path / "reference.jsonl"
    reference.write_bytes(jsonl([row(1), row(2, None), row(3, None)]))

    said = call_command("import_benchmark", rows, endpoint=COBALT, reference=reference)

    assert "tool_call_f1: 0.6667 of 3" in said
    assert BenchmarkRun.objects.get().judge.startswith("reference ")


def test_what_to_look_at_goes_to_the_error_stream(
    endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(jsonl([row(1), failed_row(2)]))

    call_command("import_benchmark", path, endpoint=COBALT)

    assert "Left out of every figure: 1 x request failed." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("acme/falcon-1@zinc", "There is no endpoint acme/falcon-1@zinc; acme/falcon-1 has: co"),
        ("acme/none@cobalt", "there is no model acme/none"),
        ("acme/falcon-1", "Write MODEL@TAG"),
    ],
)  # fmt: skip
def test_an_unknown_endpoint_is_refused_with_the_known_ones(
    endpoint: Endpoint, rows: Path, name: str, told: str
) -> None:
    with pytest.raises(CommandError, match=told):
        call_command("import_benchmark", rows, endpoint=name)


def test_what_cannot_be_read_is_refused(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"a": 1}))
    (tmp_path / "empty").mkdir()
    for path, told in {
        "a.json": r"a\.json: line 1: not the results of a known tool\. .*Nothing was stored\.",
        "none.json": "cannot be read: No such file",
        "empty": "holds no files",
    }.items():
        with pytest.raises(CommandError, match=told):
            call_command("import_benchmark", tmp_path / path, endpoint=COBALT)
    assert not BenchmarkRun.objects.exists()


def test_a_link_out_of_the_folder_is_not_followed(
    endpoint: Endpoint, rows: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "linked"
    folder.mkdir()
    (folder / "results.jsonl").symlink_to(rows)

    with pytest.raises(CommandError, match="holds no files"):
        call_command("import_benchmark", folder, endpoint=COBALT)


def test_a_file_is_not_read_beyond_the_bound(
    endpoint: Endpoint, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.management.commands.import_benchmark.MAX_GIVEN", 100)
    monkeypatch.setattr("telemetry.benchmarks.bundle.MAX_GIVEN", 100)

    with pytest.raises(CommandError, match="MiB in all"):
        call_command("import_benchmark", rows, endpoint=COBALT)


def test_real_results_are_imported(endpoint: Endpoint, shared_data: Path) -> None:
    path = shared_data / "results/openbench/livemcpbench_bad.eval"

    said = call_command("import_benchmark", path, endpoint=COBALT)

    assert "accuracy: 0.1000 of 10" in said
    assert "openbench/livemcpbench" in said
