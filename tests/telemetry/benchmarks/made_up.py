"""Small made-up result files, whole until a test breaks them; and the shared real ones, opened."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from telemetry.benchmarks.bundle import Bundle, open_bundle
from telemetry.benchmarks.formats import read
from telemetry.benchmarks.reading import Figure, Reading

PIN = {"provider": {"only": ["cobalt"], "allow_fallbacks": False}}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def shared(folder: Path, *names: str) -> Bundle:
    """Open files, and folders whole, of the shared data."""
    given = []
    for name in names:
        path = folder / name
        files = [f for f in sorted(path.rglob("*")) if f.is_file()] if path.is_dir() else [path]
        given += [(file.relative_to(folder).as_posix(), file.read_bytes()) for file in files]
    return open_bundle(given)


def one(value: Any, name: str = "results.json") -> Bundle:
    return open_bundle([(name, json.dumps(value).encode())])


def jsonl(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def figure(reading: Reading, metric: str) -> Figure:
    return {figure.metric: figure for figure in reading.figures}[metric]


def read_one(value: Any) -> Reading:
    return read(one(value))


# Inspect


def reply(*calls: dict[str, Any], text: str = "") -> dict[str, Any]:
    return {
        "role": "assistant", "source": "generate", "model": "m", "content": text,
        "tool_calls": [{"type": "function", "arguments": {}, **call} for call in calls],
    }  # fmt: skip


def refused(id: str, message: str) -> dict[str, Any]:
    """A tool's answer to a call that Inspect could not make."""
    error = {"type": "parsing", "message": message}
    return {"role": "tool", "tool_call_id": id, "content": "", "error": error}


def sample(id: str, value: Any = "C", *messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = messages or (reply({"id": "call-1", "function": "get_weather"}),)
    return {
        "id": id, "epoch": 1, "input": f"Question {id}", "target": "42",
        "messages": [{"role": "user", "content": "?"}, *said],
        "scores": {"judge": {"value": value}}, **more,
    }  # fmt: skip


def inspect_log(*samples: dict[str, Any], accuracy: float = 1.0, **more: Any) -> dict[str, Any]:
    score = {"name": "judge", "scored_samples": len(samples), "unscored_samples": 0}
    metrics = {"accuracy": {"value": accuracy}, "stderr": {"value": 0.1}}
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": "e1", "created": "2026-11-01T10:00:00+00:00", "task": "weather",
            "task_version": 0,
            "model": "openrouter/acme/falcon-1", "model_args": {"only": "cobalt"},
            "task_args": {"grader_model": "openai/judge-1"}, "packages": {"inspect_ai": "0.3.285"},
            "config": {"epochs": 1},
        },
        "results": {
            "total_samples": len(samples),
            "completed_samples": len(samples),
            "scores": [{**score, "metrics": metrics}],
        },
        "stats": {"completed_at": "2026-11-01T10:05:00+00:00"},
        "samples": list(samples),
        **more,
    }  # fmt: skip


