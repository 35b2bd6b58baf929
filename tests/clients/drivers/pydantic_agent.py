"""Drives `pydantic-ai`: its agents, which run the loop with tools, on its model of OpenRouter.

With `responses` as an argument it is the model of the Responses API, of which it knows OpenAI's.
"""

import sys
from typing import Any

from openai import AsyncOpenAI
from pydantic_ai import Agent, StructuredDict, Tool
from pydantic_ai.direct import model_request_stream_sync
from pydantic_ai.messages import ModelRequest, ModelResponse, ToolCallPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.models.openrouter import OpenRouterModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openrouter import OpenRouterProvider
from pydantic_ai.tools import ToolDefinition

from tests.clients.drivers.loop import BASE_URL, Command, Saw, serve, wishes


def model_of(command: Command) -> Any:
    client = AsyncOpenAI(base_url=BASE_URL, api_key=command["key"])
    if "responses" in sys.argv:
        extra: dict[str, Any] = {"extra_body": wishes(command, "models", "provider")}
        provider = OpenAIProvider(openai_client=client)
        return OpenAIResponsesModel(command["model"], provider=provider, settings=extra)  # type: ignore[arg-type, unused-ignore]
    settings: dict[str, Any] = {"openrouter_usage": {"include": True}}
    if "provider" in command:
        settings["openrouter_provider"] = command["provider"]
    if "models" in command:
        settings["openrouter_models"] = command["models"]
    router = OpenRouterProvider(openai_client=client)
    return OpenRouterModel(command["model"], provider=router, settings=settings)  # type: ignore[arg-type, unused-ignore]


def told(response: Any) -> Saw:
    """Tell a model's response; its details are what the provider added."""
    details = response.provider_details or {}
    return {
        "id": response.provider_response_id,
        "model": response.model_name,
        "provider": details.get("downstream_provider"),
        "text": response.text,
        "finish": response.finish_reason,
        "calls": _calls(response),
        "usage": {
            "prompt": response.usage.input_tokens,
            "completion": response.usage.output_tokens,
        },
        "cost": details.get("cost"),
    }


def _calls(response: Any) -> list[dict[str, Any]]:
    return [
        {"name": part.tool_name, "arguments": part.args_as_dict()}
        for part in response.parts
        if isinstance(part, ToolCallPart)
    ]


def _last(run: Any) -> Any:
    return [message for message in run.all_messages() if isinstance(message, ModelResponse)][-1]


def chat(command: Command) -> Saw:
    return told(_last(Agent(model_of(command)).run_sync(command["prompt"])))


def stream(command: Command) -> Saw:
    return _streamed(command, ModelRequestParameters())


def stream_tools(command: Command) -> Saw:
    offered = [
        ToolDefinition(
            name=tool["name"],
            description=tool["description"],
            parameters_json_schema=tool["parameters"],
        )
        for tool in command["tools"]
    ]
    return _streamed(command, ModelRequestParameters(function_tools=offered))


def _streamed(command: Command, parameters: ModelRequestParameters) -> Saw:
    asked = [ModelRequest.user_text_prompt(command["prompt"])]
    with model_request_stream_sync(
        model_of(command), asked, model_request_parameters=parameters
    ) as events:
        pieces = sum(event.event_kind in ("part_start", "part_delta") for event in events)
        return told(events.response) | {"pieces": pieces}


def tools(command: Command) -> Saw:
    used: list[dict[str, Any]] = []

    def tool_of(offered: dict[str, Any]) -> Tool:
        def run(**arguments: Any) -> str:
            used.append({"name": offered["name"], "arguments": arguments})
            return str(offered["result"])

        return Tool.from_schema(run, offered["name"], offered["description"], offered["parameters"])

    agent = Agent(model_of(command), tools=[tool_of(tool) for tool in command["tools"]])
    return told(_last(agent.run_sync(command["prompt"]))) | {"used": used}


def structured(command: Command) -> Saw:
    # As its users get it unless they say otherwise: the structure is the arguments of a tool.
    wanted = StructuredDict(command["schema"], name="report")
    run = Agent(model_of(command), output_type=wanted).run_sync(command["prompt"])
    return told(_last(run)) | {"value": dict(run.output)}


if __name__ == "__main__":
    operations = (chat, stream, tools, stream_tools, structured)
    serve("pydantic-ai-slim", {operation.__name__: operation for operation in operations})
