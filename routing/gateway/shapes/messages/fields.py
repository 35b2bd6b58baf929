"""The body of a Messages request: its fields with their types.

Owns the types alone; they are read in `shapes.messages.reading` and become a chat completion's
body in `shapes.messages.request`. The rule others rely on: a field that is not here is passed over.
Source: Anthropic's Messages API, version 2023-06-01, and OpenRouter's `MessagesRequest`.
"""

from typing import Any, Literal

import msgspec

Mark = dict[str, Any] | None  # a `cache_control`


class Source(msgspec.Struct, tag_field="type"):
    """Where an image or a document comes from."""


class Base64(Source, tag="base64"):
    media_type: str
    data: str


class Url(Source, tag="url"):
    url: str


class PlainText(Source, tag="text"):
    data: str


class Block(msgspec.Struct, tag_field="type"):
    """One block of a message's content."""


class Text(Block, tag="text"):
    text: str
    cache_control: Mark = None


class Image(Block, tag="image"):
    source: Base64 | Url
    cache_control: Mark = None


class Blocks(Source, tag="content"):
    content: str | list[Text | Image]


class Document(Block, tag="document"):
    source: Base64 | Url | PlainText | Blocks
    title: str | None = None
    context: str | None = None
    cache_control: Mark = None


class SearchResult(Block, tag="search_result"):
    source: str
    title: str
    content: list[Text]
    cache_control: Mark = None


class ToolReference(Block, tag="tool_reference"):
    tool_name: str
    cache_control: Mark = None


class Thinking(Block, tag="thinking"):
    thinking: str
    signature: str = ""


class RedactedThinking(Block, tag="redacted_thinking"):
    data: str


class ToolUse(Block, tag="tool_use"):
    id: str
    name: str
    input: dict[str, Any] = {}


class NamedTool(msgspec.Struct, tag_field="type", tag="tool_reference"):
    name: str


class ToolAddition(Block, tag="tool_addition"):
    tool: NamedTool
    cache_control: Mark = None


class ToolRemoval(Block, tag="tool_removal"):
    tool: NamedTool
    cache_control: Mark = None


Shown = Text | Image | Document | SearchResult | ToolReference


class ToolResult(Block, tag="tool_result"):
    tool_use_id: str
    content: str | list[Shown] | None = None
    is_error: bool | None = None
    cache_control: Mark = None


Content = (
    str
    | list[Shown | ToolUse | ToolResult | Thinking | RedactedThinking | ToolAddition | ToolRemoval]
)


class Message(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: Content


class Tool(msgspec.Struct):
    name: str
    type: str | None = None
    input_schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None
    defer_loading: bool | None = None
    cache_control: Mark = None


class Choice(msgspec.Struct, tag_field="type"):
    """Which tools the model may or must call."""

    disable_parallel_tool_use: bool | None = None


class Auto(Choice, tag="auto"):
    pass


class SomeTool(Choice, tag="any"):
    pass


class NoTool(Choice, tag="none"):
    pass


class OneTool(Choice, tag="tool", kw_only=True):
    name: str


class Enabled(msgspec.Struct, tag_field="type", tag="enabled"):
    budget_tokens: int
    display: str | None = None


class Adaptive(msgspec.Struct, tag_field="type", tag="adaptive"):
    display: str | None = None


class Disabled(msgspec.Struct, tag_field="type", tag="disabled"):
    pass


class Format(msgspec.Struct):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(msgspec.Struct):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: Format | None = None


class Fallback(msgspec.Struct):
    model: str


class Metadata(msgspec.Struct):
    user_id: str | None = None


class Body(msgspec.Struct):
    """What is turned into something else; the rest is OpenRouter's own and stays as it is."""

    messages: list[Message]
    system: str | list[Text] | None = None
    tools: list[Tool] | None = None
    tool_choice: Auto | SomeTool | NoTool | OneTool | None = None
    stop_sequences: list[str] | None = None
    thinking: Enabled | Adaptive | Disabled | None = None
    output_config: OutputConfig | None = None
    output_format: Format | None = None
    metadata: Metadata | None = None
    fallbacks: list[Fallback] | None = None
    models: list[str] | None = None
    mcp_servers: list[Any] | None = None
