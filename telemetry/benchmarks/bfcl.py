"""Berkeley Function Calling Leaderboard: score files, and the answers they were computed from.

Owns taking entries that were never answered out of the sample: BFCL writes "Error during
inference: …" as their answer, and scores that 0 % where a call was due and 100 % where none was.
So an irrelevance score counts only beside its result file. The rule others rely on: an answer
outside the calls' own shape (wrong values, too few calls) is wrong, but no bad tool call. Read:
bfcl-eval 2026.3.23 (`BFCL_v4_<category>_score.json`, `…_result.json`), single-turn categories in
full; of others, the accuracy.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from telemetry.benchmarks.bundle import Bundle
from telemetry.benchmarks.calls import CallTally
from telemetry.benchmarks.errors import NoEvidence, Unreadable
from telemetry.benchmarks.fields import Field, clean, digest, parse, parse_lines
from telemetry.benchmarks.reading import METRIC_CHARS, Figure, Reading, call_figures, rate

FORMAT = "BFCL scores"
_DEAD = "Error during inference"
_NAME = re.compile(r"BFCL_(v\d+)_(.+?)_(?:score|result)\.json")
_MISFIT = re.compile(r"type_error|missing_required|unexpected_param|wrong_type")


def is_scores(first: Field) -> bool:
    return first.has("accuracy", "correct_count", "total_count") and len(first.object()) == 3


def is_results(first: Field) -> bool:
    return first.has("id", "result") and not first.has("valid")


@dataclass(slots=True)
class _Category:
    """One category: how many entries, which of them were found wrong, and the answers if given."""

    name: str
    file: str
    total: int
    failed: dict[str, Field] = field(default_factory=dict)
    answers: dict[str, Field] | None = None

    @property
    def expects_none(self) -> bool:
        return "irrelevance" in self.name

    def dead(self) -> set[str]:
        """Return the ids of the entries that were never answered."""
        rows = self.answers if self.answers is not None else self.failed
        return {entry for entry, row in rows.items() if _answer(row).raw_text().startswith(_DEAD)}

    def check(self) -> None:
        if self.answers is None:
            if self.expects_none:
                problem = f"{self.name} scores silence as right, also that of a dead endpoint"
                cure = (
                    f"Import it together with BFCL_…_{self.name}_result.json, or the run's folder."
                )
                raise NoEvidence(self.file, "the scores", problem, cure)
        elif len(self.answers) != self.total or not self.failed.keys() <= self.answers.keys():
            problem = f"{self.total} entries are scored, {len(self.answers)} answers are given"
            raise Unreadable(self.file, "line 1", problem, "Import the files of one run.")


def _answer(row: Field) -> Field:
    for name in ("result", "model_result_raw", "model_result"):
        if row.has(name):
            return row.get(name)
    return Field(None, row.file, row.path)


def read_scores(bundle: Bundle, scores: Iterable[str], results: Iterable[str]) -> Reading:
    """Return what score files say, checked against the answers given beside them. Raises
    ResultError."""
    categories = [_scored(bundle, name) for name in scores]
    answers = dict(_answered(bundle, name) for name in results)
    if not categories:
        name = next(iter(answers.values()))[0]
        cure = "Run `bfcl evaluate` and import its score files together with these."
        raise Unreadable(name, "the files", "answers without scores", cure)
    for category in categories:
        if category.name in answers:
            category.answers = answers[category.name][1]
        category.check()
    _refuse_mixture(bundle, categories)
    return _reading(bundle, categories)


def _scored(bundle: Bundle, name: str) -> _Category:
    first, *rows = parse_lines(bundle.read(name), name)
    total, correct = first.get("total_count").count(), first.get("correct_count").count()
    failed = {row.get("id").name(): row for row in rows}
    if total - correct != len(failed) or len(failed) != len(rows):
        problem = f"{total - correct} entries are wrong, {len(rows)} are listed"
        raise first.fault(problem, "Import the score file as BFCL wrote it.")
    return _Category(_category(name, rows), name, total, failed)


def _category(name: str, rows: list[Field]) -> str:
    """Return the category, from a failure or, where there is none, from the file's name."""
    if rows and rows[0].get("test_category").value:
        return rows[0].get("test_category").text(limit=40)
    if found := _NAME.search(PurePosixPath(name).name):
        return clean(found[2], 40)
    problem = "without a failure in it, a score file says its category only in its name"
    raise Unreadable(name, "line 1", problem, "Keep its name: BFCL_v4_<category>_score.json.")


def _answered(bundle: Bundle, name: str) -> tuple[str, tuple[str, dict[str, Field]]]:
    rows = {row.get("id").name(): row for row in parse_lines(bundle.read(name), name)}
    if not all(is_results(row) for row in rows.values()):
        raise Unreadable(name, "the file", "not all lines are answers", "Import BFCL's own files.")
    return next(iter(rows)).rsplit("_", 1)[0], (name, rows)


