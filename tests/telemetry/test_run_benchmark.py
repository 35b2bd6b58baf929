"""`manage.py run_benchmark`: a program is started, watched, imported, and never left behind.

The program stands in for the official ones, as a process; what those write is read from real files
elsewhere. The gateway is a server that knows one key.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from providers.models import Endpoint
from telemetry.benchmarks import watching
from telemetry.benchmarks.programs import Program
from telemetry.management.commands import run_benchmark
from telemetry.models import BenchmarkRun, LongWork
from tests.catalog_rows import MODEL, make_endpoint
from tests.telemetry.benchmarks.made_up import simulation, tau2_run

pytestmark = pytest.mark.django_db
COBALT = f"{MODEL}@cobalt"
KEY = "sk-of-the-benchmark"


class _Gateway(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_known = self.headers["Authorization"] == f"Bearer {KEY}"
        self.send_response(200 if self.path == "/api/v1/key" and is_known else 401)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Gateway)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def run(
    endpoint: Endpoint, gateway: str, tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Run the command with a program that acts so."""
    program = tmp_path / "official"
    shutil.copy(Path(__file__).with_name("official_program.py"), program)
    program.chmod(0o755)
    monkeypatch.setenv("ASSAY_BENCHMARK_KEY", KEY)
    monkeypatch.setenv("DATABASE_URL", "postgres://not-for-strangers")

    def run(act: str, results: Any = None, name: str = "tau2", **options: Any) -> str:
        program.with_suffix(".json").write_text(json.dumps([act, results]))
        how: dict[str, Any] = {
            "endpoint": [COBALT], "gateway": gateway, "helper": "acme/user-1",
            "executable": str(program), "keep": kept, **options,
        }  # fmt: skip
        said: str = call_command("run_benchmark", name, "retail", **how)
        return said

    return run


def test_its_results_are_stored_and_it_was_pinned(run: Any, kept: Path) -> None:
    said = run("write", tau2_run(simulation("0", 0), simulation("1", 0, 0.0), tasks=2), tasks=2)

    stored = BenchmarkRun.objects.get()
    assert (stored.endpoint.tag, stored.suite) == ("cobalt", "tau2 retail")
    assert "pass^1: 0.5000 of 2" in said
    assert stored.origin.startswith("run_benchmark; ")
    seen = json.loads((kept / "seen.json").read_text())
    given = dict(zip(seen["arguments"][1::2], seen["arguments"][2::2], strict=True))
    pin = json.loads(given["--agent-llm-args"])["extra_body"]["provider"]
    assert pin == {"only": ["cobalt"], "allow_fallbacks": False}
    assert (given["--agent-llm"], given["--num-tasks"]) == (f"openai/{MODEL}", "2")


def test_several_endpoints_are_run_one_by_one(run: Any, kept: Path) -> None:
    make_endpoint("tallow", tag="tallow/fp4")
    both = [COBALT, f"{MODEL}@tallow/fp4"]

    run("write", tau2_run(simulation("0", 0)), endpoint=both)

    stored = BenchmarkRun.objects.order_by("endpoint__tag")
    assert [one.endpoint.tag for one in stored] == ["cobalt", "tallow/fp4"]
    pins = [json.loads(seen.read_text())["arguments"] for seen in sorted(kept.glob("*/seen.json"))]
    assert ['"only": ["cobalt"]' in str(one) for one in pins] == [True, False]
    assert ['"only": ["tallow/fp4"]' in str(one) for one in pins] == [False, True]


def test_what_fails_at_one_endpoint_leaves_out_no_other(run: Any, kept: Path) -> None:
    make_endpoint("tallow", tag="tallow/fp4")
    both = [COBALT, f"{MODEL}@tallow/fp4"]

    with pytest.raises(CommandError) as error:
        run("fail", "ValueError: secret prompt", endpoint=both)

    for name in both:
        assert f"{name}: tau2-bench ended with exit code 1" in str(error.value)
    assert len(list(kept.glob("*/seen.json"))) == 2


