import logging
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from django.db import models

from telemetry.judge.rules import Judgement
from telemetry.models import Attempt, Generation
from telemetry.recorder import (
    CEILINGS,
    INTEGER,
    SMALL,
    WIDTHS,
    AttemptFact,
    Fact,
    GenerationFact,
    Recorder,
    VerdictFact,
    fitted,
)
from telemetry.spool import read_frames, segments
from tests.telemetry.spooled import VALID, attempt_fact, generation_fact, make_writer

MODELS: dict[type[Fact], type[models.Model]] = {
    AttemptFact: Attempt,
    GenerationFact: Generation,
    VerdictFact: Attempt,
}
# Filled in by the verdict, numbered by the database, or worked out by ingestion.
NOT_IN_ATTEMPT_FACT = {"id", "stratum", "slot", "scored", *VerdictFact.__struct_fields__} - {
    "generation_id", "ordinal", "verdict_reason"
}  # fmt: skip


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(make_writer(tmp_path))


def recorded(spool: Path) -> list[Any]:
    (path,) = [path for directory in spool.iterdir() for path in segments(directory)]
    frames = read_frames(path, 0, closed=True).frames
    return [msgspec.json.decode(frame.payload, type=Fact) for frame in frames]


def columns(model: type[models.Model]) -> dict[str, Any]:
    """Return the model's columns; a foreign key is what it points to."""
    fields = model._meta.concrete_fields
    return {field.attname: getattr(field, "target_field", field) for field in fields}


@pytest.mark.parametrize(
    ("fact", "left_out"),
    [
        pytest.param(AttemptFact, NOT_IN_ATTEMPT_FACT, id="attempt"),
        pytest.param(GenerationFact, set(), id="generation"),
    ],
)
def test_a_fact_has_exactly_the_columns_of_its_row(fact: type[Fact], left_out: set[str]) -> None:
    fields = {name.replace("cost_pico", "cost") for name in fact.__struct_fields__}
    fields -= {"turn"}  # becomes the stratum

    assert fields == set(columns(MODELS[fact])) - left_out


@pytest.mark.parametrize("fact", get_args(Fact))
def test_widths_and_ceilings_are_those_of_the_columns(fact: type[Fact]) -> None:
    fields = columns(MODELS[fact])
    texts = {name: fields[name].max_length for name in WIDTHS[fact]}
    ceilings = {
        models.PositiveSmallIntegerField: SMALL,
        models.PositiveIntegerField: INTEGER,
        models.BigIntegerField: 2**63 - 1,
    }
    numbers = {name: ceilings[type(fields[name])] for name in CEILINGS[fact] if name in fields}

    assert texts == WIDTHS[fact]
    assert numbers == {n: top for n, top in CEILINGS[fact].items() if not n.endswith("cost_pico")}


@pytest.mark.parametrize("fact", get_args(Fact))
def test_every_text_and_number_is_fitted(fact: type[Fact]) -> None:
    types = {field.name: field.type for field in msgspec.structs.fields(fact)}
    texts = {name for name, kind in types.items() if kind is str}
    numbers = {name for name, kind in types.items() if kind in (int, int | None)}

    assert texts == set(WIDTHS[fact])
    # An endpoint's number comes from the catalogue, not from outside.
    assert numbers - {"endpoint_id"} == set(CEILINGS[fact])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param("curl/8.1 (a b)", "curl/8.1 (a b)", id="plain"),
        pytest.param("é漢字\u3000🙂", "é漢字\u3000🙂", id="other alphabets"),
        pytest.param("a\x00b\nc\x1b[31m\x7f\x85d", "abc[31md", id="control characters"),
        pytest.param("a\ud800b", "ab", id="lone surrogate"),
        pytest.param("x" * 100_000, "x" * 300, id="too long"),
        pytest.param("\x00" * 300 + "x", "", id="too long and unprintable"),
    ],
)
def test_text_is_made_storable(given: str, kept: str) -> None:
    fact = fitted(generation_fact(user_agent=given))

    assert isinstance(fact, GenerationFact)
    assert fact.user_agent == kept
    assert msgspec.json.decode(msgspec.json.encode(fact), type=GenerationFact) == fact


@pytest.mark.parametrize(("given", "kept"), [(-1, 0), (7, 7), (10**30, INTEGER), (None, None)])
def test_numbers_are_clamped(given: int | None, kept: int | None) -> None:
    fact = fitted(attempt_fact(prompt_tokens=given))

    assert isinstance(fact, AttemptFact)
    assert fact.prompt_tokens == kept


def test_a_generation_and_its_last_attempt_are_one_write(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt, generation = attempt_fact(), generation_fact()

    assert recorder.generation(generation, attempt)

    assert recorded(tmp_path) == [attempt, generation]
    assert (recorder.written, recorder.dropped) == (2, 0)


def test_records_what_the_judge_found(recorder: Recorder, tmp_path: Path) -> None:
    judgement = Judgement(
        "schema_mismatch",
        reason="",
        calls=2,
        bad_calls=1,
        errors=(("schema_mismatch", "/city\x00 type"),) * 50,
        duplicate_ids=True,
    )

    assert recorder.verdict("gen-1", 2, judgement)

    (fact,) = recorded(tmp_path)
    assert fact == VerdictFact(
        generation_id="gen-1",
        ordinal=2,
        verdict="schema_mismatch",
        tool_calls=2,
        bad_calls=1,
        call_errors=(("schema_mismatch", "/city type"),) * 32,
        duplicate_ids=True,
    )


def test_a_full_disk_is_counted_not_raised(tmp_path: Path) -> None:
    recorder = Recorder(make_writer(tmp_path, min_free_bytes=1 << 60))

    stored = [
        recorder.attempt(attempt_fact()),
        recorder.generation(generation_fact(), attempt_fact()),
        recorder.verdict("gen-1", 1, VALID),
    ]

    assert stored == [False, False, False]
    assert (recorder.written, recorder.dropped) == (0, 4)


def test_a_fact_of_wrong_types_is_counted_and_logged_without_its_contents(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert not recorder.attempt(attempt_fact(duration_ms="secret"))

    assert recorder.dropped == 1
    assert "TypeError" in caplog.text
    assert "secret" not in caplog.text
