"""Inspect AI logs, as `.eval` (a zip) or JSON: what OpenBench writes, LiveMCPBench included.

Owns telling samples that say something of the endpoint from those that died of a library, were
never answered or were not judged, and mining the transcripts for bad tool calls. The rules others
rely on: only a finished log counts; its accuracy is computed again from the samples and must be
the one in the log's header. Read: log version 2, as written by inspect_ai 0.3.125 and 0.3.285.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from telemetry.benchmarks.bundle import Bundle
from telemetry.benchmarks.calls import CallTally
from telemetry.benchmarks.errors import NoEvidence, Unreadable
from telemetry.benchmarks.fields import Field, clean, digest, parse
from telemetry.benchmarks.reading import METRIC_CHARS, Figure, Reading, call_figures, rate

FORMAT = "inspect log"
_LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_HEADLINES = ("accuracy", "mean")
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Timeout|Interrupt))\b", re.M)
_VERDICT = re.compile(r"Status:\W*(success|failure|fail)", re.I)
_UNKNOWN = re.compile(r"Tool .{0,200} not found")
_PARSED = ("Error parsing", "Parse error")


def is_log(root: Field) -> bool:
    return root.has("version", "status", "eval")


def is_archive(bundle: Bundle) -> bool:
    return "header.json" in bundle.names or "_journal/start.json" in bundle.names


def read_archive(bundle: Bundle) -> Reading:
    """Return what a `.eval` file says. Raises ResultError."""
    if "header.json" not in bundle.names:
        problem = "there is no header.json: the run was cut short"
        raise NoEvidence(bundle.label, "the log", problem, "Let the run end, then import its log.")
    header = parse(bundle.read("header.json"), bundle.label, "")
    names = [name for name in bundle.names if name.startswith("samples/")]
    samples = (parse(bundle.read(name), bundle.label, f"({name})") for name in names)
    return _reading(header, samples)


def read_log(root: Field) -> Reading:
    """Return what a JSON log says. Raises ResultError."""
    return _reading(root, root.get("samples").items())


def _reading(header: Field, samples: Iterator[Field]) -> Reading:
    _refuse_unfinished(header)
    seen = _Samples.of(samples, header)
    ran = header.get("eval")
    return Reading(
        format=FORMAT,
        suite=ran.get("task_registry_name").text(limit=60) or ran.get("task").name(limit=60),
        suite_version=_version(ran),
        judge=clean("; ".join(_judges(header)), 120),
        request_set=digest(sorted(seen.asked)),
        subject=ran.get("model").name(),
        measured_at=_ended(header).moment(),
        replies=seen.tally.replies,
        tool_calls=seen.tally.tool_calls,
        failures=seen.tally.failures,
        figures=(*_figures(header, seen), *_call_figures(seen.tally)),
        identity=digest([ran.get("eval_id").text(), sorted(seen.asked), sorted(seen.scored_as)]),
        excluded=dict(seen.excluded),
        pinned_to=_pinned_to(header),
        remarks=_remarks(header, seen),
    )


def _refuse_unfinished(header: Field) -> None:
    version = header.get("version")
    if version.count() != 2:
        raise version.fault(
            "only version 2 of the log is known", "Convert it with `inspect log convert`."
        )
    status = header.get("status").text(limit=40)
    if status != "success":
        problem = f"the run ended as “{status}”: what is missing is not a random part of it"
        raise NoEvidence(header.file, "status", problem, "Finish it with `inspect eval-retry`.")
    if header.get("invalidated").value is True:
        problem = "its author has withdrawn the log"
        raise NoEvidence(header.file, "invalidated", problem, "Run it again.")


@dataclass(slots=True)
class _Samples:
    """What the samples say together. `values` is scorer -> sample id -> value per epoch."""

    tally: CallTally
    values: dict[str, dict[str, list[float | None]]]
    asked: list[str]
    scored_as: list[str]
    excluded: Counter[str]
    places: Counter[str]

    @classmethod
    def of(cls, samples: Iterator[Field], header: Field) -> "_Samples":
        seen = cls(CallTally(), {}, [], [], Counter(), Counter())
        for sample in samples:
            seen.add(sample)
        total = header.dig("results", "total_samples")
        if len(seen.asked) != total.count():
            problem = f"{total.count()} samples are announced, {len(seen.asked)} are in the log"
            raise NoEvidence(header.file, total.path, problem, "Log the samples: --log-samples.")
        if doubled := [place for place, number in seen.places.items() if number > 1]:
            raise header.get("samples").fault(f"{doubled[0]} is there twice, another is missing")
        if not seen.tally.replies:
            reasons = ", ".join(f"{n} x {why}" for why, n in seen.excluded.items()) or "no samples"
            raise NoEvidence(
                header.file, "samples", f"no sample says anything of the endpoint ({reasons})",
                "Look at the log's errors, mend the set-up and run again.",
            )  # fmt: skip
        return seen

    def add(self, sample: Field) -> None:
        key, epoch = sample.get("id").name(), sample.get("epoch").count()
        self.places[f"sample {clean(key, 60)}, epoch {epoch}"] += 1
        self.asked.append(digest([key, epoch, _asked(sample)]))
        self.scored_as.append(digest([key, epoch, sample.get("scores").value]))
        if reason := _excuse(sample):
            self.excluded[reason] += 1
            return
        self.tally.add(_calls(sample))
        for scorer, score in _scores(sample):
            by_id = self.values.setdefault(scorer, {})
            by_id.setdefault(key, []).append(_number(score.dig("value").value))


def _scores(sample: Field) -> Iterator[tuple[str, Field]]:
    scores = sample.get("scores")
    for scorer in scores.object() if scores.value is not None else ():
        yield scorer, scores.get(scorer)


def _asked(sample: Field) -> Any:
    """Return a sample's question without what differs from run to run."""
    question = sample.get("input")
    if isinstance(question.value, list):
        return [[m.dig("role").value, m.dig("content").value] for m in question.items()]
    return question.value


