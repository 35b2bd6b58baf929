"""The clients, each with what it cannot do and how it spells what it sees.

Every exception to what scenarios.py expects is written here, with its reason, and is checked: a
client that has learned what it could not do fails its test until the reason is taken away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

EVERYTHING = frozenset({"id", "model", "provider", "usage", "cost"})
_NO_PROVIDER = EVERYTHING - {"provider"}
_LOOKING_UP = frozenset({"models", "endpoints", "key", "generation"})
# Other APIs than chat: a client that has one says so.
_TEXT = frozenset({"text", "stream_text"})
_BESIDE_CHAT = _TEXT | {"embed"}

# Of /responses: a status instead of a finish reason, and the event that ends a broken stream.
_STATUSES = {"stop": "completed", "tool_calls": "completed"}
_FAILED = {502: "response.failed"}


@dataclass(frozen=True, slots=True)
class Client:
    """A client and the script in drivers/ that drives it.

    runs: what runs the script: `node`, or a line of python/, or nothing for the tests' own Python.
    shows: which of EVERYTHING its answers show (streams_show: its streams, if less). lacks: calls
    it does not have; also: those of _BESIDE_CHAT that it has. errors: its class per status; 502 is
    what breaks a stream. words: its finish reasons where they are not OpenAI's.
    differs: scenarios that go otherwise, and why. is_pinned: whether a lock file says its version.
    """

    name: str
    title: str
    script: str
    runs: str = ""
    arguments: tuple[str, ...] = ()
    shows: frozenset[str] = EVERYTHING
    streams_show: frozenset[str] | None = None
    lacks: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()
    errors: Mapping[int, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    differs: Mapping[str, str] = field(default_factory=dict)
    is_pinned: bool = True

    def has(self, operation: str) -> bool:
        return operation not in self.lacks | (_BESIDE_CHAT - self.also)


CLIENTS = (
    Client(
        name="curl",
        title="curl",
        script="curl",
        is_pinned=False,
        also=_BESIDE_CHAT,
        errors={404: "Refused", 401: "Refused", 502: "a chunk"},
    ),
    Client(
        name="openrouter-sdk-0",
        title="`@openrouter/sdk`",
        script="openrouter_sdk.mjs",
        runs="node",
        arguments=("0",),
        shows=_NO_PROVIDER - {"cost"},
        also=_BESIDE_CHAT - {"stream_text"},
        errors={404: "OpenRouterDefaultError", 401: "ChatError", 502: "a chunk"},
        differs={"provider preferences": "It does not send `provider`; the suffix holds."},
    ),
    Client(
        name="openrouter-sdk-1",
        title="`@openrouter/sdk`",
        script="openrouter_sdk.mjs",
        runs="node",
        arguments=("1",),
        shows=_NO_PROVIDER,
        also=frozenset({"embed"}),
        errors={404: "NotFoundResponseError", 401: "UnauthorizedResponseError", 502: "a chunk"},
    ),
    Client(
        name="openrouter-python-0",
        title="`openrouter`",
        script="openrouter_python",
        runs="openrouter-0",
        shows=_NO_PROVIDER,
        also=frozenset({"embed"}),
        errors={404: "NotFoundResponseError", 401: "UnauthorizedResponseError", 502: "a chunk"},
    ),
    Client(
        name="openrouter-python-1",
        title="`openrouter`",
        script="openrouter_python",
        runs="openrouter-1",
        shows=_NO_PROVIDER,
        also=frozenset({"embed"}),
        errors={404: "NotFoundResponseError", 401: "UnauthorizedResponseError", 502: "a chunk"},
    ),
    Client(
        name="openai-python",
        title="`openai` (Python)",
        script="openai_python",
        runs="openrouter-1",
        lacks=_LOOKING_UP - {"models"},
        also=_BESIDE_CHAT,
        errors={404: "NotFoundError", 401: "AuthenticationError", 502: "APIError"},
    ),
    Client(
        name="openai-js",
        title="`openai` (npm)",
        script="openai_js.mjs",
        runs="node",
        lacks=_LOOKING_UP - {"models"},
        also=_BESIDE_CHAT,
        errors={404: "NotFoundError", 401: "AuthenticationError", 502: "APIError"},
    ),
    Client(
        name="ai-sdk",
        title="`@openrouter/ai-sdk-provider`",
        script="ai_sdk.mjs",
        runs="node",
        lacks=_LOOKING_UP,
        words={"tool_calls": "tool-calls"},
        errors={404: "AI_APICallError", 401: "AI_APICallError", 502: "an object"},
    ),
    Client(
        name="langchain",
        title="`langchain-openrouter`",
        script="langchain",
        runs="openrouter-0",
        shows=_NO_PROVIDER,
        lacks=_LOOKING_UP,
        errors={404: "NotFoundResponseError", 401: "UnauthorizedResponseError", 502: ""},
        differs={
            "error in mid-stream": "It raises nothing: the finish reason is `error`, no more."
        },
    ),
    Client(
        name="pydantic-ai",
        title="`pydantic-ai-slim`",
        script="pydantic_agent",
        runs="openrouter-1",
        lacks=_LOOKING_UP,
        words={"tool_calls": "tool_call"},
        errors={
            404: "ModelNotFoundError",
            401: "ModelAuthenticationError",
            502: "ModelServerError",
        },
    ),
    Client(
        name="litellm",
        title="`litellm`",
        script="litellm_client",
        runs="openrouter-1",
        streams_show=_NO_PROVIDER,
        lacks=_LOOKING_UP,
        also=_BESIDE_CHAT,
        errors={404: "NotFoundError", 401: "AuthenticationError", 502: "MidStreamFallbackError"},
    ),
    Client(
        name="openrouter-sdk-0-responses",
        title="`@openrouter/sdk` on /responses",
        script="openrouter_responses.mjs",
        runs="node",
        arguments=("0",),
        shows=_NO_PROVIDER,
        lacks=_LOOKING_UP,
        words=_STATUSES,
        errors={404: "NotFoundResponseError", 401: "UnauthorizedResponseError"} | _FAILED,
    ),
    Client(
        name="openrouter-sdk-1-responses",
        title="`@openrouter/sdk` on /responses",
        script="openrouter_responses.mjs",
        runs="node",
        arguments=("1",),
        shows=_NO_PROVIDER,
        lacks=_LOOKING_UP,
        words=_STATUSES,
        errors={404: "NotFoundResponseError", 401: "UnauthorizedResponseError"} | _FAILED,
    ),
    Client(
        name="openrouter-python-0-responses",
        title="`openrouter` on /responses",
        script="openrouter_responses",
        runs="openrouter-0",
        shows=_NO_PROVIDER,
        lacks=_LOOKING_UP,
        words=_STATUSES,
        errors={404: "NotFoundResponseError", 401: "UnauthorizedResponseError"} | _FAILED,
    ),
    Client(
        name="openrouter-python-1-responses",
        title="`openrouter` on /responses",
        script="openrouter_responses",
        runs="openrouter-1",
        shows=_NO_PROVIDER,
        lacks=_LOOKING_UP,
        words=_STATUSES,
        errors={404: "NotFoundResponseError", 401: "UnauthorizedResponseError"} | _FAILED,
    ),
    Client(
        name="openai-python-responses",
        title="`openai` (Python) on /responses",
        script="openai_responses",
        runs="openrouter-1",
        lacks=_LOOKING_UP,
        words=_STATUSES,
        errors={404: "NotFoundError", 401: "AuthenticationError"} | _FAILED,
    ),
    Client(
        name="openai-js-responses",
        title="`openai` (npm) on /responses",
        script="openai_responses.mjs",
        runs="node",
        lacks=_LOOKING_UP,
        words=_STATUSES,
        errors={404: "NotFoundError", 401: "AuthenticationError"} | _FAILED,
    ),
    Client(
        name="pydantic-ai-responses",
        title="`pydantic-ai-slim` on /responses",
        script="pydantic_agent",
        runs="openrouter-1",
        arguments=("responses",),
        shows=frozenset({"id", "model", "usage"}),
        lacks=_LOOKING_UP,
        words={"tool_calls": "stop"},
        errors={
            404: "ModelNotFoundError",
            401: "ModelAuthenticationError",
            502: "ModelServerError",
        },
    ),
    Client(
        name="anthropic-python",
        title="`anthropic` (Python)",
        script="anthropic_python",
        runs="openrouter-1",
        # Its streams keep of the last event only the usage that Anthropic's have.
        streams_show=EVERYTHING - {"cost"},
        lacks=_LOOKING_UP - {"models"},
        words={"stop": "end_turn", "tool_calls": "tool_use"},
        errors={404: "NotFoundError", 401: "AuthenticationError", 502: "APIStatusError"},
    ),
    Client(
        name="anthropic-js",
        title="`@anthropic-ai/sdk`",
        script="anthropic_js.mjs",
        runs="node",
        streams_show=EVERYTHING - {"cost"},
        lacks=_LOOKING_UP - {"models"},
        words={"stop": "end_turn", "tool_calls": "tool_use"},
        errors={404: "NotFoundError", 401: "AuthenticationError", 502: "APIError"},
    ),
)
