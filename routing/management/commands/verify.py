"""Verify a model's endpoints: order a run, or go on with one that was broken off, and watch it."""

import signal
import threading
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from providers.models import Endpoint, Model
from routing.gateway import snapshot as snapshots
from routing.verifier import asking, working
from telemetry.benchmarks.bundle import open_bundle
from telemetry.benchmarks.errors import ResultError
from telemetry.benchmarks.k2vv import asked_digest, recorded_calls
from telemetry.models import BenchmarkResult, VerifierRun, VerifierVerdict
from telemetry.verifier import claims, ordering
from telemetry.verifier.ordering import Order, OrderError, Recorded
from telemetry.verifier.request_set import Requests, own_set, read_set

_LOOK_S = 1.0
_SHOWN = (
    "schema_accuracy", "tool_call_error_rate", "trigger_precision", "trigger_recall",
    "tool_call_f1", "tool_choice_compliance", "leaked_tool_text", "success",
    "first_token_ms_median", "cost_usd_mean",
)  # fmt: skip


class Command(BaseCommand):
    help = "Put a request set to a model's endpoints and measure their calls (docs/verifier.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", help="author/slug")
        parser.add_argument(
            "--endpoint", action="append", default=[], metavar="TAG", help="only this one; repeat"
        )
        parser.add_argument("--set", type=Path, metavar="FILE", help="JSONL; default: Assay's own")
        parser.add_argument(
            "--reference",
            metavar="TAG|FILE",
            help="who says when to call: an endpoint, or its recorded results.jsonl",
        )
        parser.add_argument(
            "--order-only", action="store_true", help="leave the work to the worker"
        )

    def handle(self, **options: Any) -> None:
        run = self._order(options)
        if options["order_only"]:
            self.stdout.write(f"Ordered run {run.pk}: {run}. The worker goes on with it.")
            return
        self._work(run)
        run.refresh_from_db()
        self._report(run)

    def _order(self, options: dict[str, Any]) -> VerifierRun:
        model = Model.objects.filter(slug=options["model"]).first()
        if model is None:
            raise CommandError(f"There is no model {options['model']}. Write author/slug.")
        try:
            requests = _requests(options["set"])
            endpoints = [_endpoint(model, tag) for tag in options["endpoint"]]
            reference = _reference(model, requests, options["reference"])
            order = Order(
                model,
                requests,
                VerifierRun.Cause.PERSON,
                endpoints,
                reference,
                asked_by="the command line",
            )
            if not options["order_only"]:
                _refuse_unable(order)
            run, is_new = ordering.place(order)
        except (ResultError, OrderError) as error:
            raise CommandError(f"{error} Nothing was sent.") from None
        how = "New run" if is_new else "Going on with run"
        self.stdout.write(f"{how} {run.pk}: {run.request_set}, {run.probes.count()} requests.")
        return run

    def _work(self, run: VerifierRun) -> None:
        """Work until the run is over or has to wait; Ctrl-C ends what is under way first."""
        stopped = threading.Event()
        former = signal.signal(signal.SIGINT, lambda *_: stopped.set())
        progress = _Progress(run, self)
        try:
            while not stopped.is_set() and _is_open(run):
                if working.work(
                    run, settings.LIMITS, is_over=stopped.is_set, on_progress=progress.step
                ):
                    break
                self.stdout.write("Another process works on this model: waiting for it.")
                time.sleep(_LOOK_S)
        finally:
            signal.signal(signal.SIGINT, former)
        if stopped.is_set():
            self.stdout.write("Stopped; what was under way has ended. The same command goes on.")

    def _report(self, run: VerifierRun) -> None:
        if run.waits_for:
            self.stdout.write(f"The run waits for {run.waits_for}. The same command goes on.")
        how_far = claims.progress(run)
        names = {e.pk: e.tag for e in Endpoint.objects.filter(pk__in=how_far)}
        spent = sum(one.pico for one in how_far.values()) / working.PICODOLLARS
        self.stdout.write(f"Run {run.pk} is {run.get_state_display()}; it cost ${spent:.6f}.")
        for verdict in run.verdicts.select_related("evidence", "endpoint").order_by("pk"):
            self.stdout.write("\n".join(_lines(verdict)))
        if run.state == VerifierRun.State.OPEN:
            for endpoint_id, part in how_far.items():
                sent = part.asked - part.waiting
                self.stdout.write(f"{names[endpoint_id]}: {sent} of {part.asked}")


class _Progress:
    """One line a second at most."""

    def __init__(self, run: VerifierRun, command: Command) -> None:
        self._run = run
        self._command = command
        self._next = 0.0

    def step(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _LOOK_S
        parts = claims.progress(self._run).values()
        asked, waiting = sum(p.asked for p in parts), sum(p.waiting for p in parts)
        self._command.stdout.write(f"{asked - waiting} of {asked} requests")
        self._command.stdout.flush()


def _lines(verdict: VerifierVerdict) -> list[str]:
    """Return what became of one endpoint, for a terminal."""
    if verdict.evidence is None:
        return [f"{verdict.endpoint.tag}:", f"  {verdict.why_none}"]
    figures = {one.metric: one for one in verdict.evidence.results.all()}
    excluded = verdict.evidence.excluded.items()
    return [
        f"{verdict.endpoint.tag}:",
        *(_line(figures[name]) for name in _SHOWN if name in figures),
        *(f"  left out: {number} x {reason}" for reason, number in excluded),
    ]


def _line(one: BenchmarkResult) -> str:
    interval = "" if one.low is None else f" ({one.low:.4g} to {one.high:.4g})"
    return f"  {one.metric:24} {one.value:.4g}{interval} of {one.sample}"


def _refuse_unable(order: Order) -> None:
    """Refuse where an endpoint cannot be asked from this shell: the run would leave it out for
    good, also one that the worker is on."""
    named = {endpoint.pk for endpoint in order.endpoints}
    if named and isinstance(order.reference, Endpoint):
        named.add(order.reference.pk)
    wanted = [one for one in ordering.in_service(order.model) if not named or one.pk in named]
    snapshot = snapshots.build(settings.LIMITS.endpoint_in_flight)
    problems = {asking.problem_of(snapshot, one.provider.slug) for one in wanted} - {""}
    if problems:
        raise CommandError(
            f"{'; '.join(sorted(problems))}. Set what the worker has, or leave it the work with "
            "--order-only, or name other endpoints. Nothing was sent."
        )


def _is_open(run: VerifierRun) -> bool:
    run.refresh_from_db()
    return run.state == VerifierRun.State.OPEN


def _requests(path: Path | None) -> Requests:
    if path is None:
        return own_set()
    requests = read_set(_content(path), path.name)
    asking.check_set(requests, settings.LIMITS)
    return requests


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None


def _endpoint(model: Model, tag: str) -> Endpoint:
    tags = {one.tag: one for one in model.endpoints.select_related("model", "provider")}
    if tag not in tags:
        raise CommandError(f"{model} has no endpoint {tag}. It has: {', '.join(sorted(tags))}.")
    return tags[tag]


def _reference(model: Model, requests: Requests, told: str | None) -> Endpoint | Recorded | None:
    """Return the reference: a file if there is one of that name, else an endpoint."""
    if told is None:
        return None
    path = Path(told)
    if not path.is_file():
        return _endpoint(model, told)
    bundle = open_bundle([(path.name, _content(path))])
    asked = {one.number: asked_digest(one.body) for one in requests.requests}
    return Recorded(bundle.identity()[:16], recorded_calls(bundle, asked))
