"""The demo in a browser: curators decide on a draft together, and every page can be used.

One demo serves all of it: it takes a minute until its traffic has proven anything.
"""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from routing.one_time_codes import STEP_S, code_at
from tests.browser.demo import EARNED, MODEL, Demo
from tests.browser.visits import PHONE, Visitor
from tests.conftest import DATABASE_URL
from tests.live import eventually

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not Path("/proc/self/environ").exists(), reason="NOT TESTED: `make run` without /proc"
    ),
    pytest.mark.skipif(
        bool(DATABASE_URL), reason="the demo has its own SQLite: tested in the run on SQLite"
    ),
]
# Swagger UI at /docs/api is not ours to mend; /docs/reference says the same without it.
PUBLIC = (
    "/exacto/",
    f"/exacto/{MODEL}",
    f"/exacto/{MODEL}/benchmarks",
    "/exacto/feedback/",
    "/docs/",
    "/docs/quickstart/openai-python",
    "/docs/selection",
    "/docs/reference",
    "/docs/reference/chat",
    "/docs/reference/catalogue",
    "/account/",
    "/admin/login/",
)
Keep = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("demo"))
    with running.up:
        running.wait_for_draft()
        yield running
        assert running.up.stop() == 0


def test_two_curators_decide_and_the_next_request_obeys(
    browser: Browser, demo: Demo, keep: Keep
) -> None:
    first = demo.person(browser, "curator").new_page()
    first.goto(f"{demo.base}/admin/")
    keep(first, "1-home")
    first.get_by_role("link", name=f"{MODEL}:exacto edition 2 is proposed").click()

    _sees_the_evidence(first)
    keep(first, "2-draft")
    _leaves_out(first, "larkspur/fp8", "Its logs are under dispute.")
    left = EARNED - {"larkspur/fp8"}
    assert demo.entries("draft") == left
    keep(first, "3-edited")

    _decide(first, "Approve and publish…", "Measured.")
    _is_told(first, "somebody else must publish it")
    keep(first, "4-refused")
    _decide(first, "Send to a second curator…", "Please look at larkspur.")

    [edition] = demo.editions("in_review")
    second = demo.person(browser, "second").new_page()
    second.goto(f"{demo.base}/admin/routing/allowlist/{edition}/change/")
    _decide(second, "Approve and publish…", "Both looked at it.")
    _is_told(second, "Published")
    keep(second, "5-published")

    eventually(lambda: demo.pool() == left)
    assert {demo.ask() for _ in range(6)} <= {"Cobalt Inference", "Meridian Compute"}

    _roll_back(demo, first, second)
    keep(second, "6-rolled-back")
    eventually(lambda: len(demo.pool()) == 6)


def _sees_the_evidence(page: Page) -> None:
    expect(page.get_by_text("What publishing would do to recorded traffic")).to_be_visible()
    expect(page.get_by_text("out: tool-call error").first).to_be_visible()
    assert page.locator("svg[role=img]").count() >= 18  # three criteria of six endpoints, at least


def _leaves_out(page: Page, tag: str, why: str) -> None:
    """Decide on the endpoint's own page; new evidence in between is shown first, so once more."""
    page.get_by_role("link", name=tag, exact=True).first.click()
    told = page.get_by_text(f"{tag} is not on")
    decide = page.get_by_role("button", name="Decide")
    for _ in range(5):
        page.get_by_label("Not on the list").check()
        page.get_by_label("Why").fill(why)
        page.get_by_label("Look at it again by").fill("2030-01-31")
        decide.click()
        expect(told.or_(decide).first).to_be_visible()
        if told.count():
            return
    raise AssertionError(page.inner_text("body"))


def _decide(page: Page, button: str, why: str) -> None:
    page.get_by_role("link", name=button).click()
    page.get_by_label("Why").fill(why)
    page.get_by_role("button", name=button.rstrip("…")).click()


def _is_told(page: Page, words: str) -> None:
    """Wait for what the admin says of what was just done."""
    expect(page.get_by_text(words).first).to_be_visible()


def _roll_back(demo: Demo, first: Page, second: Page) -> None:
    """Bring the first edition back: asked for by one, published by the other."""
    [before, *_] = demo.editions("retired")
    second.goto(f"{demo.base}/admin/routing/allowlist/{before}/change/")
    _decide(second, "Roll back to this edition…", "Larkspur was right after all.")
    waiting = demo.editions("in_review")
    if waiting:
        first.goto(f"{demo.base}/admin/routing/allowlist/{waiting[0]}/change/")
        _decide(first, "Approve and publish…", "Agreed.")