def test_the_key_is_in_the_environment_alone_and_assays_secrets_are_not(
    run: Any, kept: Path, gateway: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run("write", tau2_run(simulation("0", 0)))

    seen = json.loads((kept / "seen.json").read_text())
    assert KEY not in json.dumps(seen["arguments"])
    assert seen["variables"]["OPENAI_API_KEY"] == KEY
    assert seen["variables"]["OPENAI_BASE_URL"] == f"{gateway}/api/v1"
    assert "DATABASE_URL" not in seen["variables"]
    shown = said + "".join(capsys.readouterr())
    assert KEY not in shown
    assert "secret prompt" not in shown


def test_openbench_is_pinned_graded_over_the_gateway_and_asked_for_its_network(
    run: Any, kept: Path, gateway: str
) -> None:
    with pytest.raises(CommandError, match=r"other hosts .*--yes-network"):
        run("write", name="openbench")
    assert not (kept / "seen.json").exists()

    with pytest.raises(CommandError, match=r"ended well and wrote no \*\.eval"):
        run("write", name="openbench", yes_network=True)

    seen = json.loads((kept / "seen.json").read_text())
    assert f"openrouter/{MODEL}" in seen["arguments"]
    assert {"only=cobalt", "allow_fallbacks=false"} <= set(seen["arguments"])
    assert "grader_model=openai-api/assay/acme/user-1" in seen["arguments"]
    assert seen["variables"]["ASSAY_BASE_URL"] == f"{gateway}/api/v1"


@pytest.mark.parametrize(
    ("exception", "frames", "told"),
    [
        ("litellm.exceptions.AuthenticationError", ["agent/llm_agent", "utils/llm_utils"],
         "(AuthenticationError): no answer"),
        ("json.decoder.JSONDecodeError", ["agent/llm_agent", "utils/llm_utils"],
         "(JSONDecodeError): a tool call of the endpoint cannot be read, and it goes no further"),
        ("json.decoder.JSONDecodeError", ["user/user_simulator", "utils/llm_utils"],
         "(JSONDecodeError): user simulator failed"),
        ("ValueError", ["run"], "(ValueError): broke for an unknown reason"),
    ],
)  # fmt: skip
def test_a_failure_tells_whose_it_was_and_none_of_its_words(
    run: Any, exception: str, frames: list[str], told: str
) -> None:
    lines = [f'  File "/lib/tau2/{frame}.py", line 1, in work' for frame in frames]
    said = ["Traceback (most recent call last):", *lines, f"{exception}: secret prompt"]

    with pytest.raises(CommandError) as error:
        run("fail", "\n".join(said))

    assert f"tau2-bench ended with exit code 1 {told}" in str(error.value)
    assert "Nothing was stored. Run it with --keep FOLDER" in str(error.value)
    assert "secret" not in str(error.value)


def test_too_long_a_run_is_ended_with_all_that_it_started(run: Any, kept: Path) -> None:
    with pytest.raises(CommandError, match=r"ran longer than 0\.1 minutes and was ended\. Noth"):
        run("hang", minutes=0.1)  # a busy machine starts it late

    _is_gone(int((kept / "child.pid").read_text()))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_command_that_is_killed_leaves_no_program_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A terminal that closes and an operator's kill -9 give the command no word to say."""
    program = tmp_path / "official"
    shutil.copy(Path(__file__).with_name("official_program.py"), program)
    program.with_suffix(".json").write_text(json.dumps(["hang", None]))
    watched = (
        "import sys, pathlib; from telemetry.benchmarks.watching import watch; "
        "watch(sys.argv[1:], {}, pathlib.Path.cwd(), 600.0, print)"
    )
    command = [sys.executable, "-c", watched, sys.executable, str(program)]
    variables = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}

    with subprocess.Popen(command, cwd=tmp_path, env=variables) as watcher:
        child = tmp_path / "child.pid"
        limit = time.monotonic() + 20
        while not (child.exists() and child.read_text()) and time.monotonic() < limit:
            time.sleep(0.05)
        watcher.send_signal(number)

    _is_gone(int(child.read_text()))


def test_progress_is_told(
    run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watching, "_TELL_S", 0.0)

    with pytest.raises(CommandError):
        run("hang", minutes=0.02)

    assert "s, 0 samples written" in capsys.readouterr().out


def test_while_it_runs_the_admin_can_see_it(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_TELL_S", 0.0)
    seen: list[LongWork] = []

    def count(program: Program, folder: Path) -> int:
        seen.extend(LongWork.objects.all())
        return len(seen)

    monkeypatch.setattr(run_benchmark, "samples_done", count)

    with pytest.raises(CommandError, match="longer than"):
        run("hang", minutes=0.04, tasks=20, trials=2)

    assert str(seen[0]) == f"tau2-bench retail at {COBALT}: 0 of 40 samples"
    assert [one.done for one in seen[:3]] == [0, 1, 2]
    assert not LongWork.objects.exists()


def test_half_a_run_is_refused(run: Any) -> None:
    with pytest.raises(CommandError, match=r"1 simulations, 2 tasks of 1 trials.*Nothing was stor"):
        run("write", tau2_run(simulation("0", 0), tasks=2))

    assert not BenchmarkRun.objects.exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"endpoint": [COBALT, f"{MODEL}@none"]}, f"There is no endpoint {MODEL}@none"),
        ({"helper": ""}, "needs a model that plays the user: --helper MODEL"),
        ({"gateway": "http://127.0.0.1:1"}, "does not answer .*--gateway"),
        ({"gateway": "ftp://there"}, "write http://HOST:PORT"),
        ({"executable": "no-such-program"}, r"not installed .*assay\[tau2\]"),
        ({"tasks": -1}, "--tasks -1: give a number from 0 to 10000"),
        ({"trials": 0}, "--trials 0: give a number from 1 to"),
        ({"at_once": 0}, "--at-once 0: give a number from 1 to"),
        ({"minutes": float("nan")}, "--minutes nan: give more than 0, and at most 10000"),
    ],
)
def test_what_is_not_ready_is_told_before_anything_starts(
    run: Any, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(CommandError, match=told):
        run("write", **options)


def test_a_key_that_is_missing_or_refused_is_told(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_BENCHMARK_KEY", "sk-other")
    with pytest.raises(CommandError, match="refuses the key in ASSAY_BENCHMARK_KEY: 401"):
        run("write")

    monkeypatch.delenv("ASSAY_BENCHMARK_KEY")
    with pytest.raises(CommandError, match="Set ASSAY_BENCHMARK_KEY"):
        run("write")


def test_a_tag_that_would_let_in_another_endpoint_is_refused(run: Any, endpoint: Endpoint) -> None:
    make_endpoint("cobalt", tag="cobalt/fp8")

    with pytest.raises(CommandError, match=r"\[cobalt\] also lets in cobalt/fp8"):
        run("write")


def test_a_folder_in_use_is_not_written_to(run: Any, kept: Path) -> None:
    kept.mkdir()
    (kept / "mine").write_text("")

    with pytest.raises(CommandError, match="is not empty"):
        run("write")


def _is_gone(pid: int) -> None:
    limit = time.monotonic() + 5
    while time.monotonic() < limit:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return  # ended, and waits for whoever adopted it
        time.sleep(0.05)
    pytest.fail(f"process {pid} is alive")
