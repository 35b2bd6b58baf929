"""tau2-bench results: who failed a simulation, and pass^k over those that say something.

Owns telling a malformed tool call, which tau2 1.x files under `infrastructure_error` and leaves
out, from a judge, a user simulator, a library or a connection that failed. The rules others rely
on: the provider's broken calls count as failed trials here; nothing else that broke does; only a
complete run counts. Read: v0.2.0 and v1.0.1 (one file, or results.json beside simulations/),
NVIDIA's package of 0.x, and the published files of 2025 that v0.2.0 reads. `llm_args` may hold an
API key: only the pin is taken from it.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from telemetry.benchmarks.bundle import Bundle
from telemetry.benchmarks.calls import CallTally
from telemetry.benchmarks.errors import NoEvidence
from telemetry.benchmarks.fields import Field, clean, digest, parse
from telemetry.benchmarks.reading import Figure, Reading, call_figures, rate

FORMAT = "tau2 results"
MALFORMED = "malformed call"
_FRAME = re.compile(r'^[ \t]*File "([^"\n]+)", line \d+, in (\S+)', re.M)
_NO_ANSWER = re.compile(
    r"Connection|Timeout|RateLimit|ServiceUnavailable|InternalServer|BadGateway|Authentication"
    r"|PermissionDenied|NotFound|APIError|APIStatus"
)
_UNKNOWN = re.compile(r"Error: Tool '.{0,200}' not found")
_MISFIT = re.compile(
    r"Error: .{0,200}(unexpected keyword argument|missing \d+ required|validation errors? for)"
)
_MOST_K = 16
_FIXED_JUDGE = "gpt-4.1-2025-04-14"  # of NL assertions; written into tau2 1.x itself
_NVIDIA_JUDGE = "gpt-4o-mini"  # likewise, into NVIDIA's package


def is_results(root: Field) -> bool:
    return root.has("info", "tasks", "simulations") or root.has("info", "tasks", "simulation_index")


def read_results(root: Field, bundle: Bundle) -> Reading:
    """Return what a results file says; its simulations may be files of the bundle. Raises
    ResultError."""
    run = _Run()
    for simulation in _simulations(root, bundle):
        run.add(simulation)
    _refuse_incomplete(root, run)
    info = root.get("info")
    return Reading(
        format=FORMAT,
        suite=clean(f"tau2 {info.get('environment_info').get('domain_name').name()}", 60),
        suite_version=_version(info, run),
        judge=_judge(info, run),
        request_set=digest(sorted(digest(task.value) for task in root.get("tasks").items())),
        subject=info.get("agent_info").get("llm").name(),
        measured_at=root.get("timestamp").moment(),
        replies=run.tally.replies,
        tool_calls=run.tally.tool_calls,
        failures=run.tally.failures,
        figures=(
            *_figures(run),
            *call_figures(run.tally.tool_calls, run.tally.failures, run.tally.kinds),
        ),
        identity=digest(sorted(run.seen)),
        excluded=dict(run.excluded),
        pinned_to=_pinned_to(info),
        remarks=_remarks(run),
    )


def _simulations(root: Field, bundle: Bundle) -> Iterator[Field]:
    """Yield the simulations in the file, or where 1.x keeps them one by one, those beside it."""
    inside = list(root.get("simulations").items())
    if inside or root.get("simulation_index").value is None:
        yield from inside
        return
    names = [name for name in bundle.names if "simulations" in PurePosixPath(name).parts[:-1]]
    if not names:
        problem = "the simulations are in files of their own, in the folder simulations/"
        raise root.get("simulation_index").fault(problem, "Import the whole folder, or its zip.")
    for name in names:
        yield parse(bundle.read(name), name)


@dataclass(slots=True)
class _Run:
    """The simulations, counted. `trials` is task id -> whether each trial passed."""

    tally: CallTally = field(default_factory=CallTally)
    trials: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    rewards: list[float] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)
    seen: list[str] = field(default_factory=list)
    places: Counter[str] = field(default_factory=Counter)
    malformed: int = 0
    judged_by_model: bool = False
    is_nvidia: bool = False

    def add(self, simulation: Field) -> None:
        self.is_nvidia |= simulation.has("skipped")  # a field that only their package has
        task = simulation.get("task_id").name()
        if (trial := simulation.get("trial")).value is not None:
            self.places[f"task {task}, trial {trial.name(limit=20)}"] += 1
        reason = simulation.get("termination_reason").text(limit=60)
        self.seen.append(digest([simulation.dig(name).value for name in _IDENTITY]))
        excuse = _excuse(reason, simulation)
        if excuse == MALFORMED:
            self.malformed += 1
            self.trials[task].append(False)
            self.tally.reply(calls=True, bad=["invalid_json"])
        elif excuse:
            self.excluded[excuse] += 1
        else:
            self._count(task, simulation)

    def _count(self, task: str, simulation: Field) -> None:
        judged = simulation.get("reward_info")
        reward = judged.get("reward").number()
        basis = [str(one.value) for one in judged.get("reward_basis").items()]
        self.judged_by_model |= "NL_ASSERTION" in basis
        self.rewards.append(reward)
        self.trials[task].append(abs(reward - 1) <= 1e-6)
        self.tally.add(_calls(simulation))


_IDENTITY = ("id", "task_id", "trial", "termination_reason", "reward_info")


def _excuse(reason: str, simulation: Field) -> str:
    """Say why a simulation is no judgement of the agent; MALFORMED if its own call broke it."""
    if reason == "user_error":
        return "user simulator failed"
    if reason == "infrastructure_error":
        return _blame(simulation)
    if simulation.dig("skipped").value is True:
        return "broke for an unknown reason"  # --skip-failed-samples of NVIDIA's package
    return "" if simulation.get("reward_info").value is not None else "not judged"


def _blame(simulation: Field) -> str:
    """Tell from the traceback what broke. The error's type alone cannot: a judge's bad JSON and a
    provider's are both a JSONDecodeError."""
    info = simulation.dig("info")
    return blame(info.dig("error_type").raw_text(), info.dig("error_traceback").raw_text())


