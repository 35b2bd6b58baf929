"""Recognising files by what is in them; and whatever they are, only the reader's own errors."""

import contextlib
import json
import math
import zipfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.benchmarks.bundle import open_bundle
from telemetry.benchmarks.errors import ResultError, Unreadable
from telemetry.benchmarks.formats import read
from telemetry.benchmarks.reading import Reading
from tests.telemetry.benchmarks.made_up import (
    archive_of,
    bfcl_answer,
    bfcl_failure,
    bfcl_score,
    broken,
    failed_row,
    harness,
    harness_sample,
    inspect_log,
    jsonl,
    kvv_report,
    probe,
    refused,
    reply,
    row,
    sample,
    simulation,
    tau2_run,
    zipped,
)

LOG = inspect_log(
    sample("a", "C", reply({"id": "1", "function": "f"}), refused("1", "Tool f not found")),
    sample("b", "I"),
    accuracy=0.5,
)
TAU2 = tau2_run(simulation("0", 0), broken("0", 1, "TypeError", "a/agent/b.py:f"), trials=2)
BAD_PROBE = probe("failed", "arguments validation failed")
SCORES = [harness_sample("a", "C"), harness_sample("b", "I")]
WHOLE: dict[str, Any] = {
    "inspect log": LOG,
    "tau2 results": TAU2,
    "Kimi Vendor Verifier report": kvv_report(probe(), BAD_PROBE),
    "OpenRouter benchmark-harness": harness(0.5, *SCORES),
}
FAILURE = bfcl_failure("simple_0", "type_error", [{"f": "{}"}], "simple")
FILES: dict[str, bytes] = {
    **{name: json.dumps(value).encode() for name, value in WHOLE.items()},
    "K2 Vendor Verifier": jsonl([row(1), row(2, False), failed_row(3)]),
    "BFCL scores": bfcl_score(3, FAILURE),
}
MAX_COLUMN = 2**31 - 1
ARCHIVES = {
    "deflate": archive_of(LOG),
    "stored": archive_of(LOG, zipfile.ZIP_STORED),
    "bfcl": zipped(
        {
            "score/falcon-1-FC/BFCL_v4_simple_score.json": bfcl_score(1, FAILURE),
            "result/falcon-1-FC/BFCL_v4_simple_result.json": jsonl(
                [bfcl_answer("simple_0", [{"f": "{}"}])]
            ),
        }
    ),
}


@pytest.mark.parametrize("format", FILES)
def test_names_mean_nothing(format: str) -> None:
    for name in ("results.json", "x.eval", "a.csv", "no extension"):
        assert read(open_bundle([(name, FILES[format])])).format == format


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_too(name: str) -> None:
    assert read(open_bundle([("some.json", ARCHIVES[name])])).replies


def test_whole_files_may_be_pretty_or_stand_on_one_line() -> None:
    for format, value in WHOLE.items():
        pretty = json.dumps(value, indent=2).encode()
        assert read(open_bundle([("a", b"\xef\xbb\xbf\n" + pretty)])).format == format


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([("a.txt", b"hello")], r"a\.txt: the file: not JSON at line 1 column 1\. .*Read are: "),
        ([("a.json", b"{}")], r"a\.json: line 1: not the results of a known tool\. Read are: "),
        ([("a.json", b"[]")], "not the results of a known tool"),
        ([("a.json", b"3")], "not the results of a known tool"),
        ([("a.csv", b"Rank,Model\n")], "no results of a known tool"),
        ([("t", FILES["tau2 results"]), ("k", FILES["K2 Vendor Verifier"])], "more than one run"),
        ([("t", FILES["tau2 results"]), ("i", FILES["inspect log"])], "files that are not one run"),
        ([("t", FILES["tau2 results"]), ("u", FILES["tau2 results"])], "2 tau2"),
        ([("t", FILES["tau2 results"][:-9])], r"t: the file: not JSON at line 1 column \d+"),
    ],
)
def test_what_is_no_run_is_refused_with_what_is_read(
    given: list[tuple[str, bytes]], told: str
) -> None:
    with pytest.raises(Unreadable, match=told):
        read(open_bundle(given))


