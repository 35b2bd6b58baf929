"""The request of OpenRouter's Exacto page runs as it is written there, but for the address."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.live import LiveGateway


@pytest.mark.parametrize("major", ["0", "1"])
def test_the_example_of_the_exacto_page_runs(
    node: str, packages: Path, gateway: LiveGateway, base_url: str, major: str
) -> None:
    done = subprocess.run(
        [node, packages / "drivers" / f"exacto_{major}.mjs"],
        env={**os.environ, "OPENROUTER_API_KEY": gateway.key, "OPENROUTER_BASE_URL": base_url},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("A test of metal.\n", "")
