"""The rows of telemetry: facts as they came, counters made of them, scores read off those, and
what callers say."""

from telemetry.models.benchmarks import BenchmarkResult, BenchmarkRun
from telemetry.models.counters import (
    OwnerSlot,
    OwnerUse,
    PreferenceSignal,
    Rollup,
    ServiceRollup,
)
from telemetry.models.facts import (
    HAS_SIGN,
    Attempt,
    AutoExacto,
    FactsKept,
    Generation,
    Outcome,
    QualityGate,
    SpoolPosition,
    Verdict,
    VerdictCount,
)
from telemetry.models.feedback import Feedback, FeedbackSender
from telemetry.models.long_work import LongWork
from telemetry.models.scores import EndpointScore, ScorePoint, Standing
from telemetry.models.spending import DailyUse, Spending
from telemetry.models.verifier import Probe, RequestSet, VerifierRun, VerifierVerdict

__all__ = [
    "HAS_SIGN",
    "Attempt",
    "AutoExacto",
    "BenchmarkResult",
    "BenchmarkRun",
    "DailyUse",
    "EndpointScore",
    "FactsKept",
    "Feedback",
    "FeedbackSender",
    "Generation",
    "LongWork",
    "Outcome",
    "OwnerSlot",
    "OwnerUse",
    "PreferenceSignal",
    "Probe",
    "QualityGate",
    "RequestSet",
    "Rollup",
    "ScorePoint",
    "ServiceRollup",
    "Spending",
    "SpoolPosition",
    "Standing",
    "Verdict",
    "VerdictCount",
    "VerifierRun",
    "VerifierVerdict",
]