def test_a_metric_is_given_once_and_counts_that_contradict_are_refused() -> None:
    log = json.loads(json.dumps(LOG))
    metrics = {"tool_call_error_rate": {"value": 0.25}}
    log["results"]["scores"][0]["metrics"] = metrics

    reading = read(open_bundle([("log.json", json.dumps(log).encode())]))
    check_figures(reading)
    assert [figure.value for figure in reading.figures] == [0.25, 0.5]  # and one kind of failure

    strange = [{**row(number), "status": "failed"} for number in (1, 2)]
    with pytest.raises(Unreadable, match="the counts contradict each other"):
        read(open_bundle([("r.jsonl", jsonl([*strange, row(3, None)]))]))


def survives(content: bytes) -> None:
    """Read it; anything but the reader's own error, or what no column holds, fails the test."""
    with contextlib.suppress(ResultError):
        reading = read(open_bundle([("file", content)]))
        assert 0 <= reading.failures <= reading.tool_calls <= reading.replies <= MAX_COLUMN
        assert reading.replies > 0
        check_texts(reading)
        check_figures(reading)


def check_texts(reading: Reading) -> None:
    texts = {reading.suite: 60, reading.suite_version: 60, reading.judge: 120}
    assert all(len(text) <= limit for text, limit in texts.items())
    assert all(len(text) in (0, 64) for text in (reading.request_set, reading.identity))
    told = "".join([*texts, reading.subject, *reading.excluded, *reading.pinned_to])
    told += "".join([*reading.remarks, *(figure.metric for figure in reading.figures)])
    assert "\x00" not in told
    assert told.encode()  # no half of a surrogate pair


def check_figures(reading: Reading) -> None:
    metrics = [figure.metric for figure in reading.figures]
    assert len(set(metrics)) == len(metrics)
    for figure in reading.figures:
        assert len(figure.metric) <= 60
        assert math.isfinite(figure.value)
        assert figure.sample <= MAX_COLUMN
        if figure.low is not None and figure.high is not None:
            assert 0 <= figure.low <= figure.value + 1e-9 <= figure.high + 2e-9 <= 1 + 3e-9


SLOW = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)  # no timed tests here
anywhere = st.floats(0, 1, exclude_max=True)
byte = st.integers(0, 255)


@SLOW
@given(
    st.sampled_from([*FILES.values(), *ARCHIVES.values()]),
    st.lists(st.tuples(anywhere, byte), min_size=1, max_size=6),
    st.none() | anywhere,
)
def test_changed_and_cut_bytes_raise_nothing_else(
    content: bytes, changes: list[tuple[float, int]], cut: float | None
) -> None:
    changed = bytearray(content)
    for where, value in changes:
        changed[int(where * len(changed))] = value
    survives(bytes(changed[: int(cut * len(changed))] if cut is not None else changed))


@SLOW
@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_else(content: bytes) -> None:
    survives(content)
    survives(b"PK\x03\x04" + content)
    survives(b"\x1f\x8b" + content)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a JSON value."""
    members: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        members = list(value.items() if isinstance(value, dict) else enumerate(value))
    return [path, *(found for key, one in members for found in places(one, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    key, *rest = path
    members = dict(value) if isinstance(value, dict) else list(value)
    members[key] = put(members[key], tuple(rest), new)
    return members


ROWS = {
    name: [json.loads(line) for line in content.splitlines()]
    for name, content in FILES.items()
    if name not in WHOLE
}
SPOTS = [(name, path) for name, value in {**WHOLE, **ROWS}.items() for path in places(value)]


@settings(SLOW, max_examples=600)
@given(st.sampled_from(SPOTS), json_values)
def test_any_value_anywhere_raises_nothing_else(spot: tuple[str, Any], new: Any) -> None:
    name, path = spot
    changed = put({**WHOLE, **ROWS}[name], path, new)
    if name in ROWS and isinstance(changed, list):
        survives(b"\n".join(json.dumps(one).encode() for one in changed))
    else:
        survives(json.dumps(changed).encode())
