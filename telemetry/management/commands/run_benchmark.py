"""Run an official benchmark program against the gateway, pinned to one endpoint; import the result.

Owns what a person is asked and told, and the folder of the run, which is deleted unless it is to
be kept: it holds prompts and answers.
"""

import os
import shutil
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import now

from providers.models import Endpoint
from telemetry.benchmarks.errors import ResultError
from telemetry.benchmarks.importing import Order, import_run
from telemetry.benchmarks.programs import PROGRAMS, Errand, Program, environment, samples_done
from telemetry.benchmarks.tau2 import MALFORMED
from telemetry.benchmarks.watching import Failed, log_end, watch
from telemetry.long_work import long_work
from telemetry.management.commands.import_benchmark import bundle_of, endpoint_named, summary_of
from telemetry.models import LongWork

KEY = "ASSAY_BENCHMARK_KEY"
_MOST = 10_000  # tasks, trials, requests at once, minutes
_ASK_S = 10.0
_CURE = "Run it with --keep FOLDER and look at program.log there."


class Command(BaseCommand):
    help = "Run tau2-bench or OpenBench for endpoints, one by one, and import the results."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("program", choices=sorted(PROGRAMS))
        parser.add_argument("set", help="tau2: a domain; openbench: a benchmark, or a local folder")
        parser.add_argument("--endpoint", required=True, nargs="+", metavar="MODEL@TAG")
        parser.add_argument(
            "--helper", default="", metavar="MODEL", help="plays the user, or grades"
        )
        parser.add_argument("--tasks", type=int, default=0, help="how many; default: all")
        parser.add_argument("--trials", type=int, default=1, help="of each task")
        parser.add_argument("--at-once", type=int, default=3)
        parser.add_argument("--minutes", type=float, default=120.0, help="then it is ended")
        parser.add_argument(
            "--gateway", default=f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"
        )
        parser.add_argument("--executable", help="where the official program is")
        parser.add_argument("--yes-network", action="store_true", help="it may ask other hosts")
        parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what it wrote here")

    def handle(self, **options: Any) -> str:
        _refuse_odd(options)
        program = PROGRAMS[options["program"]]
        endpoints = [endpoint_named(name) for name in dict.fromkeys(options["endpoint"])]
        for endpoint in endpoints:
            _refuse_ambiguous(endpoint)
        key = os.environ.get(KEY, "")
        with _folder(options["keep"]) as folder:
            errands = [_errand(one, _place(folder, one, endpoints), options) for one in endpoints]
            _refuse_unready(program, errands[0], key, is_allowed=options["yes_network"])
            executable = _executable(program, options["executable"])
            said = [
                self._tried(program, endpoint, errand, executable, key, options["minutes"])
                for endpoint, errand in zip(endpoints, errands, strict=True)
            ]
        if failed := [str(one) for one in said if isinstance(one, CommandError)]:
            done = [one for one in said if isinstance(one, str)]
            raise CommandError("\n".join([*done, *failed]))
        return "\n".join(map(str, said))

    def _tried(
        self,
        program: Program,
        endpoint: Endpoint,
        errand: Errand,
        executable: str,
        key: str,
        minutes: float,
    ) -> str | CommandError:
        """Run and import one; what goes wrong there is no reason to leave out the others."""
        command = [executable, *program.arguments(errand)]
        variables = environment(program, errand.gateway, key, os.environ)
        try:
            self._run(program, errand, command, variables, minutes)
            return self._import(program, endpoint, errand.folder)
        except CommandError as error:
            return CommandError(f"{errand.model}@{errand.tag}: {error}")

    def _run(
        self,
        program: Program,
        errand: Errand,
        command: list[str],
        variables: dict[str, str],
        minutes: float,
    ) -> None:
        self.stdout.write(
            f"{program.name} runs {errand.suite_set} against {errand.model}, pinned to "
            f"{errand.tag}; at most {minutes:g} minutes. Its requests are billed like any other."
        )

        def look(seconds: float) -> None:
            done = samples_done(program, errand.folder)
            self.stdout.write(f"{seconds:.0f} s, {done} samples written")
            self.stdout.flush()
            tell(done)

        try:
            with _ended_by_sigterm(), _shown(program, errand) as tell:
                watch(command, variables, errand.folder, minutes * 60, look)
        except Failed as error:
            why = _why(program, error, errand.folder)
            raise CommandError(
                f"{program.name} {error}{why}. Nothing was stored. {_CURE}"
            ) from None
        except OSError as error:
            raise CommandError(f"{command[0]} cannot be started: {error.strerror}.") from None

    def _import(self, program: Program, endpoint: Endpoint, folder: Path) -> str:
        files = sorted(folder.glob(program.results))
        if not files:
            raise CommandError(
                f"{program.name} ended well and wrote no {program.results}. Nothing was stored."
            )
        try:
            order = Order(endpoint, bundle_of(files), now(), origin="run_benchmark")
            imported = import_run(order)
        except ResultError as error:
            raise CommandError(f"{error} Nothing was stored.") from None
        for warning in imported.warnings:
            self.stderr.write(warning, self.style.WARNING)
        return summary_of(imported, rehearsed=False)