def blame(kind: str, traceback: str) -> str:
    """Return what broke by the exception's name and its traceback; MALFORMED for a call."""
    frames = _FRAME.findall(traceback)
    places = [f"{path}:{function}" for path, function in frames]
    if any("evaluator" in place for place in places):
        return "judge failed"
    if any("user_simulator" in place or "/user/" in place for place in places):
        return "user simulator failed"
    if not any("/agent/" in place or "generate_next_message" in place for place in places):
        return "broke for an unknown reason"
    if kind in ("JSONDecodeError", "ValidationError") and _is_in_tau2(frames):
        return MALFORMED
    return "no answer" if _NO_ANSWER.search(kind) else "client library failed"


def _is_in_tau2(frames: Sequence[tuple[str, str]]) -> bool:
    """Tell whether tau2 itself was reading the call, rather than a library the HTTP answer."""
    own = [path for path, _ in frames if "/json/" not in path and "/pydantic/" not in path]
    return own[-1].endswith("llm_utils.py")


def _calls(simulation: Field) -> CallTally:
    tally = CallTally()
    messages = list(simulation.get("messages").items())
    faults = _faults(messages)
    for index, message in enumerate(messages):
        calls = list(message.get("tool_calls").items())
        # The agent's first words, without a call, are tau2's own greeting.
        if message.get("role").value == "assistant" and (index or calls):
            found = (faults.get(call.get("id").raw_text(), "") for call in calls)
            tally.reply(calls=bool(calls), bad=[kind for kind in found if kind])
    return tally


def _faults(messages: Sequence[Field]) -> dict[str, str]:
    """Return the kind of failure by call id. "Order not found" is an answer, not a bad call."""
    faults = {}
    for message in messages:
        if message.get("role").value == "tool" and message.get("error").value is True:
            said = message.get("content").raw_text()
            if _UNKNOWN.match(said):
                faults[message.get("id").raw_text()] = "unknown_name"
            elif _MISFIT.match(said):
                faults[message.get("id").raw_text()] = "schema_mismatch"
    return faults


def _refuse_incomplete(root: Field, run: _Run) -> None:
    tasks, trials = len(list(root.get("tasks").items())), root.get("info").get("num_trials").count()
    if len(run.seen) != tasks * trials:
        problem = (
            f"{len(run.seen)} simulations, {tasks} tasks of {trials} trials need more or fewer"
        )
        cure = "Finish a run that was cut short: run tau2 again with the same --save-to."
        raise NoEvidence(root.file, "simulations", problem, cure)
    if doubled := [place for place, number in run.places.items() if number > 1]:
        raise root.get("simulations").fault(f"{doubled[0]} is there twice, another is missing")
    if not run.tally.replies:
        reasons = ", ".join(f"{n} x {why}" for why, n in run.excluded.items()) or "no simulations"
        problem = f"no simulation says anything of the endpoint ({reasons})"
        raise NoEvidence(root.file, "simulations", problem, "Mend the set-up and run again.")


def _figures(run: _Run) -> Iterator[Figure]:
    """Yield pass^k for every k that each task has trials for, and the mean reward.

    pass^k of a task is C(passed, k) / C(trials, k) (Yao et al. 2024, arXiv:2406.12045). Trials of
    one task are no independent sample, so the intervals take the tasks as the sample.
    """
    tasks = [(len(trials), sum(trials)) for trials in run.trials.values()]
    for k in range(1, min([_MOST_K, *(trials for trials, _ in tasks)]) + 1):
        each = [math.comb(passed, k) / math.comb(trials, k) for trials, passed in tasks]
        yield from rate(f"pass^{k}", sum(each), len(each))
    if run.rewards:
        yield Figure("avg_reward", sum(run.rewards) / len(run.rewards), len(run.rewards))


def _version(info: Field, run: _Run) -> str:
    newer = info.has("text_streaming_config") or info.has("retrieval_config")
    commit = info.get("git_commit").text(limit=12).rstrip("…")
    line = "1.x" if newer else "0.x nvidia" if run.is_nvidia else "0.x"
    return f"{line} {'' if commit == 'unknown' else commit}".strip()


def _judge(info: Field, run: _Run) -> str:
    user = info.get("user_info")
    simulator = user.get("llm").text(limit=60) or user.get("implementation").text(limit=60)
    judge = _NVIDIA_JUDGE if run.is_nvidia else _FIXED_JUDGE
    assertions = f"; assertions {judge}" if run.judged_by_model else ""
    return clean(f"user {simulator}{assertions}", 120)


def _pinned_to(info: Field) -> tuple[str, ...]:
    only = info.dig("agent_info", "llm_args", "extra_body", "provider", "only").value
    names = only if isinstance(only, list) else [only]
    return tuple(clean(name, 100) for name in names if isinstance(name, str))


def _remarks(run: _Run) -> tuple[str, ...]:
    if not run.malformed:
        return ()
    return (
        f"{run.malformed} simulations broke on a malformed tool call; tau2 leaves them out of "
        "avg_reward, pass^k here counts them as failed.",
    )