def test_a_visitor_sends_feedback_on_a_generation_and_follows_its_status(
    browser: Browser, demo: Demo, keep: Keep
) -> None:
    generation = demo.answer()["id"]
    visitor = browser.new_context(java_script_enabled=False).new_page()
    visitor.goto(f"{demo.base}/exacto/feedback/?generation={generation}")
    assert visitor.get_by_label("Generation id").input_value() == generation
    visitor.get_by_label("What happened").fill("It called a tool that I did not offer.")
    time.sleep(3.1)  # nobody writes that faster, so what is sent sooner is refused
    keep(visitor, "1-written")
    visitor.get_by_role("button", name="Send").click()
    status = visitor.url
    keep(visitor, "2-sent")
    assert "/exacto/feedback/" in status
    assert generation in visitor.inner_text("main")

    curator = demo.person(browser, "curator").new_page()
    curator.goto(f"{demo.base}/admin/telemetry/feedback/")
    curator.get_by_role("link", name=re.compile("^#?1$|^Case 1|^1")).first.click()
    eventually(lambda: "verdict" in _reloaded(curator).lower(), 60)
    curator.get_by_label("Status").select_option(label="answered")
    curator.get_by_label("Reply").fill("It is set right now.")
    keep(curator, "3-case")
    curator.get_by_role("button", name="Save", exact=True).click()

    visitor.goto(status)
    keep(visitor, "4-answered")
    assert "It is set right now." in visitor.inner_text("main")


def _reloaded(page: Page) -> str:
    page.reload()
    return page.inner_text("body")


