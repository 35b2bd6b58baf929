"""A provider's report from end to end: it shows what the verifier saw, and each of it can be seen
again; the provider says that it is mended, is tested once more, and reads what came of it.

All processes are real: simulated providers, the gateway, the verifier, a worker. Curators and
providers do by HTTP what a browser does.
"""

import csv
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from html import unescape
from io import StringIO
from typing import Any

import httpx
import pytest
from jsonschema_rs import validator_for

from telemetry.verifier.request_set import OWN
from tests.clients.fleet import FleetProcess, adjust, calm, demo_catalog
from tests.live import LiveGateway, eventually
from tests.test_real_verifier import HOLD_S, worker

MODEL, UPSTREAM, TAG = "moonshotai/kimi-k2-0905", "kimi-k2-0905", "larkspur/fp8"
# Told to a caller's tool and prompt: a report is about requests of Assay's own.
MARKER = "confidential-zebra-4711"
FAULTS = {
    "invalid_json": 0.25,
    "unknown_name": 0.2,
    "schema_mismatch": 0.2,
    "leaked_tool_text": 0.15,
    "http_503": 0.1,
}
TRIES = 150  # a fault of one in ten is missed by all of them once in seven million times


@pytest.fixture
def home() -> Iterator[LiveGateway]:
    fleet = calm(tokens_per_second=0)
    adjust(fleet, "larkspur", UPSTREAM, faults=FAULTS)
    with FleetProcess(fleet) as faulty:
        # A busy machine must not make the judge late.
        env = {**faulty.env, "VERIFY_LANES": "8", "JUDGE_S": "5", "VERIFY_HOLD_S": str(HOLD_S)}
        with LiveGateway(demo_catalog(), env) as gateway:
            yield gateway


@pytest.mark.timeout(600)  # it starts Python ten times
def test_what_a_report_shows_can_be_seen_again_and_a_retest_shows_that_it_is_mended(
    home: LiveGateway,
) -> None:
    _is_used(home)
    home.manage("verify", MODEL, "--endpoint", TAG)
    home.ingest()
    [known] = home.rows(
        "SELECT count(*) AS n FROM telemetry_attempt"
        " WHERE NOT benchmark AND CAST(call_errors AS text) LIKE %s",
        f"%{MARKER}%",
    )
    assert known["n"]
    with httpx.Client(base_url=_base(home)) as carl, httpx.Client(base_url=_base(home)) as provider:
        _sign_in(carl, home)
        _reads_and_is_tested_again(home, carl, provider)


def _reads_and_is_tested_again(
    home: LiveGateway, carl: httpx.Client, provider: httpx.Client
) -> None:
    link = _link_of(carl, home)
    page = provider.get(link).text
    lines = list(csv.DictReader(StringIO(provider.get(f"{link}report.csv").text)))

    shown = _reproductions(page)
    assert set(shown) == set(SEEN)
    asked = [json.loads(line) for line in OWN.read_text().splitlines()]
    for words, script in shown.items():
        _is_one_of(asked, _body(script))
        _fails_again(home.env["UPSTREAM_URL_SIMULATOR"], words, script)
    filed = {row["name"]: row for row in lines if row["section"] == "verifier failures"}
    assert {words: json.loads(filed[words]["request"]) for words in filed} == {
        words: _body(script) for words, script in shown.items()
    }

    _write(provider, link, "answer", "Since when?")
    _write(provider, link, "retest", "Mended in release 7.")
    assert "A re-test has been asked for" in provider.get(link).text
    with FleetProcess(calm(tokens_per_second=0)) as mended:
        _is_tested_again(home, carl, mended)

    after = provider.get(link).text
    assert "None failed." in after
    assert "Verified again: it is mended." in after
    assert "A re-test has been asked for" not in after
    for told in (page, after, *map(str, lines)):
        assert MARKER not in told
    _is_kept_nowhere(home, provider, link)


def _is_used(home: LiveGateway) -> None:
    """Let a caller meet the faults, with words of its own in all that it sends."""
    city = {"type": "object", "properties": {MARKER: {"type": "string"}}, "required": [MARKER]}
    tool = {"type": "function", "function": {"name": MARKER, "parameters": city}}
    for _ in range(60):
        home.chat({
            "model": MODEL,
            "messages": [{"role": "user", "content": MARKER}],
            "tools": [tool],
            "provider": {"only": ["larkspur"]},
        })  # fmt: skip


def _base(home: LiveGateway) -> str:
    return f"http://127.0.0.1:{home.port}"


def _sign_in(carl: httpx.Client, home: LiveGateway) -> None:
    password = home.manage("add_person", "carl", "--role", "curator").split()[-1]
    signed_in = _post(carl, "/admin/login/?next=/admin/", username="carl", password=password)
    assert signed_in.status_code == 302


def _post(client: httpx.Client, path: str, **fields: Any) -> httpx.Response:
    """Send the form of a page, as its reader would."""
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get(path).text)
    assert found
    return client.post(path, data={"csrfmiddlewaretoken": found[1], **fields})


def _link_of(carl: httpx.Client, home: LiveGateway) -> str:
    """Make a link as a curator does, from the endpoint's page."""
    [row] = home.rows(
        "SELECT e.id FROM providers_endpoint e JOIN providers_model m ON m.id = e.model_id"
        " WHERE m.slug = %s AND e.tag = %s",
        MODEL,
        TAG,
    )
    page = carl.get(f"/admin/providers/endpoint/{row['id']}/change/").text
    found = re.search(r'href="(/admin/routing/providerreport/add/[^"]*)"', page)
    assert found
    made = _post(carl, unescape(found[1]), endpoint=row["id"], note="To Larkspur", days="14").text
    link = re.search(r"/exacto/report/[^<\s]+/", made)
    assert link
    return link[0]


