"""The rows of telemetry: facts as they came, counters made of them, and scores read off those."""

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
    Generation,
    Outcome,
    QualityGate,
    SpoolPosition,
    Verdict,
    VerdictCount,
)
from telemetry.models.scores import EndpointScore, ScorePoint, Standing

__all__ = [
    "HAS_SIGN",
    "Attempt",
    "AutoExacto",
    "BenchmarkResult",
    "BenchmarkRun",
    "EndpointScore",
    "Generation",
    "Outcome",
    "OwnerSlot",
    "OwnerUse",
    "PreferenceSignal",
    "QualityGate",
    "Rollup",
    "ScorePoint",
    "ServiceRollup",
    "SpoolPosition",
    "Standing",
    "Verdict",
    "VerdictCount",
]
