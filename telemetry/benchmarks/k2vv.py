"""K2 Vendor Verifier: `results.jsonl`, its `summary.json`, and F1 against a reference's answers.

Owns the verifier's own counts and where they blame the wrong one: a request whose tools have no
usable schema is the caller's fault, a failed request says nothing of tool calls. The rules others
rely on: the last row of a request counts, as retried ones are appended; a summary beside its rows
must agree with them; F1 pairs rows of the same request by `data_index`, and skips those that
failed on either side. Read: the format of September 2025 to November 2026.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from telemetry.benchmarks.bundle import Bundle
from telemetry.benchmarks.errors import NoEvidence, Unreadable
from telemetry.benchmarks.fields import Field, clean, digest, parse, parse_lines
from telemetry.benchmarks.reading import Figure, Reading, call_figures, rate
from telemetry.judge.validators import ValidatorCache

FORMAT = "K2 Vendor Verifier"
SUITE = "k2vv"
_ROW = ("data_index", "status", "finish_reason", "tool_calls_valid")
_COUNTS = (
    "success_count", "failure_count", "finish_stop", "finish_tool_calls", "finish_others",
    "schema_validation_error_count", "successful_tool_call_count",
)  # fmt: skip


def is_row(first: Field) -> bool:
    return first.has(*_ROW)


def is_summary(root: Field) -> bool:
    return root.has(*_COUNTS)


@dataclass(slots=True)
class _Rows:
    """The rows of a results file, counted as the verifier counts them."""

    counts: Counter[str] = field(default_factory=Counter)
    excused: int = 0
    called: dict[int, bool | None] = field(default_factory=dict)  # None: failed
    asked: dict[int, str] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    pins: set[str] = field(default_factory=set)
    last_run_at: datetime | None = None
    repeated: int = 0
    validators: ValidatorCache = field(default_factory=ValidatorCache)

    @classmethod
    def of(cls, rows: Iterable[Field]) -> "_Rows":
        found, last = cls(), {}
        for row in rows:
            if not is_row(row):
                raise row.fault("not a row of results.jsonl", "Import only the verifier's output.")
            index = row.get("data_index").count()
            found.repeated += index in last
            last[index] = row
        for index, row in last.items():
            found.add(index, row)
        return found

    def add(self, index: int, row: Field) -> None:
        finish = row.get("finish_reason").text(limit=40)
        valid = row.get("tool_calls_valid").truth()
        answered = row.get("status").text() == "success"
        self.counts["success_count" if answered else "failure_count"] += 1
        if finish:
            self.counts[_FINISHES.get(finish, "finish_others")] += 1
        if finish == "tool_calls":
            good = "successful_tool_call_count" if valid else "schema_validation_error_count"
            self.counts[good] += 1
            self.excused += not valid and _is_callers_fault(row, self.validators)
        self.called[index] = finish == "tool_calls" if answered else None
        self._describe(index, row)

    def _describe(self, index: int, row: Field) -> None:
        request = row.get("request")
        asked = [request.dig("messages").value, request.dig("tools").value]
        self.asked[index] = digest(asked) if request.value else digest(row.dig("hash").value)
        if model := request.dig("model").raw_text():
            self.models.add(clean(model, 200))
        only = row.dig("extra_body", "provider", "only").value
        self.pins |= {clean(str(name), 100) for name in only or ()} if _is_list(only) else set()
        if row.get("last_run_at").value:
            at = row.get("last_run_at").moment()
            self.last_run_at = max(at, self.last_run_at or at)

    @property
    def request_set(self) -> str:
        return digest(sorted(self.asked.values()))


_FINISHES = {"stop": "finish_stop", "tool_calls": "finish_tool_calls"}


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_callers_fault(row: Field, validators: ValidatorCache) -> bool:
    """Tell whether every tool that was called has no schema that could be broken: the published
    rule counts such a call as valid, the verifier as an error."""
    message = _first_choice(row).dig("message")
    called = [call.dig("function") for call in message.dig("tool_calls").items()]
    schemas = dict(_schemas(row))
    return bool(called) and all(_is_blameless(call, schemas, validators) for call in called)


def _first_choice(row: Field) -> Field:
    choices = list(row.get("response").dig("choices").items())
    return choices[0] if choices else Field(None, row.file, row.path)


def _schemas(row: Field) -> Iterator[tuple[str, Any]]:
    for tool in row.get("request").dig("tools").items():
        yield tool.dig("function", "name").raw_text(), tool.dig("function", "parameters").value


def _is_blameless(call: Field, schemas: dict[str, Any], validators: ValidatorCache) -> bool:
    name = call.dig("name").raw_text()
    if name not in schemas or not _is_object(call.dig("arguments").raw_text()):
        return False
    return not schemas[name] or _means_nothing(schemas[name], validators)


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(parse(arguments.encode("utf-8", "replace"), "").value, dict)
    except Unreadable:
        return False


def _means_nothing(schema: Any, validators: ValidatorCache) -> bool:
    """Tell whether the judge, too, takes this schema for none. It fetches nothing that is named
    in one, as a validator's own check of a `$schema` would."""
    try:
        compiled = validators.lookup(orjson.dumps(schema))
    except (orjson.JSONEncodeError, ValueError):
        return False
    return compiled.validator is None and not compiled.problem


def read_results(bundle: Bundle, names: Iterable[str], summary: Field | None) -> Reading:
    """Return what a results file says, checked against its summary if there is one. Raises
    ResultError."""
    name, *more = names
    if more:
        problem = f"{len(more) + 1} results files: which is the endpoint's?"
        cure = "Import one, and name a reference's answers with --reference."
        raise Unreadable(bundle.label, "the files", problem, cure)
    content = bundle.read(name)
    rows = _Rows.of(parse_lines(content, name))
    if summary is not None:
        _compare(rows, summary)
    return _reading(name, rows, identity=_identity(content))


