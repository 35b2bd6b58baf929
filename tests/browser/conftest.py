"""Debian's Chromium, driven by Playwright, and what pages look like kept as files.

No browser is ever downloaded. Screenshots go to BROWSER_ARTEFACTS, or .test-artefacts in the
checkout; the last lines of a run say where they are.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import REPOSITORY

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARTEFACTS = Path(os.environ.get("BROWSER_ARTEFACTS", REPOSITORY / ".test-artefacts"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a browser to the tests of one file.

    Not longer: Playwright's event loop seems to run as long as it is open, and then Django refuses
    every other test of this process its database.
    """
    if CHROMIUM is None:
        message = "NOT TESTED in a browser: Chromium is not installed (apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not start as root, as CI runs it.
        running = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield running
        running.close()


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Return what keeps a screenshot of a page, under the test's name and a word."""
    folder = ARTEFACTS / request.node.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def screenshot(page: Page, word: str) -> None:
        page.screenshot(path=folder / f"{word}.png", full_page=True)

    return screenshot
