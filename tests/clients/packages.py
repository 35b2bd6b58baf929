"""The clients' packages, each line of them in an environment of its own, from lock files.

Owns installing them, once per lock file, however many test processes want them at a time. They
stay in this folder (git ignores them) and out of the product's environment.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.live import REPOSITORY

CLIENTS = Path(__file__).parent


def npm_packages() -> Path:
    """Install package-lock.json; return the folder that has node_modules."""
    npm = shutil.which("npm")
    if npm is None:
        not_tested("with the npm packages: there is no npm")
    # A package's own scripts would call home.
    command = [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    _install(CLIENTS / "package-lock.json", CLIENTS / "node_modules", [command])
    return CLIENTS


def python_with(line: str) -> Path:
    """Install python/{line}.txt; return the Python that has its packages."""
    uv = REPOSITORY / ".tools" / "bin" / "uv"
    if not uv.exists():
        not_tested(f"with the Python packages: there is no {uv}")
    lock = CLIENTS / "python" / f"{line}.txt"
    environment = CLIENTS / ".environments" / line
    python = environment / "bin" / "python"
    make = [str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)]
    fill = [str(uv), "pip", "sync", "--quiet", "--require-hashes", "--python", str(python)]
    _install(lock, environment, [make, [*fill, str(lock)]])
    return python


def _install(lock: Path, folder: Path, commands: Sequence[Sequence[str]]) -> None:
    """Run the commands unless the folder holds already what the lock file says."""
    # Several test processes may come here at once.
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        installed = folder / ".installed"
        wanted = f"{hashlib.sha256(lock.read_bytes()).hexdigest()} {sys.version}"
        if installed.exists() and installed.read_text() == wanted:
            return
        for command in commands:
            if error := _run(command):
                not_tested(f"with {lock.name}: it cannot be installed\n{error}")
        installed.write_text(wanted)


def _run(command: Sequence[str]) -> str:
    """Run a command, again if it fails: package indexes are sometimes away. Return why not."""
    for pause_s in (5, 20, None):
        done = subprocess.run(command, cwd=CLIENTS, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return ""
        if pause_s is not None:
            time.sleep(pause_s)
    return done.stderr


def not_tested(what: str) -> None:
    """Skip, loudly; in CI fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"NOT TESTED {what}")
    pytest.skip(f"NOT TESTED {what}")