def archive_of(log: dict[str, Any], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The same log as `.eval`."""
    header = {name: value for name, value in log.items() if name != "samples"}
    files = {"_journal/start.json": b"{}"}
    for one in log["samples"]:
        files[f"samples/{one['id']}_epoch_{one['epoch']}.json"] = json.dumps(one).encode()
    return zipped({**files, "header.json": json.dumps(header).encode()}, method)


# tau2-bench


def simulation(task: str, trial: int, reward: float | None = 1.0, **more: Any) -> dict[str, Any]:
    call = {"id": "call-1", "name": "get_order", "arguments": {}, "requestor": "assistant"}
    judged = {"reward": reward, "reward_basis": ["DB", "COMMUNICATE"]}
    return {
        "id": f"{task}-{trial}", "task_id": task, "trial": trial,
        "termination_reason": "user_stop",
        "reward_info": None if reward is None else judged,
        "messages": [
            {"role": "assistant", "content": "Hi! How can I help?"},
            {"role": "user", "content": "Where is my order?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "id": "call-1", "content": "{}", "error": False},
            {"role": "assistant", "content": "On its way."},
        ],
        **more,
    }  # fmt: skip


def broken(task: str, trial: int, kind: str, *frames: str) -> dict[str, Any]:
    """A simulation that 1.x files under infrastructure errors; a frame is "path:function"."""
    places = [frame.rsplit(":", 1) for frame in frames]
    traceback = "Traceback (most recent call last):\n" + "".join(
        f'  File "{path}", line 1, in {function}\n    x\n' for path, function in places
    )
    info = {"error": "it broke", "error_type": kind, "error_traceback": traceback}
    reason = "infrastructure_error"
    return simulation(task, trial, None, termination_reason=reason, messages=[], info=info)


def tau2_run(*simulations: dict[str, Any], tasks: int = 1, trials: int = 1) -> dict[str, Any]:
    return {
        "timestamp": "2026-11-01T10:00:00.000001",
        "info": {
            "git_commit": "unknown",
            "num_trials": trials,
            "user_info": {"implementation": "user_simulator", "llm": "openai/user-1"},
            "agent_info": {
                "llm": "openai/acme/falcon-1",
                "llm_args": {"api_key": "sk-secret-of-somebody", "extra_body": PIN},
            },
            "environment_info": {"domain_name": "retail"},
        },
        "tasks": [{"id": str(number)} for number in range(tasks)],
        "simulations": list(simulations),
    }


# K2 Vendor Verifier


def row(index: int, valid: bool | None = True, **more: Any) -> dict[str, Any]:
    function = {"name": "get_weather", "arguments": '{"city":"Oslo"}'}
    message = {"role": "assistant", "tool_calls": [{"id": "c", "function": function}]}
    finish = "stop" if valid is None else "tool_calls"
    return {
        "data_index": index,
        "request": {
            "model": "acme/falcon-1",
            "messages": [{"role": "user", "content": f"Weather {index}?"}],
            "tools": [{"function": {"name": "get_weather", "parameters": CITY}}],
        },
        "extra_body": PIN,
        "response": {"choices": [{"message": message, "finish_reason": finish}]},
        "status": "success", "finish_reason": finish, "tool_calls_valid": valid,
        "last_run_at": "2026-11-01T10:00:00.5", "duration_ms": 10, "hash": f"h{index}", **more,
    }  # fmt: skip


def failed_row(index: int) -> dict[str, Any]:
    nothing = {"status": "failed", "finish_reason": None, "tool_calls_valid": None}
    return {**row(index), "response": {"error": "Connection error."}, **nothing}


# Kimi Vendor Verifier


def probe(status: str = "passed", *asserted: str) -> dict[str, Any]:
    source = '    assert response.accepted, "tool schema rejected: arguments validation failed"\n'
    message = source + "".join(f"E       {line}\n" for line in asserted) if asserted else ""
    return {"suite": "TestA", "line": 1, "mode": "stream", "schema": CITY, "status": status,
            "message": message}  # fmt: skip


def kvv_report(*probes: dict[str, Any], **more: Any) -> dict[str, Any]:
    statuses = [probe["status"] for probe in probes]
    return {
        "generated_at": "2026-11-01T10:00:00+00:00", "model": "acme/falcon-1",
        "tool_name": "kvv_walle_case", "dry_run": False, "modes": ["stream"],
        "selected_cases": [{"schema": CITY}], "results": list(probes),
        "summary": {"by_status": {status: statuses.count(status) for status in set(statuses)}},
        **more,
    }  # fmt: skip


# BFCL


def bfcl_score(total: int, *failed: dict[str, Any]) -> bytes:
    correct = total - len(failed)
    first = {"accuracy": correct / total, "correct_count": correct, "total_count": total}
    return jsonl([first, *failed])


def bfcl_failure(id: str, kind: str, raw: Any, category: str = "simple_python") -> dict[str, Any]:
    functions = [{"name": "math.sqrt", "parameters": {"type": "dict"}}]
    return {
        "id": id, "model_name": "falcon-1-FC", "test_category": category, "valid": False,
        "error": ["wrong"], "error_type": kind, "prompt": {"id": id, "function": functions},
        "model_result_raw": raw,
    }  # fmt: skip


def bfcl_answer(id: str, result: Any) -> dict[str, Any]:
    return {"id": id, "result": result, "latency": 0.1}


# OpenRouter's harness


def harness_sample(id: str, value: str, epoch: int = 0, explanation: str = "") -> dict[str, Any]:
    return {"sampleId": id, "epoch": epoch, "value": value, "explanation": explanation}


def harness(accuracy: float, *samples: dict[str, Any]) -> dict[str, Any]:
    return {
        "benchmark": "tau_bench_verified_airline", "model": "acme/falcon-1", "sessionId": "s",
        "accuracy": accuracy, "totalQuestions": len(samples), "correctAnswers": 1, "usage": {},
        "sampleScores": list(samples),
    }  # fmt: skip
