"""What is said of `openrouter_metadata`, which is in answers and in errors."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from telemetry.models import AutoExacto, Outcome, QualityGate, Standing, Verdict


class RoutedEndpoint(Struct):
    provider: str
    model: str
    endpoint: str
    standing: Standing
    selected: bool
    is_byok: bool | UnsetType = UNSET


class RoutedEndpoints(Struct):
    total: int
    available: list[RoutedEndpoint]


class Tried(Struct):
    """One attempt. `status` is 0 where there was no answer to have one."""

    provider: str
    model: str
    endpoint: str
    status: int
    outcome: Outcome | None
    probability: float
    is_byok: bool | UnsetType = UNSET
    verdict: Verdict | UnsetType = UNSET
    signs: list[str] | UnsetType = UNSET
    withheld: bool | UnsetType = UNSET


class Unused(Struct):
    """An endpoint that was not asked, and why."""

    provider: str
    endpoint: str
    model: str
    reason: str


class RoutingParams(Struct):
    snapshot: int | UnsetType = UNSET
    allowlists: dict[str, int | None] | UnsetType = UNSET
    auto_exacto: AutoExacto | UnsetType | None = UNSET
    not_used: list[Unused] | UnsetType = UNSET
    preset: str | UnsetType = UNSET
    ignored_plugins: list[str] | UnsetType = UNSET
    sticky: dict[str, str] | UnsetType | None = UNSET


class PipelineStep(Struct):
    """Something that was done to the prompt before it was sent, or to the answer after."""

    type: str
    name: str
    summary: str
    data: dict[str, Any]


class RoutingMetadata(Struct):
    """Why the request went where it went."""

    requested: str
    strategy: Literal["direct", "fallback"]
    region: str | None
    summary: str
    attempt: int
    is_byok: bool
    allowlist_version: int | None
    endpoints: RoutedEndpoints
    attempts: list[Tried]
    params: RoutingParams
    quality_gate: QualityGate | UnsetType = UNSET
    pipeline: list[PipelineStep] | UnsetType = UNSET