def _refuse_mixture(bundle: Bundle, categories: list[_Category]) -> None:
    names = [category.name for category in categories]
    models = set(_models(categories))
    if len(set(names)) < len(names) or len(models) > 1:
        problem = f"files of more than one run ({', '.join(sorted(models)) or 'same categories'})"
        raise Unreadable(bundle.label, "the files", problem, "Import one model's run at a time.")


def _models(categories: list[_Category]) -> Iterator[str]:
    """Yield the models named by the failures, or by the folders BFCL writes."""
    for category in categories:
        for row in category.failed.values():
            yield row.get("model_name").text(limit=100).replace("/", "_")  # as in the folder's name
        parts = PurePosixPath(category.file).parts
        if "score" in parts[:-2]:
            yield clean(parts[parts.index("score") + 1], 100)


def _reading(bundle: Bundle, categories: list[_Category]) -> Reading:
    dead = sum(len(category.dead()) for category in categories)
    total = sum(category.total for category in categories)
    if dead >= total:
        problem = f"none of {total} entries was answered: each says “{_DEAD}”"
        raise NoEvidence(bundle.label, "the answers", problem, "Look at the endpoint; run again.")
    tally = CallTally()
    for category in categories:
        _count(category, tally)
    return Reading(
        format=FORMAT,
        suite="bfcl",
        suite_version=_version(categories),
        judge="",
        request_set=digest(sorted([one.name, *sorted(one.answers or ())] for one in categories)),
        subject=next(_models(categories), ""),
        measured_at=None,
        replies=total - dead,
        tool_calls=tally.tool_calls,
        failures=tally.failures,
        figures=(
            *_figures(categories),
            *call_figures(tally.tool_calls, tally.failures, tally.kinds),
        ),
        identity=_identity(categories),
        excluded={"no answer": dead} if dead else {},
    )


def _identity(categories: list[_Category]) -> str:
    told = [
        [one.name, one.total, sorted(digest(row.value) for row in one.failed.values())]
        for one in categories
    ]
    rows = [row for one in categories for row in (one.answers or {}).values()]
    return digest([sorted(told), sorted(digest(row.value) for row in rows)])


def _figures(categories: list[_Category]) -> Iterator[Figure]:
    for category in sorted(categories, key=lambda one: one.name):
        dead = category.dead()
        correct = category.total - len(dead | category.failed.keys())
        metric = clean(f"{category.name} accuracy", METRIC_CHARS)
        yield from rate(metric, correct, category.total - len(dead))


def _version(categories: list[_Category]) -> str:
    names = (_NAME.search(PurePosixPath(category.file).name) for category in categories)
    return ", ".join(sorted({found[1] for found in names if found}))


def _count(category: _Category, tally: CallTally) -> None:
    """Count the category's replies; without the answers, the right ones are all calls."""
    if category.name.startswith("multi_turn") or category.name.startswith("memory"):
        return
    dead = category.dead()
    rows: Mapping[str, Field] = category.failed if category.answers is None else category.answers
    for entry, row in rows.items():
        if entry not in dead:
            calls = _calls(row)
            bad = _bad(calls, category.failed.get(entry))
            tally.reply(calls=bool(calls), bad=bad)
    if category.answers is None:
        for _ in range(category.total - len(category.failed)):
            tally.reply(calls=True)


def _calls(row: Field) -> list[tuple[str, str]]:
    """Return (name, arguments) of each call; a reply in text has none."""
    answer = _answer(row)
    if not isinstance(answer.value, list):
        return []
    calls = [call for call in answer.items() if isinstance(call.value, dict)]
    return [(name, call.get(name).raw_text()) for call in calls for name in call.object()]


def _bad(calls: list[tuple[str, str]], failure: Field | None) -> Iterator[str]:
    offered = set(_offered(failure))
    for name, arguments in calls:
        if not _is_object(arguments):
            yield "invalid_json"
        if offered and _plain(name) not in offered:
            yield "unknown_name"
    if failure is not None and _MISFIT.search(failure.get("error_type").raw_text()):
        yield "schema_mismatch"


def _offered(failure: Field | None) -> Iterator[str]:
    functions = Field(None, "") if failure is None else failure.dig("prompt", "function")
    for function in functions.items():
        yield _plain(function.get("name").raw_text())


def _plain(name: str) -> str:
    """Return a function's name as BFCL sends it: APIs take no dots in names."""
    return name.replace(".", "_")


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(parse(arguments.encode("utf-8", "replace"), "").value, dict)
    except Unreadable:
        return False
