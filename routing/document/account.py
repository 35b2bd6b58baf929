"""What is said of a key's own account: its limits, preferences, credits and activity."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from routing.api.account import AccountPreferencesView, WantedPreferences
from routing.api.key import KeyView
from routing.api.spending import ActivityView, CreditsView
from routing.document.operation import Answer, Operation, query

TAG = "Account"
_Reset = Literal["daily", "weekly", "monthly"]


class Preferences(Struct):
    """What an account always wants of providers."""

    only: list[str]
    ignore: list[str]
    order: list[str]
    auto_exacto: Literal["off", "on"] | None
    quality_gate: bool
    changed_at: datetime | None


class RateLimit(Struct):
    requests: Annotated[int, Meta(description="-1: no limit.")]
    interval: str
    note: str


class FreeRequests(Struct):
    limit: int
    remaining: int
    used: int


class Money(Struct):
    """What a key has spent and may spend, in USD."""

    usage: float
    usage_daily: float
    usage_weekly: float
    usage_monthly: float
    byok_usage: float
    byok_usage_daily: float
    byok_usage_weekly: float
    byok_usage_monthly: float
    limit: float | None
    limit_remaining: float | None
    limit_reset: _Reset | None
    include_byok_in_limit: bool
    creator_user_id: str | None


class OwnKey(Money):
    """What a key is told of itself."""

    label: str
    expires_at: datetime | None
    rate_limit: RateLimit
    is_free_tier: bool
    is_management_key: bool
    is_provisioning_key: bool
    organization_id: str | None
    workspace_id: str | None
    allowed_data_regions: list[str]
    budgets: list[Any]
    effective_budget: dict[str, Any] | None
    free_model_daily_requests: FreeRequests


class Credits(Struct):
    """An `unlimited` account always has the same credit left."""

    total_credits: float
    total_usage: float
    unlimited: bool


class Activity(Struct):
    """What one endpoint was used for on one day (UTC)."""

    date: date
    model: str
    model_permaslug: str
    endpoint_id: str
    provider_name: str
    usage: float
    byok_usage_inference: float
    requests: int
    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cached_tokens: int
    workspace_id: str


OPERATIONS = (
    Operation(
        view=AccountPreferencesView,
        method="GET",
        id="getAccountPreferences",
        tag=TAG,
        summary="Say what the account always wants",
        answers=(Answer(Preferences, "The preferences.", data=True),),
    ),
    Operation(
        view=AccountPreferencesView,
        method="PUT",
        id="setAccountPreferences",
        tag=TAG,
        summary="Replace what the account always wants",
        description="A field left out has its default again.",
        body=WantedPreferences,
        examples={"Without one provider": {"ignore": ["cobalt"], "order": ["amber/fp8"]}},
        answers=(Answer(Preferences, "The preferences from now on.", data=True),),
    ),
    Operation(
        view=KeyView,
        method="GET",
        id="getCurrentKey",
        ids={"/api/v1/auth/key": "getCurrentKeyByOlderAddress"},
        tag=TAG,
        summary="Say what the key may do and has spent",
        answers=(Answer(OwnKey, "The key.", data=True),),
    ),
    Operation(
        view=CreditsView,
        method="GET",
        id="getCredits",
        tag=TAG,
        summary="Say what the account may spend and has spent",
        description="Management keys only.",
        answers=(Answer(Credits, "The credits.", data=True),),
    ),
    Operation(
        view=ActivityView,
        method="GET",
        id="getUserActivity",
        tag=TAG,
        summary="List what the account has used by day and endpoint",
        description="Management keys only. The last 30 days but today, which is not over.",
        parameters=(
            query("date", date, "Only this day (UTC) of the last 30, or today."),
            query("api_key_hash", str, "Only this key's, by its `hash`."),
        ),
        answers=(Answer(list[Activity], "The rows, newest first.", data=True),),
        errors=(404,),
    ),
)
