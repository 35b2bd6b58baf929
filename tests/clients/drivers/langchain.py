"""Drives `langchain-openrouter`, with LangChain's own messages and tools."""

from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_openrouter import ChatOpenRouter

from tests.clients.drivers.chat_shape import LONGEST_LOOP, tools_of
from tests.clients.drivers.loop import BASE_URL, Command, Saw, serve


def model_of(command: Command) -> Any:
    fields: dict[str, Any] = {}
    if "provider" in command:
        fields["openrouter_provider"] = command["provider"]
    if "models" in command:
        fields["model_kwargs"] = {"models": command["models"]}
    return ChatOpenRouter(
        model=command["model"], api_key=command["key"], base_url=BASE_URL, **fields
    )


def told(message: Any) -> Saw:
    details, usage = message.response_metadata, message.usage_metadata
    tokens = usage and {"prompt": usage["input_tokens"], "completion": usage["output_tokens"]}
    return {
        "id": details.get("id") or message.id,
        "model": details.get("model_name"),
        "provider": details.get("provider"),
        "text": message.content,
        "finish": details.get("finish_reason"),
        "calls": _calls(message),
        "usage": tokens,
        "cost": details.get("cost"),
    }


def _calls(message: Any) -> list[dict[str, Any]]:
    return [{"name": call["name"], "arguments": call["args"]} for call in message.tool_calls]


def chat(command: Command) -> Saw:
    return told(model_of(command).invoke(command["prompt"]))


def stream(command: Command) -> Saw:
    model = model_of(command)
    if "tools" in command:
        model = model.bind_tools(tools_of(command))
    whole, pieces = None, 0
    for chunk in model.stream(command["prompt"]):
        pieces += bool(chunk.content)
        whole = chunk if whole is None else whole + chunk
    return told(whole) | {"pieces": pieces}


def tools(command: Command) -> Saw:
    model = model_of(command).bind_tools(tools_of(command))
    results = {tool["name"]: tool["result"] for tool in command["tools"]}
    messages: list[AnyMessage] = [HumanMessage(command["prompt"])]
    used: list[dict[str, Any]] = []
    for _ in range(LONGEST_LOOP):
        message: AIMessage = model.invoke(messages)
        if not message.tool_calls:
            return told(message) | {"used": used}
        messages.append(message)
        used += _calls(message)
        messages += [
            ToolMessage(results[call["name"]], tool_call_id=call["id"])
            for call in message.tool_calls
        ]
    raise RuntimeError("the loop does not end")


def structured(command: Command) -> Saw:
    model = model_of(command).with_structured_output(
        command["schema"], method="json_schema", include_raw=True
    )
    answer = model.invoke(command["prompt"])
    return told(answer["raw"]) | {"value": answer["parsed"]}


if __name__ == "__main__":
    operations = (chat, stream, tools, structured)
    known = {operation.__name__: operation for operation in operations}
    serve("langchain-openrouter", known | {"stream_tools": stream})