def _excuse(sample: Field) -> str:
    """Say why a sample says nothing of the endpoint, or "" if it does."""
    error = sample.get("error")
    if error.value is not None:
        return f"died of {_exception(error)}"
    if not any(_is_reply(message) for message in sample.get("messages").items()):
        return "never answered"
    for _, score in _scores(sample):
        notes = score.dig("metadata")
        if failed := notes.dig("execution_error").raw_text():
            return f"died of {clean(failed.split(':')[0], 40)}"
        graded = notes.dig("grading_response").raw_text()
        if graded and not _VERDICT.search(graded):
            return "not judged"
    return ""


def _exception(error: Field) -> str:
    if not isinstance(error.value, dict):
        return "an error"
    traceback = error.get("traceback").raw_text()
    found = _EXCEPTION.findall(traceback) or _EXCEPTION.findall(error.get("message").raw_text())
    return clean(found[-1], 40) if found else "an error"


def _is_reply(message: Field) -> bool:
    """Tell the model's own words from those a prompt or a solver put into its mouth."""
    if message.dig("role").value != "assistant" or message.dig("source").value == "input":
        return False
    return message.dig("source").value == "generate" or bool(message.dig("model").value)


def _calls(sample: Field) -> CallTally:
    tally = CallTally()
    faults = _faults(sample)
    for message in sample.get("messages").items():
        if _is_reply(message):
            calls = list(message.get("tool_calls").items())
            bad = [kind for call in calls for kind in _bad(call, faults)]
            tally.reply(calls=bool(calls), bad=bad)
    return tally


def _faults(sample: Field) -> dict[str, str]:
    """Return the kind of failure by tool call id, as the tools' answers tell it."""
    faults = {}
    for message in sample.get("messages").items():
        error = message.dig("error")
        if error.value is not None and error.dig("type").value == "parsing":
            text = _resolved(sample, error.get("message").raw_text())
            faults[message.dig("tool_call_id").raw_text()] = _kind(text)
    return faults


def _resolved(sample: Field, text: str) -> str:
    """Return the text itself where the log keeps it among the sample's attachments."""
    if not text.startswith("attachment://"):
        return text
    return sample.dig("attachments", text.removeprefix("attachment://")).raw_text()


def _kind(message: str) -> str:
    if message.startswith(_PARSED):
        return "invalid_json"
    return "unknown_name" if _UNKNOWN.match(message) else "schema_mismatch"


def _bad(call: Field, faults: dict[str, str]) -> Iterator[str]:
    if call.get("parse_error").value:
        yield "invalid_json"
    elif (found := faults.get(call.get("id").raw_text())) is not None:
        yield found


def _number(value: Any) -> float | None:
    """Return a score as Inspect's accuracy takes it, or None for what has no one number."""
    if isinstance(value, str):
        return _LETTERS.get(value)
    if isinstance(value, bool | int | float) and abs(value) < 1e12:
        return float(value)
    return None


