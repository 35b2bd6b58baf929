"""Kimi Vendor Verifier: the report of its tool-call JSON-schema tests, one forced call per probe.

Owns telling from a probe's message whether the call was bad, the schema was refused, or the probe
never reached the endpoint. The rule others rely on: only the assertion's own lines are looked at,
as a message also quotes the test's source. Read: the report of the verifier at 3dad65a (2026).
"""

import re
from collections import Counter
from dataclasses import dataclass, field

from telemetry.benchmarks.errors import NoEvidence
from telemetry.benchmarks.fields import Field, clean, digest
from telemetry.benchmarks.reading import Reading, call_figures, rate

FORMAT = "Kimi Vendor Verifier report"
SUITE = "kvv tool-call schemas"
_ASSERTED = re.compile(r"^E[ \t]+(.*)$", re.M)
_BAD_CALL = "arguments validation failed"
_NO_ANSWER = re.compile(
    r"APIConnectionError|APITimeoutError|Connection error|timed out|RateLimitError"
    r"|InternalServerError|AuthenticationError|PermissionDeniedError|NotFoundError"
    r"|[Ee]rror code: (?:401|402|403|404|408|429|5\d\d)"
)
_REFUSED = re.compile(r"tool schema rejected|BadRequestError|[Ee]rror code: 4\d\d")


def is_report(root: Field) -> bool:
    return root.has("tool_name", "modes", "summary", "results")


@dataclass(slots=True)
class _Probes:
    """Probes by how they went; `excluded` by reason."""

    passed: int = 0
    bad_calls: int = 0
    refused: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)

    def add(self, probe: Field) -> None:
        status = probe.get("status").text(limit=20)
        self.statuses[status] += 1
        if status == "passed":
            self.passed += 1
        elif status == "failed":
            self._blame(probe.get("message").raw_text())
        else:
            self.excluded[f"probe {status or 'without status'}"] += 1

    def _blame(self, message: str) -> None:
        asserted = "\n".join(_ASSERTED.findall(message)) or message
        if _BAD_CALL in asserted:
            self.bad_calls += 1
        elif _NO_ANSWER.search(asserted):
            self.excluded["no answer"] += 1
        elif _REFUSED.search(asserted):
            self.refused += 1
        else:
            self.excluded["client library failed"] += 1


def read_report(root: Field) -> Reading:
    """Return what a report says. Raises ResultError."""
    if root.dig("dry_run").value is True:
        raise NoEvidence(root.file, "dry_run", "nothing was sent", "Run it without --dry-run.")
    probes = _Probes()
    for probe in root.get("results").items():
        probes.add(probe)
    _compare(root, probes)
    tried = probes.passed + probes.bad_calls + probes.refused
    if not tried:
        reasons = ", ".join(f"{n} x {why}" for why, n in probes.excluded.items()) or "no probes"
        problem = f"no probe says anything of the endpoint ({reasons})"
        raise NoEvidence(root.file, "results", problem, "Look at the endpoint, and run again.")
    return _reading(root, probes, tried)


def _reading(root: Field, probes: _Probes, tried: int) -> Reading:
    calls = probes.passed + probes.bad_calls
    kinds = {"schema_mismatch": probes.bad_calls} if probes.bad_calls else {}
    cases = list(root.get("selected_cases").items()) or list(root.get("results").items())
    modes = sorted(mode.text(limit=20) for mode in root.get("modes").items())
    return Reading(
        format=FORMAT,
        suite=SUITE,
        suite_version="",
        judge="",
        request_set=digest([modes, sorted(digest(case.dig("schema").value) for case in cases)]),
        subject=root.get("model").name(),
        measured_at=root.get("generated_at").moment(),
        replies=tried,
        tool_calls=calls,
        failures=probes.bad_calls,
        figures=(
            *rate("passed", probes.passed, tried),
            *call_figures(calls, probes.bad_calls, kinds),
        ),
        identity=digest(root.value),
        excluded=dict(probes.excluded),
        remarks=_remarks(probes),
    )


def _compare(root: Field, probes: _Probes) -> None:
    told = root.get("summary").get("by_status")
    for status in told.object():
        count = told.get(status)
        if count.count() != probes.statuses[clean(status, 20)]:
            problem = (
                f"the summary says {count.count()}, the results give {probes.statuses[status]}"
            )
            raise count.fault(problem, "Import the report as the verifier wrote it.")


def _remarks(probes: _Probes) -> tuple[str, ...]:
    if not probes.refused:
        return ()
    return (f"{probes.refused} probes were refused or got no call: not passed, but no bad call.",)
