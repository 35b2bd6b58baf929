"""What a web process must not load: it would pay for it in every process, in memory."""

import os
import subprocess
import sys

import pytest

_LOADED = "import sys, routing.asgi, routing.urls; print(*sys.modules, sep='\\n')"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    home = {"ASSAY_HOME": str(tmp_path_factory.mktemp("home"))}
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "routing.settings", **home}
    command = [sys.executable, "-c", _LOADED]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_it_loads_the_admin_and_the_api(loaded: set[str]) -> None:
    assert {"routing.admin.allowlists", "routing.api.chat"} <= loaded


@pytest.mark.parametrize(
    "library", ["numpy", "scipy", "aiohttp", "drf_spectacular", "routing.document"]
)
def test_it_loads_nothing_that_only_others_need(loaded: set[str], library: str) -> None:
    assert library not in loaded
