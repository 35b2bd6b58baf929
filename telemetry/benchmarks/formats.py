"""Which tool wrote these files: told by what is in them, never by what they are called.

Owns recognising a run's files and handing them to their reader. The rules others rely on: every
file of the bundle is either read or of a kind that is known to add nothing; files of two tools, or
of none, are refused with what is read instead.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from telemetry.benchmarks import bfcl, inspect_log, k2vv, kvv, openrouter_harness, parquet, tau2
from telemetry.benchmarks.bundle import Bundle
from telemetry.benchmarks.errors import Unreadable
from telemetry.benchmarks.fields import Field, parse, parse_lines
from telemetry.benchmarks.reading import Reading

_KNOWN = (
    "Read are: Inspect logs (.eval or JSON), tau2-bench results, K2 Vendor Verifier results and "
    "summary, Kimi Vendor Verifier reports, BFCL scores with their results, OpenRouter harness "
    "JSON and Parquet. See docs/benchmarks.md."
)

# (kind, what its first JSON value looks like), the first that fits; JSONL kinds by their line.
_WHOLE: tuple[tuple[str, Callable[[Field], bool]], ...] = (
    ("inspect", inspect_log.is_log),
    ("tau2", tau2.is_results),
    ("kvv", kvv.is_report),
    ("k2vv summary", k2vv.is_summary),
    ("harness", openrouter_harness.is_printed),
)
_LINES: tuple[tuple[str, Callable[[Field], bool]], ...] = (
    ("k2vv rows", k2vv.is_row),
    ("bfcl scores", bfcl.is_scores),
    ("bfcl results", bfcl.is_results),
    ("harness rows", openrouter_harness.is_row),
)
_SIMULATION = ("task_id", "trial", "termination_reason")


def read(bundle: Bundle, reference: Bundle | None = None) -> Reading:
    """Return what a run's files say of the endpoint. Raises ResultError.

    reference: the reference endpoint's answers, of the same tool; for K2 Vendor Verifier results.
    """
    if inspect_log.is_archive(bundle):
        return _checked(_without_reference(inspect_log.read_archive(bundle), reference), bundle)
    kinds = _sorted_by_kind(bundle)
    if "k2vv rows" in kinds:
        return _checked(_read_k2vv(bundle, kinds, reference), bundle)
    return _checked(_without_reference(_read_sorted(bundle, kinds), reference), bundle)


def _checked(reading: Reading, bundle: Bundle) -> Reading:
    """Hold every reader to what a reading promises, whatever the file made it count."""
    if not 0 <= reading.failures <= reading.tool_calls <= reading.replies:
        problem = "the counts contradict each other"
        raise Unreadable(bundle.label, "the files", problem, "Import them as the tool wrote them.")
    first = {figure.metric: figure for figure in reversed(reading.figures)}
    figures = tuple(figure for figure in reading.figures if first[figure.metric] is figure)
    return replace(reading, figures=figures)


def _read_sorted(bundle: Bundle, kinds: dict[str, list[str]]) -> Reading:
    if kinds.keys() <= {"bfcl scores", "bfcl results"}:
        return bfcl.read_scores(bundle, kinds["bfcl scores"], kinds["bfcl results"])
    if kinds.keys() - {"tau2 simulation"} == {"tau2"} and len(kinds["tau2"]) == 1:
        return tau2.read_results(_whole(bundle, kinds["tau2"][0]), bundle)
    if len(kinds) > 1 or len(next(iter(kinds.values()))) > 1:
        found = ", ".join(f"{len(names)} {kind}" for kind, names in sorted(kinds.items()))
        problem = f"files that are not one run ({found})"
        raise Unreadable(bundle.label, "the files", problem, "Import one run at a time.")
    [(kind, [name])] = kinds.items()
    return _read_one(bundle, kind, name)


def _read_one(bundle: Bundle, kind: str, name: str) -> Reading:
    if kind == "harness rows":
        return openrouter_harness.read_rows(_rows(bundle, name))
    if kind == "tau2 simulation":
        cure = "Import the folder that results.json is in, or its zip."
        raise Unreadable(name, "the file", "one simulation of a tau2-bench run", cure)
    readers: dict[str, Callable[[Field], Reading]] = {
        "inspect": inspect_log.read_log,
        "kvv": kvv.read_report,
        "k2vv summary": k2vv.read_summary,
        "harness": openrouter_harness.read_printed,
    }
    return readers[kind](_whole(bundle, name))


def _read_k2vv(bundle: Bundle, kinds: dict[str, list[str]], reference: Bundle | None) -> Reading:
    others = kinds.keys() - {"k2vv rows", "k2vv summary"}
    summaries = kinds["k2vv summary"]
    if others or len(summaries) > 1:
        raise Unreadable(bundle.label, "the files", "more than one run", "Import one at a time.")
    summary = _whole(bundle, summaries[0]) if summaries else None
    reading = k2vv.read_results(bundle, kinds["k2vv rows"], summary)
    if reference is None:
        return reading
    figures = k2vv.trigger_figures(bundle, kinds["k2vv rows"][0], reference)
    judge = k2vv.reference_name(reference)
    return replace(reading, figures=(*reading.figures, *figures), judge=judge)


def _without_reference(reading: Reading, reference: Bundle | None) -> Reading:
    if reference is not None:
        problem = f"{reading.format} is not compared with a reference"
        raise Unreadable(reference.label, "the reference", problem, "Leave --reference out.")
    return reading


def _sorted_by_kind(bundle: Bundle) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = defaultdict(list)
    for name in bundle.names:
        kind = _kind(bundle.read(name), name)
        if kind:
            kinds[kind].append(name)
    if not kinds:
        raise Unreadable(bundle.label, "the files", "no results of a known tool", _KNOWN)
    return kinds


def _kind(content: bytes, name: str) -> str:
    """Return what a file is, "" for what BFCL writes beside its scores. Raises Unreadable."""
    if content.startswith(parquet.MAGIC):
        return "harness rows"  # the only one who writes it; its columns are looked at when read
    if content.startswith(b"Rank,"):
        return ""  # a leaderboard table that BFCL makes of its score files
    first = _first(content, name)
    for kind, fits in (*_LINES, *_WHOLE):
        if fits(first):
            return kind
    if first.has(*_SIMULATION):
        return "tau2 simulation"
    if first.has("model_name", "submission_date", "results"):
        problem = "a leaderboard submission: percentages without their samples"
        raise Unreadable(name, "the file", problem, "Import the results files it was made from.")
    if _is_list_of_ids(first):
        return ""
    raise Unreadable(name, first.path or "the file", "not the results of a known tool", _KNOWN)


def _first(content: bytes, name: str) -> Field:
    """Return the value of the first line, if it is one, or of the whole file; of an array, its
    first element."""
    line = content.lstrip().split(b"\n", 1)[0]
    try:
        first = parse(line, name, "line 1")
    except Unreadable:
        first = _whole_or_unknown(content, name)
    return next(first.items(), first) if isinstance(first.value, list) else first


def _whole_or_unknown(content: bytes, name: str) -> Field:
    try:
        return parse(content, name)
    except Unreadable as error:
        if _is_table(content):
            problem = "a table of figures, without the samples behind them"
            raise Unreadable(
                name, "the file", problem, f"Import the tool's own files. {_KNOWN}"
            ) from None
        cure = f"If it is damaged, copy it again. {_KNOWN}"
        raise Unreadable(name, error.place, error.problem, cure) from None


def _is_table(content: bytes) -> bool:
    line = content.lstrip().split(b"\n", 1)[0]
    return line[:1] not in (b"{", b"[", b'"') and (line.count(b",") > 1 or line.count(b"\t") > 1)


def _is_list_of_ids(first: Field) -> bool:
    """Tell BFCL's list of the entries to generate: category -> ids."""
    lists = first.value.values() if isinstance(first.value, dict) else ()
    return bool(lists) and all(isinstance(ids, list) and _are_texts(ids) for ids in lists)


def _are_texts(values: list[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _rows(bundle: Bundle, name: str) -> list[Field]:
    """Return the rows of an array, of JSONL or of Parquet."""
    content = bundle.read(name)
    if content.startswith(parquet.MAGIC):
        columns = openrouter_harness.COLUMNS, openrouter_harness.OPTIONAL_COLUMNS
        return parquet.read_table(content, name, *columns)
    if content.lstrip().startswith(b"["):
        return list(parse(content, name).items())
    return list(parse_lines(content, name))


def _whole(bundle: Bundle, name: str) -> Field:
    return parse(bundle.read(name), name)
