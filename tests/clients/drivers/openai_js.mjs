// Drives the `openai` npm package.
import OpenAI from "openai";

import {
  asked,
  loopWithTools,
  told,
  toldStream,
  toldText,
  toldTextStream,
  toldVectors,
  toolsOf,
} from "./chat_shape.mjs";
import { baseURL, serve, versionOf, wishes } from "./loop.mjs";

const clientOf = ({ key }) => new OpenAI({ apiKey: key, baseURL });

// What is OpenRouter's own goes into the body as it is.
const requestOf = (command) => ({
  model: command.model,
  messages: asked(command),
  ...wishes(command, "models", "provider"),
  ...(command.tools ? { tools: toolsOf(command) } : {}),
});

const create = (command, fields) =>
  clientOf(command).chat.completions.create({ ...requestOf(command), ...fields });

const complete = ({ model, prompt, ...command }, fields) =>
  clientOf(command).completions.create({ model, prompt, ...fields });

await serve(versionOf("openai"), {
  chat: async (command) => told(await create(command)),
  stream: async (command) => toldStream(await create(command, { stream: true })),
  tools: (command) =>
    loopWithTools(
      command,
      (messages) => create(command, { messages }),
      (tool_call_id, content) => ({ role: "tool", tool_call_id, content }),
    ),
  // The package's own accumulator puts the calls together.
  stream_tools: async (command) =>
    told(await clientOf(command).chat.completions.stream(requestOf(command)).finalChatCompletion()),
  structured: async (command) => {
    const json_schema = { name: "report", strict: true, schema: command.schema };
    const response_format = { type: "json_schema", json_schema };
    const request = { ...requestOf(command), response_format };
    const answer = await clientOf(command).chat.completions.parse(request);
    return { ...told(answer), value: answer.choices[0].message.parsed };
  },
  text: async (command) => toldText(await complete(command)),
  stream_text: async (command) => toldTextStream(await complete(command, { stream: true })),
  // The package asks for base64 and makes numbers of it.
  embed: async (command) => {
    const { model, texts: input } = command;
    return toldVectors(await clientOf(command).embeddings.create({ model, input }));
  },
  models: async (command) => {
    const slugs = [];
    for await (const model of clientOf(command).models.list()) slugs.push(model.id);
    return { slugs };
  },
});
