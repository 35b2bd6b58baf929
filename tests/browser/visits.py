"""One visit of a page: it answers, its console stays silent, and axe finds no serious fault.

Owns what counts as a fault of a page. It knows no page.
"""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, ViewportSize
from playwright.sync_api import TimeoutError as TooLate

# WCAG 2.2 A and AA, and what axe's authors call best practice is left to taste.
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
_GRAVE = ("serious", "critical")
_FITS = "width => document.documentElement.scrollWidth <= width"
_WIDEST = """width => [...document.querySelectorAll("body *")]
  .filter(one => one.getBoundingClientRect().right > width)
  .map(one => one.outerHTML.slice(0, 160)).slice(-2)"""
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}


class Visitor:
    """Goes from page to page and notes every fault, with its page."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.page = context.new_page()
        self.faults: list[str] = []
        self._base = base
        self._axe = Axe()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self._fault(f"script: {error}"))

    def go(self, path: str) -> Page:
        """Open a page and look at it."""
        self.page.set_viewport_size(DESKTOP)
        answer = self.page.goto(self._base + path)
        if answer is None or answer.status != 200:
            self._fault(f"answers {answer.status if answer else 'nothing'}")
            return self.page
        self.look()
        return self.page

    def look(self) -> None:
        """Note what axe finds on the page as it is now, and whether it fits a phone."""
        found = self._axe.run(self.page, options=_RULES).response["violations"]
        for violation in found:
            if violation["impact"] in _GRAVE:
                where = "; ".join(node["html"][:160] for node in violation["nodes"][:3])
                self._fault(f"{violation['id']} ({violation['impact']}): {where}")
        self.page.set_viewport_size(PHONE)
        self._look_at_width()
        self.page.set_viewport_size(DESKTOP)

    def _look_at_width(self) -> None:
        try:  # the theme's side bar takes a moment to go
            self.page.wait_for_function(_FITS, arg=PHONE["width"], timeout=5_000)
        except TooLate:
            wide = self.page.evaluate(_WIDEST, PHONE["width"])
            self._fault(f"does not fit a phone of {PHONE['width']} px: {wide}")

    def _said(self, message: ConsoleMessage) -> None:
        # Whether the page itself should refuse what was sent is for the test to say.
        refuses = message.location["url"] == self.page.url and "status of 4" in message.text
        if message.type == "error" and not refuses:
            self._fault(f"console: {message.text}")

    def _fault(self, text: str) -> None:
        self.faults.append(f"{self.page.url.removeprefix(self._base)} {text}")
