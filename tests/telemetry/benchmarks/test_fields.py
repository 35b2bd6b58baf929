"""JSON from strangers: bounded, and every fault with its place."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from telemetry.benchmarks import fields
from telemetry.benchmarks.errors import Unreadable
from telemetry.benchmarks.fields import Field, clean, digest, parse, parse_lines

DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(DEEP, "nested too deep", id="deep"),
        pytest.param(b'{"a": ' * 5_000, "nested too deep|not JSON", id="deep and cut"),
        pytest.param(b"1" * 1_000_000, "more than 30 digits", id="a huge number"),
        pytest.param(b'{"a": 1', "not JSON at line 1 column 8", id="cut"),
        pytest.param(b"\xff{}", "not UTF-8 at byte 0", id="no text"),
        pytest.param(b"", "not JSON at line 1 column 1", id="empty"),
    ],
)
def test_what_is_no_safe_json_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(Unreadable, match=problem):
        parse(content, "a.json")


def test_values_are_counted_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "MAX_VALUES", 10)

    with pytest.raises(Unreadable, match="more than 10 values"):
        parse(b"[[],[],[],[],[],[]]", "a.json")
    with pytest.raises(Unreadable, match="more than 10 values"):
        list(parse_lines(b"[1,2]\n" * 6, "a.jsonl"))


ROOT = parse(
    b'{"n": 1, "f": 0.5, "big": 1e999, "nan": NaN, "t": "x", "yes": true, "no": null,'
    b' "list": [{"n": "x"}], "minus": -1, "date": "2026-11-01T10:00:00Z"}',
    "a.json",
)


@pytest.mark.parametrize(
    ("look", "told"),
    [
        (lambda: ROOT.get("t").number(), "a.json: t: expected a number, found text"),
        (lambda: ROOT.get("yes").number(), "yes: expected a number, found true or false"),
        (lambda: ROOT.get("big").number(), "big: the number is not finite"),
        (lambda: ROOT.get("nan").number(), "nan: the number is not finite"),
        (lambda: ROOT.get("f").count(), "f: expected a whole number"),
        (lambda: ROOT.get("minus").count(), "minus: expected a number from 0"),
        (lambda: ROOT.get("yes").count(), "yes: expected a whole number"),
        (lambda: ROOT.get("n").text(), "n: expected text, found a number"),
        (lambda: ROOT.get("n").truth(), "n: expected true, false or null"),
        (lambda: ROOT.get("none").name(), r"none: expected text that is not empty"),
        (lambda: ROOT.get("t").get("a"), "t: expected an object, found text"),
        (lambda: list(ROOT.get("t").items()), "t: expected an array, found text"),
        (lambda: ROOT.get("t").moment(), "t: expected a date and time"),
        (lambda: next(ROOT.get("list").items()).get("n").number(), r"list\[0\].n: expected a num"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(look: Any, told: str) -> None:
    with pytest.raises(Unreadable, match=told):
        look()


def test_what_is_missing_is_empty_where_that_is_allowed() -> None:
    assert ROOT.get("none").text() == ""
    assert list(ROOT.get("none").items()) == []
    assert ROOT.dig("t", "a", "b").value is None
    assert ROOT.get("no").truth() is None


def test_times_are_utc() -> None:
    ten = datetime(2026, 11, 1, 10, tzinfo=UTC)

    assert ROOT.get("date").moment() == ten
    assert Field("2026-11-01T10:00:00", "a").moment() == ten
    assert Field("2026-11-01T12:00:00+02:00", "a").moment() == ten
    with pytest.raises(Unreadable, match="out of range"):
        Field("0001-01-01T00:00:00+14:00", "a").moment()


def test_lines_are_numbered_and_empty_ones_skipped() -> None:
    rows = list(parse_lines(b'\xef\xbb\xbf{"a":1}\n\n{"a":2}\n', "a.jsonl"))
    assert [(row.path, row.get("a").count()) for row in rows] == [("line 1", 1), ("line 3", 2)]

    with pytest.raises(Unreadable, match=r"a.jsonl: line 2: not JSON"):
        list(parse_lines(b"{}\n{\n", "a.jsonl"))


def test_text_is_fit_to_be_stored() -> None:
    assert clean("a\x00\ud800b\n" + "c" * 50, 10) == "a  b ccccc…"[:9] + "…"
    assert Field(json.loads('"\\ud800"'), "a").text() == ""


def test_a_digest_knows_no_order_of_members() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest([1, 2]) != digest([2, 1])
