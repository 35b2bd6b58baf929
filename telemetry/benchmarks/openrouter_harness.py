"""OpenRouter's benchmark-harness: the JSON it prints, and its result rows.

Owns its rule for samples (correct, incorrect, skipped) and one more: an answer that is no more
than a model error was never given. The rules others rely on: accuracy is computed again from the
samples and must be the one printed; a sample's score is the mean over its epochs. Read: what the
harness printed and format_version 1 of its rows, in 2026, from its source; no real file was at
hand. The rows come as Parquet (`parquet` reads it), or exported as JSON or JSONL.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from telemetry.benchmarks.errors import NoEvidence, Unreadable
from telemetry.benchmarks.fields import Field, clean, digest
from telemetry.benchmarks.reading import Reading, rate

FORMAT = "OpenRouter benchmark-harness"
COLUMNS = ("format_version", "task", "sample_id", "epoch", "score_value", "accuracy", "model")
OPTIONAL_COLUMNS = ("created_at", "explanation")
_VALUES = {"C": 1.0, "I": 0.0}
_SKIPPED = "S"
_MODEL_ERROR = "Model error"


def is_printed(root: Field) -> bool:
    return root.has("benchmark", "accuracy", "totalQuestions", "sampleScores")


def is_row(first: Field) -> bool:
    return first.has(*COLUMNS)


@dataclass(slots=True)
class _Samples:
    """`values` is sample id -> score per epoch, as the harness has it; `answered` likewise,
    without the answers that are model errors."""

    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    answered: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    asked: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)

    def add(self, sample: str, epoch: int, value: Field, explanation: str) -> None:
        score = value.text(limit=10)
        self.asked.add(sample)
        self.seen.append(digest([sample, epoch, score]))
        if score == _SKIPPED:
            self.excluded["skipped by the harness"] += 1
            return
        if score not in _VALUES:
            raise value.fault("expected C, I or S", "Import the file as the harness wrote it.")
        self.values[sample].append(_VALUES[score])
        if explanation.startswith(_MODEL_ERROR):
            self.excluded["no answer"] += 1
        else:
            self.answered[sample].append(_VALUES[score])


def read_printed(root: Field) -> Reading:
    """Return what the harness printed. Raises ResultError."""
    samples = _Samples()
    for one in root.get("sampleScores").items():
        explanation = one.dig("explanation").raw_text()
        samples.add(
            one.get("sampleId").name(), one.get("epoch").count(), one.get("value"), explanation
        )
    task, model = root.get("benchmark"), root.dig("model")
    return _reading(root, samples, task, model, root.get("accuracy"))


def read_rows(rows: Iterable[Field]) -> Reading:
    """Return what exported result rows say. Raises ResultError."""
    samples, first, runs = _Samples(), None, set()
    for row in rows:
        if not is_row(row) or row.get("format_version").count() != 1:
            raise row.fault("not a row of format_version 1", "Export the rows of one result file.")
        first = first or row
        runs.add(tuple(str(row.dig(name).value) for name in ("task", "model", "accuracy")))
        explanation = row.dig("explanation").raw_text()
        epoch, value = row.get("epoch").count(), row.get("score_value")
        samples.add(row.get("sample_id").name(), epoch, value, explanation)
    if first is None or len(runs) > 1:
        label = first.file if first else "nothing"
        raise Unreadable(label, "the rows", "rows of more than one run", "Export one run's rows.")
    return _reading(first, samples, first.get("task"), first.get("model"), first.get("accuracy"))


def _reading(root: Field, samples: _Samples, task: Field, model: Field, told: Field) -> Reading:
    _compare(samples, told)
    means = [sum(values) / len(values) for values in samples.answered.values()]
    if not means:
        reasons = ", ".join(f"{n} x {why}" for why, n in samples.excluded.items()) or "no samples"
        problem = f"no sample says anything of the endpoint ({reasons})"
        raise NoEvidence(root.file, "the samples", problem, "Look at the endpoint, and run again.")
    created = root.dig("created_at")
    return Reading(
        format=FORMAT,
        suite=clean(f"openrouter {task.name()}", 60),
        suite_version="",
        judge="",
        request_set=digest(sorted(samples.asked)),
        subject=model.text(),
        measured_at=created.moment() if created.value else None,
        replies=sum(len(values) for values in samples.answered.values()),
        tool_calls=0,
        failures=0,
        figures=rate("accuracy", sum(means), len(means)),
        identity=digest([task.value, model.value, sorted(samples.seen)]),
        excluded=dict(samples.excluded),
        remarks=_remarks(samples, told),
    )


def _compare(samples: _Samples, told: Field) -> None:
    means = [sum(values) / len(values) for values in samples.values.values()]
    computed = sum(means) / len(means) if means else 0.0
    if abs(told.number() - computed) > 1e-6:
        problem = f"it reports {told.number():g}, its samples give {computed:g}"
        raise told.fault(problem, "Import the file as the harness wrote it.")


def _remarks(samples: _Samples, told: Field) -> tuple[str, ...]:
    if not samples.excluded["no answer"]:
        return ()
    return (f"With the model errors left out here, the harness reports {told.number():g}.",)
