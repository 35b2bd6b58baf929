"""The clients that a quickstart is told for, each with what to install and what to run.

Owns the list and the reading of the snippets, which are files in `templates/pages/docs/snippets/`.
The rules others rely on: only clients whose way here is proven, by `tests/clients` or as
docs/messages.md and docs/responses.md tell; a snippet takes its key from ASSAY_API_KEY; its
placeholders stand for text that needs no escaping in any of the languages.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

_FOLDER = Path(settings.BASE_DIR) / "templates" / "pages" / "docs" / "snippets"


@dataclass(frozen=True, slots=True)
class Snippet:
    """Something to copy: what it shows, and the name of its file."""

    name: str
    title: str

    @property
    def text(self) -> str:
        return _text(self.name)


@dataclass(frozen=True, slots=True)
class Client:
    """A client; `note` says what a reader could not guess. `saved_as`: where its text goes."""

    name: str
    title: str
    language: str
    install: str
    snippets: tuple[Snippet, ...]
    note: str = ""
    saved_as: str = ""


def _two(name: str) -> tuple[Snippet, ...]:
    return (
        Snippet(f"{name}-ask", "Ask"),
        Snippet(f"{name}-stream", "Stream, with a preference for providers"),
    )


CLIENTS = (
    Client(
        name="curl",
        title="curl",
        language="shell",
        install="",
        snippets=(
            *_two("curl"),
            Snippet("curl-tools", "Offer a tool, and be told why the request went where it went"),
            Snippet("curl-preview", "Ask who would serve a request, without sending it"),
        ),
        note="Any OpenAI-compatible client needs no more than this: the base URL and a key.",
    ),
    Client(
        name="openai-python",
        title="openai (Python)",
        language="python",
        install="pip install openai",
        snippets=(*_two("openai-python"), Snippet("openai-python-tools", "Offer a tool")),
        note="What the package does not know, such as `provider`, goes into `extra_body`.",
    ),
    Client(
        name="openai-js",
        title="openai (JavaScript)",
        language="javascript",
        install="npm install openai",
        snippets=_two("openai-js"),
        saved_as="quickstart.mjs",
    ),
    Client(
        name="openrouter-sdk",
        title="@openrouter/sdk",
        language="javascript",
        install="npm install @openrouter/sdk",
        snippets=_two("openrouter-sdk"),
        saved_as="quickstart.mjs",
        note=(
            "This is how versions from 0.11.2 on are called. In 0.1 there is no `chatRequest`"
            " around the fields, and `provider` is not sent: there the suffix is the way to steer."
        ),
    ),
    Client(
        name="openrouter-python",
        title="openrouter (Python)",
        language="python",
        install="pip install openrouter",
        snippets=_two("openrouter-python"),
    ),
    Client(
        name="ai-sdk",
        title="Vercel AI SDK",
        language="javascript",
        install="npm install ai @openrouter/ai-sdk-provider",
        snippets=_two("ai-sdk"),
        saved_as="quickstart.mjs",
    ),
    Client(
        name="langchain",
        title="LangChain",
        language="python",
        install="pip install langchain-openrouter",
        snippets=_two("langchain"),
        note=(
            "An error in mid-stream raises nothing in it: see whether the finish reason is `error`."
        ),
    ),
    Client(
        name="pydantic-ai",
        title="Pydantic AI",
        language="python",
        install='pip install "pydantic-ai-slim[openai,openrouter]"',
        snippets=(
            Snippet("pydantic-ai-ask", "Ask"),
            Snippet(
                "pydantic-ai-tools", "Let an agent use a tool, with a preference for providers"
            ),
        ),
    ),
    Client(
        name="litellm",
        title="LiteLLM",
        language="python",
        install="pip install litellm",
        snippets=_two("litellm"),
        note="`openrouter/` before the model tells the package which API to speak.",
    ),
    Client(
        name="anthropic-python",
        title="anthropic (Python)",
        language="python",
        install="pip install anthropic",
        snippets=_two("anthropic-python"),
        note="It speaks Anthropic's Messages API, and adds `/v1` to the address itself.",
    ),
    Client(
        name="anthropic-js",
        title="@anthropic-ai/sdk",
        language="javascript",
        install="npm install @anthropic-ai/sdk",
        snippets=_two("anthropic-js"),
        saved_as="quickstart.mjs",
        note="It speaks Anthropic's Messages API, and adds `/v1` to the address itself.",
    ),
    Client(
        name="claude-code",
        title="Claude Code",
        language="shell",
        install="npm install -g @anthropic-ai/claude-code",
        snippets=(Snippet("claude-code-environment", "Set the environment, and start it"),),
        note=(
            "Its web search asks for a tool of Anthropic's servers, and is refused. An empty"
            " `ANTHROPIC_API_KEY` keeps one that lies about from being used."
        ),
    ),
    Client(
        name="codex",
        title="Codex CLI",
        language="toml",
        install="npm install -g @openai/codex",
        snippets=(Snippet("codex-config", "Add this to its configuration, and start it"),),
        saved_as="~/.codex/config.toml",
        note="It speaks the Responses API. It reads the key from `ASSAY_API_KEY` itself.",
    ),
)


def client_named(name: str) -> Client | None:
    """Return the client of this name, if a quickstart is told for it."""
    return next((client for client in CLIENTS if client.name == name), None)


@cache
def _text(name: str) -> str:
    return (_FOLDER / f"{name}.txt").read_text()