def _shown(program: Program, errand: Errand) -> AbstractContextManager[Callable[[int], None]]:
    # A local set is told by its folder's name: where it lies is nobody's business.
    of = f"{program.name} {Path(errand.suite_set).name} at {errand.model}@{errand.tag}"
    samples = errand.tasks * errand.trials  # without --tasks the program knows how many, not we
    return long_work(LongWork.Kind.BENCHMARK, of, unit="samples", asked=samples)


def _why(program: Program, error: Failed, folder: Path) -> str:
    """Return whose doing it was, as far as the traceback tells."""
    if not error.exception:
        return ""
    text = log_end(folder).decode(errors="replace")
    blamed = program.blame(error.exception, text[text.rfind("Traceback (most recent") :])
    if blamed == MALFORMED:
        return ": a tool call of the endpoint cannot be read, and it goes no further than that"
    return f": {blamed}" if blamed else ""


def _place(folder: Path, endpoint: Endpoint, endpoints: list[Endpoint]) -> Path:
    """Return where an endpoint's run writes: of several, each has a folder of its own."""
    if len(endpoints) == 1:
        return folder
    place = folder / f"{endpoint.model.slug}@{endpoint.tag}".replace("/", "_")
    place.mkdir()
    return place


def _errand(endpoint: Endpoint, folder: Path, options: dict[str, Any]) -> Errand:
    local = Path(options["set"])
    return Errand(
        model=endpoint.model.slug,
        tag=endpoint.tag,
        gateway=f"{options['gateway'].rstrip('/')}/api/v1",
        suite_set=str(local.resolve()) if local.exists() else options["set"],
        folder=folder,
        helper=options["helper"],
        tasks=options["tasks"],
        trials=options["trials"],
        at_once=options["at_once"],
    )


def _refuse_odd(options: dict[str, Any]) -> None:
    for name, least in (("tasks", 0), ("trials", 1), ("at_once", 1)):
        if not least <= options[name] <= _MOST:
            said = f"--{name.replace('_', '-')} {options[name]}"
            raise CommandError(f"{said}: give a number from {least} to {_MOST}.")
    if not 0 < options["minutes"] <= _MOST:
        said = f"--minutes {options['minutes']:g}"
        raise CommandError(f"{said}: give more than 0, and at most {_MOST}.")


def _refuse_ambiguous(endpoint: Endpoint) -> None:
    """Refuse a tag that is also the name of a provider with more endpoints of the model."""
    same = endpoint.model.endpoints.filter(provider__slug=endpoint.tag).exclude(pk=endpoint.pk)
    if others := sorted(same.values_list("tag", flat=True)):
        raise CommandError(
            f"provider.only: [{endpoint.tag}] also lets in {', '.join(others)}: nobody would know "
            "whom the run measured. Give the endpoint a tag that says more."
        )


def _refuse_unready(program: Program, errand: Errand, key: str, *, is_allowed: bool) -> None:
    if program.helper and not errand.helper:
        raise CommandError(f"{program.name} needs a model that {program.helper}: --helper MODEL.")
    if (why := program.network(errand)) and not is_allowed:
        raise CommandError(f"{why}: add --yes-network if it may. Nothing was sent.")
    if not key:
        raise CommandError(f"Set {KEY} to a key made for benchmarks (manage.py create_key).")
    _ask(errand.gateway, key)


def _ask(gateway: str, key: str) -> None:
    """Ask the gateway about the key, before a program is started that tells less clearly."""
    if not gateway.startswith(("http://", "https://")):
        raise CommandError(f"--gateway {gateway}: write http://HOST:PORT.")
    request = urllib.request.Request(  # noqa: S310  # its scheme is looked at above
        f"{gateway}/key", headers={"Authorization": f"Bearer {key}"}
    )
    try:
        urllib.request.urlopen(request, timeout=_ASK_S).close()  # noqa: S310  # as above
    except urllib.error.HTTPError as error:
        raise CommandError(f"{gateway} refuses the key in {KEY}: {error.code}.") from None
    except OSError as error:
        raise CommandError(
            f"{gateway} does not answer ({error}). Start it, or --gateway."
        ) from None


def _executable(program: Program, named: str | None) -> str:
    """Return the program, installed beside this Python or found on PATH."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    if found := shutil.which(named or program.executable, path=os.pathsep.join(places)):
        return str(Path(found).absolute())
    raise CommandError(
        f"{program.name} is not installed (no {named or program.executable}). Install the extra "
        f"assay[{program.extra}] in an environment of its own and name it with --executable "
        "(docs/benchmarks.md)."
    )


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Give an empty folder for the run, deleted afterwards unless it is to be kept."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="assay-benchmark-") as name:
            yield Path(name)
        return
    keep.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise CommandError(f"{keep} is not empty: name a new folder for each run.")
    yield keep.resolve()


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the program too, as Ctrl-C does: by an exception."""

    def leave(*_: object) -> None:
        raise SystemExit("Ended. Nothing was stored.")

    former = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
