"""One live gateway over calm simulated providers for all clients, and the clients' packages."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.fleet import FleetProcess, adjust, calm, demo_catalog
from tests.live import LiveGateway

CLIENTS = Path(__file__).parent
# Its published list is left out of the catalogue: `:exacto` has nobody to go to.
UNLISTED = "qwen/qwen3-coder"


# So slow that what breaks in mid-stream breaks long after its first word.
SLOW = "z-ai/glm-4.6:exacto"


@pytest.fixture(scope="session")
def gateway() -> Iterator[LiveGateway]:
    providers = calm()
    for provider in ("cobalt", "larkspur", "meridian"):
        adjust(providers, provider, "glm-4.6", tokens_per_second=20)
    with (
        FleetProcess(providers) as fleet,
        LiveGateway(demo_catalog(without_allowlist=UNLISTED), fleet.env) as live,
    ):
        yield live


@pytest.fixture(scope="session")
def base_url(gateway: LiveGateway) -> str:
    return f"http://127.0.0.1:{gateway.port}/api/v1"


@pytest.fixture(scope="session")
def packages(node: str) -> Path:
    """Install the npm packages of package-lock.json, once; return the folder they are in."""
    npm = shutil.which("npm")
    if npm is None:
        not_tested("with the npm packages: there is no npm")
    lock = CLIENTS / "package-lock.json"
    # Several test processes may come here at once.
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        installed = CLIENTS / "node_modules" / ".installed"
        wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
        if not installed.exists() or installed.read_text() != wanted:
            # A package's own scripts would call home.
            command = [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=CLIENTS, capture_output=True, text=True, check=False)
            if done.returncode:
                not_tested(f"with the npm packages: they cannot be installed\n{done.stderr}")
            installed.write_text(wanted)
    return CLIENTS


def not_tested(what: str) -> None:
    """Skip, loudly; in CI fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"NOT TESTED {what}")
    pytest.skip(f"NOT TESTED {what}")