def _figures(header: Field, seen: _Samples) -> Iterator[Figure]:
    scorers = list(header.dig("results", "scores").items())
    names: set[str] = set()
    for scorer in scorers:
        prefix = "" if len(scorers) == 1 else f"{scorer.get('name').name()}/"
        for figure in _scorer_figures(header, scorer, seen):
            metric = clean(prefix + figure.metric, METRIC_CHARS)
            if metric not in names:
                names.add(metric)
                yield Figure(metric, figure.value, figure.sample, figure.low, figure.high)


def _scorer_figures(header: Field, scorer: Field, seen: _Samples) -> Iterator[Figure]:
    """Yield a scorer's accuracy (or mean), computed again; of one without, all that it reports."""
    metrics = scorer.get("metrics")
    headline = next((name for name in _HEADLINES if name in metrics.object()), "")
    means = _means(seen.values.get(scorer.get("name").name(), {}))
    if headline and means is not None and _reduced_by_mean(header):
        reported = metrics.get(headline).get("value")
        if not seen.excluded and not scorer.dig("unscored_samples").value:
            _compare(reported, sum(means) / len(means))
        yield from _mean_figure(headline, means)
    elif not seen.excluded:
        for name in metrics.object():
            value = metrics.get(name).get("value")
            if "stderr" not in name and isinstance(value.value, int | float):
                yield Figure(name, value.number(), scorer.get("scored_samples").count())


def _means(values: dict[str, list[float | None]]) -> list[float] | None:
    """Return each sample's mean over its epochs, or None if one has no number."""
    means = []
    for found in values.values():
        numbers = [number for number in found if number is not None]
        if len(numbers) < len(found):
            return None
        means.append(sum(numbers) / len(numbers))
    return means or None


def _reduced_by_mean(header: Field) -> bool:
    reducers = header.dig("eval", "config", "epochs_reducer").value
    return reducers in (None, [], ["mean"], "mean")


def _mean_figure(metric: str, means: list[float]) -> tuple[Figure, ...]:
    if all(0 <= mean <= 1 for mean in means):
        return rate(metric, sum(means), len(means))
    return (Figure(metric, sum(means) / len(means), len(means)),)


def _compare(reported: Field, computed: float) -> None:
    if abs(reported.number() - computed) > 1e-6:
        problem = f"the log reports {reported.number():g}, its samples give {computed:g}"
        raise Unreadable(
            reported.file, reported.path, problem, "Import the log as Inspect wrote it."
        )


def _call_figures(tally: CallTally) -> tuple[Figure, ...]:
    return call_figures(tally.tool_calls, tally.failures, tally.kinds)


def _version(ran: Field) -> str:
    packages = ran.get("packages").value
    tools = ran.get("packages").object() if packages else {}
    parts = [f"{name} {version}" for name, version in sorted(tools.items())]
    return clean(", ".join([f"task {ran.get('task_version').value or 0}", *parts]), 60)


def _ended(header: Field) -> Field:
    ended = header.dig("stats", "completed_at")
    return ended if ended.value else header.get("eval").get("created")


def _judges(header: Field) -> list[str]:
    """Return the models that graded, wherever the log names them."""
    ran = header.get("eval")
    found = [ran.dig("task_args", "grader_model"), ran.dig("model_roles", "grader", "model")]
    found += [scorer.dig("options", "model") for scorer in ran.get("scorers").items()]
    found += [score.dig("params", "model") for score in header.dig("results", "scores").items()]
    return sorted({one.text(limit=100) for one in found if one.raw_text()})


def _pinned_to(header: Field) -> tuple[str, ...]:
    ran = header.get("eval")
    only = ran.dig("model_args", "only").value
    if only is None:
        only = ran.dig("model_generate_config", "extra_body", "provider", "only").value
    names = [only] if isinstance(only, str) else only if isinstance(only, list) else []
    return tuple(clean(name, 100) for name in names if isinstance(name, str))


def _remarks(header: Field, seen: _Samples) -> tuple[str, ...]:
    if not seen.excluded:
        return ()
    reported = [
        f"{score.dig('name').value} {score.dig('metrics', name, 'value').value}"
        for score in header.dig("results", "scores").items()
        for name in _HEADLINES
        if score.dig("metrics", name).value
    ]
    text = f"With the samples left out here, the log itself reports: {', '.join(reported)}."
    return (clean(text, 300),)
