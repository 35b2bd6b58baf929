"""The whole demo as one newcomer and two curators meet it: `make run`, with a draft to decide."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext

from tests.conftest import REPOSITORY
from tests.live import eventually
from tests.test_real_run import Up, environment

MODEL = "deepseek/deepseek-v3.1-terminus"
EARNED = {"cobalt/fp8", "larkspur/fp8", "meridian/bf16"}
_SECOND, _PASSWORD = "second", "a-password-for-tests-only"
_MAKE_SECOND = f"""
from django.contrib.auth.models import Group, User
user = User.objects.create_user({_SECOND!r}, password={_PASSWORD!r}, is_staff=True)
user.groups.set(User.objects.get(username="curator").groups.all())
"""


class Demo:
    """A running demo that wants a second person, and who signs in to it."""

    def __init__(self, home: Path) -> None:
        self.up = Up(home, DEMO_TRAFFIC=10, SCORE_EVERY_S=5, SECOND_PERSON=1)
        self._home = home

    def wait_for_draft(self) -> None:
        self.up.wait_up()
        subprocess.run(
            [sys.executable, "manage.py", "shell", "-c", _MAKE_SECOND],
            cwd=REPOSITORY, env=environment(self._home), check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        eventually(lambda: self.entries("draft") == EARNED, within_s=180)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.up.port}"

    def editions(self, status: str) -> list[int]:
        """Return the ids of the demo model's editions in this status."""
        found = self.up.rows(
            "SELECT list.id FROM routing_allowlist list JOIN providers_model m "
            "ON m.id = list.model_id WHERE m.slug = ? AND list.status = ? ORDER BY list.id",
            MODEL,
            status,
        )
        return [number for (number,) in found]

    def entries(self, status: str) -> set[str]:
        """Return the tags on the demo model's editions in this status."""
        found = self.up.rows(
            "SELECT e.tag FROM routing_allowlistentry entry "
            "JOIN routing_allowlist list ON list.id = entry.allowlist_id "
            "JOIN providers_endpoint e ON e.id = entry.endpoint_id "
            "JOIN providers_model m ON m.id = list.model_id WHERE m.slug = ? AND list.status = ?",
            MODEL,
            status,
        )
        return {tag for (tag,) in found}

    def pool(self) -> set[str]:
        """Return the tags that the next request may be served by, as the API itself says."""
        answer = httpx.post(
            f"{self.base}/api/v1/route/preview",
            headers={"Authorization": f"Bearer {self.up.shown('Key')}"},
            json={"model": f"{MODEL}:exacto", "messages": [{"role": "user", "content": "Hi"}]},
        )
        assert answer.status_code == 200, answer.text
        return {one["endpoint"] for one in answer.json()["data"]["candidates"]}

    def endpoint(self, tag: str) -> int:
        """Return the id of one of the demo model's endpoints."""
        [(number,)] = self.up.rows(
            "SELECT e.id FROM providers_endpoint e JOIN providers_model m ON m.id = e.model_id "
            "WHERE m.slug = ? AND e.tag = ?",
            MODEL,
            tag,
        )
        return int(number)

    def ask(self) -> str:
        """Ask the model and return the name of the provider that answered."""
        return str(self.answer()["provider"])

    def answer(self) -> dict[str, Any]:
        """Ask the model and return what it answered."""
        answer = httpx.post(
            f"{self.base}/api/v1/chat/completions",
            headers={"Authorization": f"Bearer {self.up.shown('Key')}"},
            json={"model": f"{MODEL}:exacto", "messages": [{"role": "user", "content": "Hi"}]},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def manage(self, *command: str) -> str:
        """Run a command as an operator of a real Assay does, and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=REPOSITORY, env=environment(self._home), check=True, stdout=subprocess.PIPE,
        )  # fmt: skip
        return done.stdout.decode().strip()

    def person(self, browser: Browser, name: str) -> BrowserContext:
        """Sign in as the demo's curator or operator, or as a second curator."""
        password = _PASSWORD if name == _SECOND else self.up.shown(name.title()).split(" / ")[1]
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{self.base}/admin/login/?next=/admin/")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{self.base}/admin/")
        page.close()
        return context
