// Drives @openrouter/ai-sdk-provider under `ai`, which runs the loop with tools.
import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";

import { baseURL, described, serve, versionOf, wishes } from "./loop.mjs";

function modelOf(command) {
  const openrouter = createOpenRouter({ apiKey: command.key, baseURL });
  const settings = { usage: { include: true }, ...wishes(command, "models", "provider") };
  return openrouter.chat(command.model, settings);
}

function told({ response, text, finishReason, toolCalls, usage, providerMetadata }) {
  const own = providerMetadata?.openrouter;
  return {
    id: response.id,
    model: response.modelId,
    ...(own?.provider ? { provider: own.provider } : {}),
    text,
    finish: finishReason,
    calls: toolCalls.map(({ toolName, input }) => ({ name: toolName, arguments: input })),
    usage: { prompt: usage.inputTokens, completion: usage.outputTokens },
    cost: own?.usage?.cost ?? null,
  };
}

function toolsOf(command, run) {
  const offered = command.tools.map(({ name, description, parameters, result }) => {
    const execute = run && ((input) => (run({ name, arguments: input }), result));
    return [name, tool({ description, inputSchema: jsonSchema(parameters), execute })];
  });
  return Object.fromEntries(offered);
}

async function stream(command) {
  let failure;
  const streaming = streamText({
    model: modelOf(command),
    prompt: command.prompt,
    ...(command.tools ? { tools: toolsOf(command) } : {}),
    onError: ({ error }) => (failure = error),
  });
  let pieces = 0;
  for await (const piece of streaming.textStream) pieces += piece ? 1 : 0;
  if (failure) return { pieces, error: described(failure) };
  const parts = ["response", "text", "finishReason", "toolCalls", "usage", "providerMetadata"];
  const found = await Promise.all(parts.map(async (part) => [part, await streaming[part]]));
  return { ...told(Object.fromEntries(found)), pieces };
}

await serve(`${versionOf("@openrouter/ai-sdk-provider")} with ai ${versionOf("ai")}`, {
  chat: async (command) =>
    told(await generateText({ model: modelOf(command), prompt: command.prompt })),
  stream,
  stream_tools: stream,
  tools: async (command) => {
    const used = [];
    const answer = await generateText({
      model: modelOf(command),
      prompt: command.prompt,
      tools: toolsOf(command, (call) => used.push(call)),
      stopWhen: stepCountIs(10),
    });
    return { ...told(answer), used };
  },
  structured: async (command) => {
    const output = Output.object({ schema: jsonSchema(command.schema), name: "report" });
    const answer = await generateText({ model: modelOf(command), prompt: command.prompt, output });
    return { ...told(answer), value: answer.output };
  },
});
