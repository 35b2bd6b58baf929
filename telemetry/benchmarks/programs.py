"""The official programs that run a suite: how each is called, pinned to one endpoint.

Owns command lines and environments. It starts nothing. The rules others rely on: the key is in
the environment alone, as tau2 writes its arguments into its results; every client's own base
address is the gateway's, so that no request and no key goes past it; what a program may do to a
failed sample that would hide whose fault it was (`--skip-failed-samples`) is never asked for.
"""

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from telemetry.benchmarks import tau2

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "HF_HOME",
             "HF_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy",
             "no_proxy")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Errand:
    """What to run. model, tag: the endpoint. tasks: how many, 0 for all. helper: the model that
    plays the user (tau2) or grades (OpenBench), asked over the same gateway, not pinned."""

    model: str
    tag: str
    gateway: str
    suite_set: str
    folder: Path
    helper: str = ""
    tasks: int = 0
    trials: int = 1
    at_once: int = 3


@dataclass(frozen=True, slots=True)
class Program:
    """One official program. executable: its name; extra: what installs it. network: why a run
    needs more than the gateway, "" if not. helper: what the errand's helper does, if it must be
    named. arguments: what follows the executable; results: the files it wrote; done: how many
    samples are in them; blame: what broke it, by an exception's name and its traceback."""

    name: str
    executable: str
    extra: str
    helper: str
    network: Callable[[Errand], str]
    arguments: Callable[[Errand], list[str]]
    variables: Callable[[str, str], dict[str, str]]
    results: str
    done: Callable[[Path], int]
    blame: Callable[[str, str], str]


def environment(
    program: Program, gateway: str, key: str, inherited: Mapping[str, str]
) -> dict[str, str]:
    """Return all that the program sees: not this process's secrets."""
    base = {name: inherited[name] for name in INHERITED if name in inherited}
    return base | program.variables(gateway, key)


def _tau2(errand: Errand) -> list[str]:
    pin = {"provider": {"only": [errand.tag], "allow_fallbacks": False}}
    return [
        "run", "--domain", errand.suite_set,
        "--agent-llm", f"openai/{errand.model}",
        "--agent-llm-args", json.dumps({"temperature": 0.0, "extra_body": pin}),
        # Else it takes "dummy_key" for the variable's name, and that for the key.
        "--agent-api-key", "",
        "--user-llm", f"openai/{errand.helper}",
        "--user-llm-args", json.dumps({"temperature": 0.0}),
        "--num-trials", str(errand.trials), "--max-concurrency", str(errand.at_once),
        "--results-dir", str(errand.folder), "--save-to", "results",
        *(["--num-tasks", str(errand.tasks)] if errand.tasks else []),
    ]  # fmt: skip


def _tau2_variables(gateway: str, key: str) -> dict[str, str]:
    # LiteLLM fetches its price list at import unless told to use its own.
    return _openai(gateway, key) | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}


def _openbench(errand: Errand) -> list[str]:
    grader = f"openai-api/assay/{errand.helper}"
    return [
        "eval", errand.suite_set, "--model", f"openrouter/{errand.model}",
        "-M", f"only={errand.tag}", "-M", "allow_fallbacks=false",
        "--model-base-url", errand.gateway,
        *(["-T", f"grader_model={grader}"] if errand.helper else []),
        "--epochs", str(errand.trials), "--max-connections", str(errand.at_once),
        "--log-dir", str(errand.folder), "--log-format", "eval", "--display", "plain",
        *(["--limit", str(errand.tasks)] if errand.tasks else []),
    ]  # fmt: skip


def _openbench_variables(gateway: str, key: str) -> dict[str, str]:
    service = {"ASSAY_BASE_URL": gateway, "ASSAY_API_KEY": key, "OPENROUTER_API_KEY": key}
    return _openai(gateway, key) | service


def _openai(gateway: str, key: str) -> dict[str, str]:
    return {"OPENAI_BASE_URL": gateway, "OPENAI_API_BASE": gateway, "OPENAI_API_KEY": key}


def _no_network(errand: Errand) -> str:
    return ""


def _openbench_network(errand: Errand) -> str:
    if Path(errand.suite_set).exists():
        return ""
    return (
        f"OpenBench fetches the data of {errand.suite_set} from other hosts (Hugging Face, GitHub "
        "and others)"
    )


def _no_blame(exception: str, traceback: str) -> str:
    return ""  # Inspect keeps a sample's error in the log, and goes on


def _tau2_done(file: Path) -> int:
    return file.read_bytes().count(b'"termination_reason"')


def _openbench_done(file: Path) -> int:
    with zipfile.ZipFile(file) as log:
        return sum(name.startswith("samples/") for name in log.namelist())


def samples_done(program: Program, folder: Path) -> int:
    """Return how many samples the files have so far; 0 if they cannot be read as they are now."""
    try:
        return sum(program.done(file) for file in folder.glob(program.results))
    except (OSError, zipfile.BadZipFile):
        return 0  # it is being written


PROGRAMS = {
    "tau2": Program(
        "tau2-bench", "tau2", "tau2", "plays the user", _no_network, _tau2, _tau2_variables,
        "results.json", _tau2_done, tau2.blame,
    ),
    "openbench": Program(
        "OpenBench", "bench", "openbench", "", _openbench_network, _openbench,
        _openbench_variables, "*.eval", _openbench_done, _no_blame,
    ),
}  # fmt: skip