def test_a_provider_reads_its_report_answers_and_meets_a_closed_link(
    browser: Browser, demo: Demo, keep: Keep
) -> None:
    curator = demo.person(browser, "curator").new_page()
    path = _verified_and_linked(curator, demo, "tallow/fp4")
    visitor = Visitor(browser.new_context(color_scheme="dark"), demo.base)
    page = visitor.go(path)
    _opens_what_failed(page)
    visitor.look()
    keep(page, "1-dark")

    _writes_without_script(browser, demo.base + path, keep)

    _sends(page, "It is mended: please test it again", "Mended twice.")
    expect(page.get_by_role("alert")).to_contain_text("A re-test is asked for already")
    assert page.get_by_label("What do you want to say?").input_value() == "Mended twice."
    visitor.look()
    keep(page, "5-refused")

    curator.goto(f"{demo.base}/admin/routing/providerreport/")
    curator.locator("input[name=_selected_action]").first.check()
    curator.get_by_label("Select action to run").select_option("revoke")
    curator.get_by_role("button", name="Run").first.click()
    _is_told(curator, "1 closed.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("This link opens no report.")).to_be_visible()
    visitor.look()
    page.set_viewport_size(PHONE)
    keep(page, "6-closed")

    assert not visitor.faults, "\n".join(visitor.faults)


def _verified_and_linked(curator: Page, demo: Demo, tag: str) -> str:
    """Let the verifier ask an endpoint, make a link for its provider, and return its path."""
    number = demo.endpoint(tag)
    curator.goto(f"{demo.base}/admin/telemetry/verifierrun/add/?endpoint={number}")
    curator.get_by_role("button", name="Verify").click()
    curator.wait_for_url("**/verifierrun/*/change/")
    eventually(
        lambda: demo.up.rows("SELECT 1 FROM telemetry_verifierrun WHERE state = 'finished'"), 120
    )
    curator.goto(f"{demo.base}/admin/providers/endpoint/{number}/change/")
    curator.get_by_role("link", name="Report for its provider").click()
    curator.get_by_label("Note").fill("To Tallow")
    curator.get_by_role("button", name="Save", exact=True).click()
    return curator.locator("#once").inner_text().removeprefix(demo.base)


def _opens_what_failed(page: Page) -> None:
    for failure in page.locator("summary").all():
        failure.click()
    expect(page.get_by_text("$BASE_URL/chat/completions").first).to_be_visible()


def _writes_without_script(browser: Browser, address: str, keep: Keep) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = context.new_page()
    page.goto(address)
    _opens_what_failed(page)
    keep(page, "2-phone")
    _sends(page, "An answer or a question", "Which <b>region</b>?")
    expect(page.get_by_text("Which <b>region</b>?")).to_be_visible()
    _sends(page, "It is mended: please test it again", "Mended.")
    expect(page.get_by_text("A re-test has been asked for")).to_be_visible()
    keep(page, "3-asked")


def _sends(page: Page, what: str, text: str) -> None:
    page.get_by_label("What is it?").select_option(label=what)
    page.get_by_label("What do you want to say?").fill(text)
    page.get_by_role("button", name="Send").click()


def test_a_person_sets_up_a_second_factor_and_signs_in_with_it(
    browser: Browser, demo: Demo, keep: Keep
) -> None:
    password = demo.manage("add_person", "vera", "--role", "viewer")
    page = browser.new_context().new_page()
    page.goto(f"{demo.base}/admin/")
    _signs_in(page, password)
    page.goto(f"{demo.base}/admin/second-factor/")
    secret = page.locator("#secret").inner_text().replace(" ", "")
    expect(page.get_by_role("img", name="QR picture")).to_be_visible()
    page.get_by_label("Password").fill(password)
    page.get_by_label("Code").fill(code_at(secret, time.time()))
    keep(page, "1-set-up")
    page.get_by_role("button", name="Set up").click()
    _is_told(page, "Your second factor is set up")
    keep(page, "2-is-set-up")

    elsewhere = browser.new_context(java_script_enabled=False).new_page()
    elsewhere.goto(f"{demo.base}/admin/")
    _signs_in(elsewhere, password)
    _is_told(elsewhere, "That is not right")
    keep(elsewhere, "3-without-code")
    time.sleep(1.1)  # after a wrong code none is looked at for a second
    elsewhere.get_by_label("Code").fill(code_at(secret, time.time() + STEP_S))
    _signs_in(elsewhere, password)
    expect(elsewhere).to_have_url(f"{demo.base}/admin/")


def _signs_in(page: Page, password: str) -> None:
    page.get_by_label("Username").fill("vera")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_every_page_can_be_used_by_everybody(browser: Browser, demo: Demo, keep: Keep) -> None:
    visitor = Visitor(demo.person(browser, "operator"), demo.base)
    page = visitor.go("/admin/")
    lists = _links(page, "#nav-sidebar a, nav a")
    assert len(lists) > 15
    for path in [*lists, "/admin/second-factor/"]:
        visitor.go(path)
        keep(page, path.strip("/").replace("/", "-"))
        for one in _one_of(page, path):
            visitor.go(one)

    assert not visitor.faults, "\n".join(visitor.faults)


def test_public_pages_can_be_used_by_everybody(browser: Browser, demo: Demo, keep: Keep) -> None:
    for scheme in ("light", "dark"):
        visitor = Visitor(browser.new_context(color_scheme=scheme), demo.base)
        for path in PUBLIC:
            page = visitor.go(path)
            keep(page, f"{scheme}{path.replace('/', '-')}")
        assert not visitor.faults, "\n".join(visitor.faults)


def test_the_account_pages_can_be_used_by_everybody(
    browser: Browser, demo: Demo, keep: Keep
) -> None:
    key = demo.manage("create_key", "Browsers", "manager", "--management").split()[-1]
    demo.manage("create_key", "Browsers", "laptop")
    visitor = Visitor(browser.new_context(), demo.base)
    page = visitor.go("/account/")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    for path in ("", "keys/", "preferences/", "generations/"):
        page = visitor.go(f"/account/{path}")
        keep(page, f"account-{path.strip('/') or 'overview'}")

    visitor.go("/account/keys/").get_by_role("link", name="laptop").click()
    page.get_by_label("Spending limit").fill("2.5")
    page.get_by_role("button", name="Change the key").click()
    expect(page.get_by_text("$2.50 left")).to_be_visible()
    visitor.look()
    keep(page, "account-key")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()

    assert not visitor.faults, "\n".join(visitor.faults)


def test_the_scoreboard_needs_no_script(browser: Browser, demo: Demo, keep: Keep) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{demo.base}/exacto/")
    page.get_by_role("link", name=MODEL).click()
    text = page.inner_text("main")
    keep(page, "model")

    assert MODEL in text
    assert all(tag in text for tag in EARNED)
    page.get_by_role("link", name="Benchmarks").first.click()
    assert page.url.endswith("/benchmarks")


def test_a_reader_without_a_mouse_skips_to_the_content(browser: Browser, demo: Demo) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{demo.base}/exacto/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def _links(page: Page, where: str) -> list[str]:
    found = page.locator(where).evaluate_all("all => all.map(a => a.getAttribute('href'))")
    return sorted({path for path in found if path and path.startswith("/admin/")})


def _one_of(page: Page, path: str) -> list[str]:
    """Return a list's form for a new row, and the page of its first row."""
    links = _links(page, "#content a, main a")
    rows = [link for link in links if link.endswith(("/change/", "/workplace/"))]
    return [*[link for link in links if link == f"{path}add/"], *rows[:1]]
