// Drives the `@anthropic-ai/sdk` npm package, which speaks to /messages.
import Anthropic from "@anthropic-ai/sdk";
import { jsonSchemaOutputFormat } from "@anthropic-ai/sdk/helpers/json-schema";

import { asked } from "./chat_shape.mjs";
import { baseURL, serve, versionOf, wishes } from "./loop.mjs";

const LONGEST_LOOP = 10;

// It adds /v1 itself.
const clientOf = ({ key }) =>
  new Anthropic({ authToken: key, apiKey: null, baseURL: baseURL.replace(/\/v1$/, "") });

// What is OpenRouter's own goes into the body as it is.
const requestOf = (command) => ({
  model: command.model,
  max_tokens: 1000,
  messages: asked(command),
  ...wishes(command, "models", "provider"),
  ...(command.tools ? { tools: command.tools.map(toolOf) } : {}),
});

const toolOf = ({ name, description, parameters }) => ({
  name,
  description,
  input_schema: parameters,
});

const told = (message) => ({
  id: message.id,
  model: message.model,
  provider: message.provider ?? null,
  text: message.content.map((block) => (block.type === "text" ? block.text : "")).join(""),
  finish: message.stop_reason,
  calls: callsOf(message).map(({ name, input }) => ({ name, arguments: input })),
  usage: { prompt: message.usage.input_tokens, completion: message.usage.output_tokens },
  cost: message.usage.cost ?? null,
});

const callsOf = (message) => message.content.filter((block) => block.type === "tool_use");

async function streamed(command) {
  let pieces = 0;
  const events = clientOf(command)
    .messages.stream(requestOf(command))
    .on("text", () => (pieces += 1));
  return { ...told(await events.finalMessage()), pieces };
}

async function loop(command) {
  const client = clientOf(command);
  const request = requestOf(command);
  const results = Object.fromEntries(command.tools.map((tool) => [tool.name, tool.result]));
  const used = [];
  for (let turn = 0; turn < LONGEST_LOOP; turn++) {
    const message = await client.messages.create(request);
    if (message.stop_reason !== "tool_use") return { ...told(message), used };
    used.push(...told(message).calls);
    const replies = callsOf(message).map(({ id, name }) => ({
      type: "tool_result",
      tool_use_id: id,
      content: results[name],
    }));
    request.messages.push({ role: "assistant", content: message.content });
    request.messages.push({ role: "user", content: replies });
  }
  throw new Error("the loop does not end");
}

await serve(versionOf("@anthropic-ai/sdk"), {
  chat: async (command) => told(await clientOf(command).messages.create(requestOf(command))),
  stream: streamed,
  stream_tools: streamed,
  tools: loop,
  structured: async (command) => {
    const output_config = { format: jsonSchemaOutputFormat(command.schema) };
    const message = await clientOf(command).messages.parse({ ...requestOf(command), output_config });
    return { ...told(message), value: message.parsed_output };
  },
  models: async (command) => {
    const slugs = [];
    for await (const model of clientOf(command).models.list()) slugs.push(model.id);
    return { slugs };
  },
});
