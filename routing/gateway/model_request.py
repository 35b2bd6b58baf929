"""A request to a model, of whatever kind: what the gateway reads of it from plan to facts.

Owns `ModelRequest`, and the reading of what all kinds name alike: models and provider preferences,
with a 400 naming the place. What a chat or an embeddings request is beyond that is its own
module's. The rules others rely on: planning, attempts, bills and facts know this class alone, so
whoever adds a kind of request adds no other way through the gateway; what a kind has not (tools,
sessions, presets) is empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar

import msgspec

from providers.chat import CallLimits, Reply
from routing.errors import ApiError, bad_field
from routing.gateway import strict_json, upstream_body
from routing.gateway.extras import NO_EXTRAS, Extras
from routing.gateway.filters import Needs
from routing.gateway.preferences import (
    AccountWishes,
    PreferenceError,
    Preferences,
    ProviderWishes,
    combined,
    normalise,
)
from routing.gateway.slugs import ModelRef, SlugError, parse_model
from routing.limits import Limits

if TYPE_CHECKING:
    from providers.answers import UpstreamResponse

# Where a request stands in a conversation; unlike ones are not compared (scoring.evidence.TURNS).
Turn = Literal["fresh", "after_tool", "forced"]
# As OpenRouter's benchmark harness sends it; the ids of endpoints are their tags.
PIN_HEADER = "X-OR-Endpoint-Id"
_Envelope = TypeVar("_Envelope", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One checked request. `tool_choice` is auto, none, required, named:<function> or ""."""

    refs: tuple[ModelRef, ...]
    stream: bool
    wishes: Preferences
    needs: Needs
    body: dict[str, Any]
    size: int
    tools: bytes = b""
    tool_count: int = 0
    tool_choice: str = ""
    tool_set: str = ""
    turn: Turn = "fresh"
    extras: Extras = NO_EXTRAS
    preset: str = ""

    # What a model must put out to answer it; one that puts out embeddings is asked for no text.
    output: ClassVar[str] = "text"

    async def read_answer(
        self, response: "UpstreamResponse", limits: Limits, call_limits: CallLimits
    ) -> tuple[dict[str, Any], Reply]:
        """Return what an endpoint's whole answer holds, and the reply it amounts to.

        Raises ProviderError for what is no answer to this request.
        """
        raise NotImplementedError

    @property
    def prompt_tokens(self) -> int:
        """An estimate of what the prompt comes to, for bounds and where nobody counted it."""
        return self.needs.prompt_tokens

    def wishes_for(self, ref: ModelRef) -> Preferences:
        """Return the preferences with the sorting of `ref`'s suffix and its pin, if it has any."""
        wishes = replace(self.wishes, pin=ref.pin) if ref.pin else self.wishes
        if ref.sort is None or wishes.sort is not None:
            return wishes
        # What a request asks for goes before what its account always wants.
        order = () if wishes.account_order else wishes.order
        return replace(wishes, sort=ref.sort, order=order, account_order=False)

    @property
    def router_assigned(self) -> bool:
        """Whether the router alone chose: what scores may count.

        AUTO_EXACTO's order is the router's own, not a wish: it moves traffic between endpoints
        but never tells of a request which endpoint its caller expects to do well. A session does:
        its caller may try names until one leads where it wants, and stay there.
        """
        steered = self.wishes_for(self.refs[0]).steered
        return not (steered or self.extras.session)

    @property
    def pinned(self) -> bool:
        """Whether the caller named who may serve, in whichever way and for whichever model."""
        return self.wishes.pinned or any(ref.pin for ref in self.refs)

    @property
    def named(self) -> tuple[str, ...]:
        """The providers and endpoints that the caller asks for, in whichever way."""
        return (*self.wishes.named, *(ref.pin for ref in self.refs if ref.pin))

    def pinned_to(self, tag: str) -> Self:
        """Return this request for the endpoint of this tag alone; "" for whichever may serve.

        Raises ApiError 400 if the name of a model pins another one.
        """
        if not tag:
            return self
        if any(ref.pin not in ("", tag) for ref in self.refs):
            raise bad_field(PIN_HEADER, "the model names another endpoint; send one of the two")
        return replace(self, wishes=replace(self.wishes, pin=tag))

    def of_account(self, account: AccountWishes) -> "ModelRequest":
        """Return this request with its account's standing preferences."""
        wishes = combined(self.wishes, account)
        return self if wishes is self.wishes else replace(self, wishes=wishes)

    @property
    def gated(self) -> bool:
        """Whether no reply with an invalid tool call may be handed over, if it can be helped."""
        return bool(self.tools) and self.wishes.quality_gate is True

    def path_of(self, ref: ModelRef) -> str:
        """Return where in the body `ref` was named: `model` or `models[0]`."""
        return _path_of_model(ref.requested, self.body.get("model"), self.body.get("models"))

    def upstream_body(
        self,
        upstream_model: str,
        supported: frozenset[str],
        replaced: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the JSON to send to an endpoint that supports these parameters."""
        return upstream_body.upstream_body(
            self.body, upstream_model, supported, stream=self.stream, replaced=replaced
        )


def load_body(body: bytes, limits: Limits) -> dict[str, Any]:
    """Return a body as strict JSON. Raises ApiError 400 naming the place."""
    try:
        raw = strict_json.loads(
            body,
            depth=limits.json_depth,
            tokens=limits.structural_tokens,
            digits=limits.number_digits,
        )
    except strict_json.JsonError as error:
        message = f"The body cannot be read: {error}."
        raise ApiError(400, message, metadata=error.place) from None
    if not isinstance(raw, dict):
        raise bad_field("body", "expected a JSON object")
    return raw


def convert(raw: dict[str, Any], envelope: type[_Envelope]) -> _Envelope:
    """Return the known fields of a body. Raises ApiError 400 naming the one that is wrong."""
    try:
        return msgspec.convert(raw, envelope)
    except msgspec.ValidationError as error:
        # msgspec says "… - at `$.provider.order[0]`": the place is what a caller needs first.
        message, _, place = str(error).partition(" - at `$")
        path = place.rstrip("`").lstrip(".") or "body"
        raise bad_field(path, message[:1].lower() + message[1:]) from None


def read_wishes(provider: ProviderWishes | None, limits: Limits) -> Preferences:
    """Return what the `provider` object wants. Raises ApiError 400 naming the place."""
    try:
        return normalise(provider, max_names=limits.max_preferences)
    except PreferenceError as error:
        raise bad_field(error.path, str(error)) from None


def read_refs(model: str | None, models: list[str] | None, limits: Limits) -> tuple[ModelRef, ...]:
    """Return the models to try in order: `model` first, then `models`, each once."""
    names = [model] if model is not None else []
    names += [name for name in models or () if name not in names]
    if not names:
        raise bad_field("model", "name a model (or models)")
    if len(models or ()) > limits.max_models:
        raise bad_field("models", f"at most {limits.max_models} models")
    return tuple(_ref(name, names, model, models) for name in names)


def _ref(name: str, names: list[str], model: str | None, models: list[str] | None) -> ModelRef:
    try:
        return parse_model(name)
    except SlugError as error:
        raise invalid_model(_path_of_model(name, model, models), f"{error}.", names) from None


def invalid_model(path: str, message: str, requested: list[str]) -> ApiError:
    """Return the 400 for a name that is no model's; of `model` in OpenRouter's own words."""
    return ApiError(
        400,
        message if path == "model" else f"{path}: {message}",
        metadata={"path": path},
        availability={
            "code": "model_not_found",
            "retryable": False,
            "requested_models": [name[:300] for name in requested],
        },
    )


def _path_of_model(name: str, model: object, models: Any) -> str:
    return "model" if name == model else f"models[{models.index(name)}]"