def _reproductions(page: str) -> dict[str, str]:
    """Return what is shown for a shell, by the words for what is wrong."""
    found = re.findall(
        r"<summary>.*?</code>: (.*?)</summary>\s*<pre[^>]*><code>(.*?)</code>", page, re.S
    )
    return {unescape(words): unescape(script) for words, script in found}


def _body(script: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(script.split("<<'JSON'\n")[1].split("\nJSON")[0])
    return body


def _is_one_of(asked: list[dict[str, Any]], body: dict[str, Any]) -> None:
    """Assert that nothing but the set's own request, the model's name and the mode is in it."""
    plain = {name: value for name, value in body.items() if name not in ("model", "stream")}
    assert body["model"] == UPSTREAM
    assert plain in [{k: v for k, v in one.items() if k != "expect"} for one in asked]


def _fails_again(url: str, words: str, script: str) -> None:
    """Run it as its reader does, until it shows what it is said to show."""
    env = {"BASE_URL": f"{url}/larkspur/v1", "API_KEY": "k", "PATH": "/usr/bin:/bin"}
    for _ in range(TRIES):
        done = subprocess.run(
            ["sh", "-eu", "-c", script],
            env=env,
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        if SEEN[words](_body(script), done.stdout):
            return
    raise AssertionError(f"{words}: not once in {TRIES} times; the last was {done.stdout}")


def _reply(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the text of an answer, whole or streamed, and its calls' names and arguments."""
    events = [
        line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")
    ]
    said = ""
    calls: dict[int, list[str]] = {}
    for event in [one for one in events if one != "[DONE]"] or [text]:
        for choice in json.loads(event).get("choices", []):
            part = choice.get("delta") or choice.get("message") or {}
            said += part.get("content") or ""
            for at, call in enumerate(part.get("tool_calls") or []):
                one = calls.setdefault(call.get("index", at), ["", ""])
                one[0] += call["function"].get("name") or ""
                one[1] += call["function"].get("arguments") or ""
    return said, [(name, arguments) for name, arguments in calls.values()]


def _schemas(body: dict[str, Any]) -> dict[str, Any]:
    return {one["function"]["name"]: one["function"]["parameters"] for one in body["tools"]}


def _broken_json(body: dict[str, Any], answer: str) -> bool:
    return any(_parsed(arguments) is None for _, arguments in _reply(answer)[1])


def _unknown_name(body: dict[str, Any], answer: str) -> bool:
    return any(name not in _schemas(body) for name, _ in _reply(answer)[1])


def _mismatch(body: dict[str, Any], answer: str) -> bool:
    known = [(_schemas(body).get(name), _parsed(told)) for name, told in _reply(answer)[1]]
    return any(
        schema is not None and told is not None and not validator_for(schema).is_valid(told)
        for schema, told in known
    )


def _as_text(body: dict[str, Any], answer: str) -> bool:
    said, calls = _reply(answer)
    return not calls and any(name in said for name in _schemas(body))


def _no_answer(body: dict[str, Any], answer: str) -> bool:
    return answer.startswith("{") and "choices" not in json.loads(answer)


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return None


# What a report says is wrong, and whether an answer shows it.
SEEN: dict[str, Callable[[dict[str, Any], str], bool]] = {
    "reply with broken JSON": _broken_json,
    "unknown tool name": _unknown_name,
    "schema mismatch": _mismatch,
    "call written as text": _as_text,
    "server error": _no_answer,
}


def _write(provider: httpx.Client, link: str, kind: str, text: str) -> None:
    assert _post(provider, link, kind=kind, text=text).status_code == 303


def _is_tested_again(home: LiveGateway, carl: httpx.Client, mended: FleetProcess) -> None:
    """Order the re-test as the curator is led to, let the worker do it, and answer."""
    assert "asks for a re-test" in carl.get("/admin/").text
    [row] = home.rows("SELECT id, endpoint_id FROM routing_providermessage WHERE kind = 'retest'")
    message = f"/admin/routing/providermessage/{row['id']}/change/"
    found = re.search(r'href="([^"]*verifierrun/add/[^"]*)"', carl.get(message).text)
    assert found
    _post(carl, unescape(found[1]), endpoints=row["endpoint_id"], cause="fix")
    assert _runs(home) == [("finished", "person"), ("open", "fix")]

    home.env["UPSTREAM_URL_SIMULATOR"] = mended.url
    with worker(home):
        eventually(lambda: _runs(home) == [("finished", "person"), ("finished", "fix")], 90)
    _post(carl, message, reply="Verified again: it is mended.", settled="on")


def _runs(home: LiveGateway) -> list[tuple[str, str]]:
    rows = home.rows("SELECT state, cause FROM telemetry_verifierrun ORDER BY id")
    return [(row["state"], row["cause"]) for row in rows]


def _is_kept_nowhere(home: LiveGateway, provider: httpx.Client, link: str) -> None:
    """Assert that no file, log line or row has the link, however wrongly it was used."""
    secret = link.split("/")[3]
    wrong = [
        _post(provider, link, kind="x", text="x"),
        provider.post(link, data={"kind": "answer", "text": "No token."}),
        provider.get(f"{link}report.cvs"),
        provider.get(f"{link}more/"),
        provider.put(link),
        provider.get(link.replace(secret, secret[:-1])),
    ]
    assert [answer.status_code for answer in wrong] == [400, 403, 404, 404, 403, 404]
    home.stop()
    assert secret[:-1].encode() not in home.everything_stored()
