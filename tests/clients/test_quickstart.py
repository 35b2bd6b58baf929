"""Every line that a quickstart gives to be copied runs as the page has it, against a live server.

The lines are taken from the served page and run as a reader would: with the client's own package,
a key in ASSAY_API_KEY, and nothing else. Witnesses are what they print, and the simulated
providers behind the gateway.
"""

import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from routing.pages.docs.clients import CLIENTS, client_named
from tests.clients.fleet import FleetProcess, calm, demo_catalog
from tests.clients.packages import CLIENTS as PACKAGES
from tests.clients.packages import not_tested, npm_packages, python_with
from tests.live import LiveGateway

# Programs of their own, which the tests do not install; see what is looked at instead, below.
NOT_RUN = {
    "claude-code-environment": "Claude Code is a program for a terminal; it was run by hand",
    "codex-config": "Codex CLI is a program for a terminal; it was run by hand",
}
SNIPPETS = {one.name: client for client in CLIENTS for one in client.snippets}
RUN = sorted(set(SNIPPETS) - set(NOT_RUN))
# LangChain stands on an older `openrouter` than the others.
_PACKAGES_OF = {"langchain": "openrouter-0"}
_QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGSMITH_TRACING": "false", "no_proxy": "*"}


@pytest.fixture(scope="module")
def providers() -> Iterator[FleetProcess]:
    with FleetProcess(calm()) as running:
        yield running


@pytest.fixture(scope="module")
def server(providers: FleetProcess) -> Iterator[LiveGateway]:
    with LiveGateway(demo_catalog(), providers.env) as live:
        yield live


class Copied(HTMLParser):
    """What a reader copies from a page, by the name of the snippet."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self._name = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._name = dict(attrs).get("data-snippet") or "" if tag == "code" else self._name

    def handle_endtag(self, tag: str) -> None:
        self._name = "" if tag == "code" else self._name

    def handle_data(self, data: str) -> None:
        if self._name:
            self.texts[self._name] = self.texts.get(self._name, "") + data


def copied(server: LiveGateway, name: str) -> str:
    page = server.get(f"/docs/quickstart/{SNIPPETS[name].name}")
    assert page.status == 200
    text = Copied(page.body.decode()).texts[name]
    assert f"http://127.0.0.1:{server.port}/api" in text
    return text


def command(name: str, text: str, folder: Path, node: str) -> list[str | Path]:
    """Return how a reader runs it, in `folder`."""
    client = SNIPPETS[name]
    if client.language == "shell":
        if shutil.which("curl") is None:
            not_tested("with curl: it is not installed")
        return ["sh", "-eu", _written(folder / "quickstart.sh", text)]
    if client.language == "javascript":
        _link_packages(folder)
        return [node, _written(folder / client.saved_as, text)]
    python = python_with(_PACKAGES_OF.get(client.name, "openrouter-1"))
    return [python, _written(folder / "quickstart.py", text)]


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def _link_packages(folder: Path) -> None:
    """Lay out node_modules as `npm install` would; the lock file has one package by two names."""
    installed = npm_packages() / "node_modules"
    assert installed.parent == PACKAGES
    links = {
        "openai": "openai",
        "ai": "ai",
        "@openrouter/sdk": "openrouter-1",
        "@openrouter/ai-sdk-provider": "@openrouter/ai-sdk-provider",
        "@anthropic-ai/sdk": "@anthropic-ai/sdk",
    }
    for name, package in links.items():
        link = folder / "node_modules" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(installed / package)


@pytest.mark.parametrize("name", RUN)
def test_what_is_copied_runs(
    server: LiveGateway, providers: FleetProcess, tmp_path: Path, node: str, name: str
) -> None:
    text = copied(server, name)
    asked_before = len(providers.log())

    done = subprocess.run(
        command(name, text, tmp_path, node),
        cwd=tmp_path,
        env={**os.environ, **_QUIET, "ASSAY_API_KEY": server.key},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), done.stderr
    assert '"error"' not in done.stdout
    served = providers.log()[asked_before:]
    if name == "curl-preview":
        assert (served, '"candidates"' in done.stdout) == ([], True)
        return
    assert [one["status"] for one in served if one["status"] != 200] == []
    assert len(served) >= 1
    assert any(one["stream"] for one in served) == name.endswith("-stream")


@pytest.mark.parametrize("name", sorted(NOT_RUN))
def test_what_is_not_run_is_at_least_whole(server: LiveGateway, name: str) -> None:
    """It is said to be run by hand in docs; here only its form and its address are looked at."""
    text = copied(server, name)
    client = SNIPPETS[name]

    if client.language == "toml":
        own = tomllib.loads(text)["model_providers"]["assay"]
        assert own["base_url"] == f"http://127.0.0.1:{server.port}/api/v1"
        assert own["env_key"] == "ASSAY_API_KEY"
        return
    program = f"claude() {{ env | grep ^ANTHROPIC; }}\n{text}"
    done = subprocess.run(
        ["sh", "-eu", "-c", program],
        env={"PATH": os.environ["PATH"], "ASSAY_API_KEY": "sk-assay-x"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"ANTHROPIC_BASE_URL=http://127.0.0.1:{server.port}/api\n" in done.stdout
    assert "ANTHROPIC_AUTH_TOKEN=sk-assay-x\n" in done.stdout


def test_a_snippet_is_run_or_says_why_not() -> None:
    assert set(NOT_RUN) < set(SNIPPETS)
    assert all(client_named(client.name) is client for client in CLIENTS)
    assert len(SNIPPETS) == sum(len(client.snippets) for client in CLIENTS)
