"""The rules on real answers: two vendors' recorded replies with labels, and recorded streams."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from providers.chat import Reply, ReplyAssembler, loads, reply_of_body
from providers.errors import ProviderError
from providers.sse import EventDecoder
from telemetry.judge.rules import Judgement, judge
from telemetry.judge.validators import ValidatorCache
from tests.telemetry.judge.exchanges import exchange_of

BUCKETS = {
    "ok": "valid",
    "ok_caller_schema_invalid": "valid",
    "InvalidJson": "invalid_json",
    "UnknownName": "unknown_name",
    "SchemaMismatch": "schema_mismatch",
}


def answers(folder: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each label with the recorded request and response it is about."""
    rows = {}
    for path in folder.glob("results-*.jsonl.gz"):
        vendor = path.name.removeprefix("results-").removesuffix(".jsonl.gz")
        with gzip.open(path) as lines:
            rows.update({(vendor, row["data_index"]): row for row in map(orjson.loads, lines)})
    for line in (folder / "labels.jsonl").read_text().splitlines():
        label = json.loads(line)
        if row := rows.get((label["vendor"], label["data_index"])):
            yield label, row


def judged(row: dict[str, Any], cache: ValidatorCache, lenient: bool) -> Judgement | None:
    try:
        reply = reply_of_body(row["response"])
    except ProviderError:
        return None
    return judge(exchange_of(row["request"], reply), cache, lenient=lenient)


@pytest.mark.parametrize(
    ("lenient", "of_request", "of_calls"),
    [
        pytest.param(False, "expected_strict", "strict_buckets", id="strict"),
        pytest.param(True, "expected_lenient", "lenient_empty_args_buckets", id="lenient"),
    ],
)
def test_every_label_of_the_recorded_answers_is_matched(
    shared_data: Path, lenient: bool, of_request: str, of_calls: str
) -> None:
    cache = ValidatorCache()
    compared = 0
    for label, row in answers(shared_data / "llm-vendor-verifier"):
        judgement = judged(row, cache, lenient)
        if of_request not in label:
            assert judgement is None or judgement.verdict == "no_tool_calls", label
            continue
        assert judgement is not None
        assert (judgement.verdict == "valid") == (label[of_request] == "ok"), label
        assert judgement.verdict in [BUCKETS[bucket] for bucket in label[of_calls]], label
        assert judgement.calls == label["n_calls"]
        compared += 1

    assert compared == 884


def test_asserting_formats_counts_one_more(shared_data: Path) -> None:
    cache = ValidatorCache(formats=True)
    bad = {}
    for label, row in answers(shared_data / "llm-vendor-verifier"):
        judgement = judged(row, cache, lenient=False)
        if judgement and judgement.bad_calls:
            bad[label["data_index"]] = judgement.errors

    assert bad == {
        13: (("invalid_json", "empty"),),
        44: (("invalid_json", "empty"),),
        365: (("invalid_json", "empty"),),
        176: (("schema_mismatch", "/dimensions/radius required"),),
        333: (("schema_mismatch", "/image_url format"),),
    }


def test_no_recorded_answer_trips_a_sign(shared_data: Path) -> None:
    for label, row in answers(shared_data / "llm-vendor-verifier"):
        if judgement := judged(row, ValidatorCache(), lenient=True):
            assert not _signs(judgement), label


def _signs(judgement: Judgement) -> list[str]:
    names = "leaked_tool_text tool_choice_violated truncated_arguments empty_reply duplicate_ids"
    return [name for name in names.split() if getattr(judgement, name)]


def test_every_tool_call_of_the_recorded_exchanges_is_valid(shared_data: Path) -> None:
    cache = ValidatorCache()
    calls = 0
    for path in sorted((shared_data / "cassettes").glob("*/*/*.yaml")):
        for interaction in yaml.load(path.read_text(), yaml.CSafeLoader)["interactions"]:
            request = orjson.loads(interaction["request"]["body"])
            reply = _reply(interaction["response"]["body"].encode(), bool(request.get("stream")))

            judgement = judge(exchange_of(request, reply), cache, lenient=False)

            assert judgement.verdict == ("valid" if reply.tool_calls else "no_tool_calls"), path
            assert not _signs(judgement), path
            calls += judgement.calls

    assert calls == 71


def _reply(body: bytes, streamed: bool) -> Reply:
    if not streamed:
        return reply_of_body(orjson.loads(body))
    decoder, assembler = EventDecoder(), ReplyAssembler()
    for event in [*decoder.feed(body), *decoder.finish()]:
        if event.data and event.data != b"[DONE]":
            assembler.add(loads(event.data))
    return assembler.finish()