def _identity(content: bytes) -> str:
    """Return a hash of the rows in any order: they are written as the answers come in."""
    lines = sorted(line.strip() for line in content.split(b"\n"))
    return hashlib.sha256(b"\n".join(line for line in lines if line)).hexdigest()


def _compare(rows: _Rows, summary: Field) -> None:
    for count in _COUNTS:
        told = summary.get(count)
        if told.count() != rows.counts[count]:
            problem = f"the summary says {told.count()}, the rows give {rows.counts[count]}"
            raise told.fault(problem, "Import the summary of this very run, or the rows alone.")


def read_summary(root: Field) -> Reading:
    """Return what a summary says by itself. Raises ResultError."""
    rows = _Rows()
    rows.counts = Counter({name: root.get(name).count() for name in _COUNTS})
    finished = [rows.counts[name] for name in ("finish_stop", "finish_tool_calls", "finish_others")]
    judged = (
        rows.counts["schema_validation_error_count"] + rows.counts["successful_tool_call_count"]
    )
    if sum(finished) > rows.counts["success_count"] or judged != rows.counts["finish_tool_calls"]:
        raise root.fault("the counts contradict each other")
    if root.get("model").value:
        rows.models.add(root.get("model").text())
    if root.dig("eval_finished_at").value:
        rows.last_run_at = root.get("eval_finished_at").moment()
    return _reading(root.file, rows, identity=digest(root.value), request_set="")


def _reading(file: str, rows: _Rows, *, identity: str, request_set: str | None = None) -> Reading:
    counts = rows.counts
    if not counts["success_count"]:
        problem = f"none of {counts['failure_count']} requests was answered"
        raise NoEvidence(file, "the rows", problem, "Look at the endpoint, and run again.")
    failures = counts["schema_validation_error_count"] - rows.excused
    return Reading(
        format=FORMAT,
        suite=SUITE,
        suite_version="",
        judge="",
        request_set=rows.request_set if request_set is None else request_set,
        subject=", ".join(sorted(rows.models)[:3]),
        measured_at=rows.last_run_at,
        replies=counts["success_count"],
        tool_calls=counts["finish_tool_calls"],
        failures=failures,
        figures=(*_figures(counts), *call_figures(counts["finish_tool_calls"], failures, {})),
        identity=identity,
        excluded={"request failed": counts["failure_count"]} if counts["failure_count"] else {},
        pinned_to=tuple(sorted(rows.pins)),
        remarks=tuple(_remarks(rows)),
    )


def _figures(counts: Counter[str]) -> Iterator[Figure]:
    answered, calls = counts["success_count"], counts["finish_tool_calls"]
    yield from rate("schema_accuracy", counts["successful_tool_call_count"], calls)
    yield from rate("finish_tool_calls", calls, answered)
    yield from rate("finish_stop", counts["finish_stop"], answered)
    yield from rate("finish_others", counts["finish_others"], answered)
    yield from rate("success", answered, answered + counts["failure_count"])


def _remarks(rows: _Rows) -> Iterator[str]:
    if rows.excused:
        yield (
            f"{rows.excused} replies that the verifier calls schema errors are no failures here: "
            "the request's tools have no usable schema."
        )
    if rows.repeated:
        yield f"{rows.repeated} rows are older tries of a request: the last row counts."


def trigger_figures(bundle: Bundle, name: str, reference: Bundle) -> tuple[Figure, ...]:
    """Return precision, recall and F1 of deciding to call a tool, the reference's answers being
    right. Raises ResultError if they are not answers to the same requests."""
    ours = _Rows.of(parse_lines(bundle.read(name), name))
    label = reference.names[0]
    theirs = _Rows.of(parse_lines(reference.read(label), label))
    common = ours.asked.keys() & theirs.asked.keys()
    if not common or any(ours.asked[index] != theirs.asked[index] for index in common):
        problem = "the reference does not answer the same requests"
        raise Unreadable(label, "the rows", problem, "Give the reference's run of this set.")
    pairs = Counter(
        (ours.called[index], theirs.called[index])
        for index in common
        if ours.called[index] is not None and theirs.called[index] is not None
    )
    hits, false, missed = pairs[True, True], pairs[True, False], pairs[False, True]
    figures = rate("trigger_precision", hits, hits + false)
    figures += rate("trigger_recall", hits, hits + missed)
    if hits + false + missed:
        f1 = 2 * hits / (2 * hits + false + missed)
        figures += (Figure("tool_call_f1", f1, pairs.total()),)
    return figures


def reference_name(reference: Bundle) -> str:
    """Return how a run says what it was compared with: the hash of the reference's answers."""
    return f"reference {reference.identity()[:16]}"


def asked_digest(body: Mapping[str, Any]) -> str:
    """Return how a request is told from others: by what it says, and the tools it offers."""
    return digest([body.get("messages"), body.get("tools")])


def recorded_calls(reference: Bundle, asked: Mapping[int, str]) -> dict[int, bool | None]:
    """Return, by request, whether recorded answers call a tool, None where there is none.

    asked: the digest of each request of the set, by its number. Raises ResultError if the answers
    are not of these requests.
    """
    name = reference.names[0]
    rows = _Rows.of(parse_lines(reference.read(name), name))
    common = rows.asked.keys() & asked.keys()
    if not common or any(rows.asked[index] != asked[index] for index in common):
        problem = "the answers are not of this request set"
        raise Unreadable(name, "the rows", problem, "Give the reference's run of this very set.")
    return {index: rows.called[index] for index in common}
