"""One caller of /messages for tests: a chat of the same endpoints, in Anthropic's words."""

from dataclasses import dataclass
from typing import Any

from tests.live import Answer, EventStream
from tests.routing.conftest import FIRST, Chat
from tests.routing.message_events import events_of, whole

MESSAGES = "/api/v1/messages"
COUNT = "/api/v1/messages/count_tokens"
WEATHER = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Asks for messages; providers are scripted through `chat`."""

    chat: Chat

    def body(self, **fields: Any) -> dict[str, Any]:
        content = f"Hello nonce:{self.chat.nonce} "
        asked = {
            "model": self.chat.pooled,
            "max_tokens": 100,
            "messages": [{"role": "user", "content": content}],
            "provider": FIRST,
        }
        return {name: value for name, value in (asked | fields).items() if value is not None}

    def post(
        self,
        *,
        path: str = MESSAGES,
        key: str | None = None,
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> Answer:
        return self.send(self.body(**fields), path=path, key=key, headers=headers)

    def send(
        self,
        body: Any,
        *,
        path: str = MESSAGES,
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        return self.chat.gateway.chat(body, key=key, headers=headers, path=path)

    def stream(self, *, headers: dict[str, str] | None = None, **fields: Any) -> EventStream:
        body = self.body(stream=True, **fields)
        return self.chat.gateway.stream(body, headers=headers, path=MESSAGES)

    def streamed(self, **fields: Any) -> dict[str, Any]:
        """Return the message that a stream spells."""
        with self.stream(**fields) as stream:
            assert stream.status == 200
            return whole(events_of(stream.events()))
