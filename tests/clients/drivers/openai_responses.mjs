// Drives the `openai` npm package on /responses.
import OpenAI from "openai";

import { baseURL, serve, versionOf, wishes } from "./loop.mjs";
import { loopWithTools, textOf, told, toldStream, toolsOf } from "./responses_shape.mjs";

const clientOf = ({ key }) => new OpenAI({ apiKey: key, baseURL });

// What is OpenRouter's own goes into the body as it is.
const requestOf = (command) => ({
  model: command.model,
  input: command.prompt,
  ...wishes(command, "models", "provider"),
  ...(command.tools ? { tools: toolsOf(command) } : {}),
});

const create = (command, fields) =>
  clientOf(command).responses.create({ ...requestOf(command), ...fields });

await serve(versionOf("openai"), {
  chat: async (command) => told(await create(command)),
  stream: async (command) => toldStream(await create(command, { stream: true })),
  tools: (command) =>
    loopWithTools(
      command,
      (input) => create(command, { input }),
      (call_id, output) => ({ type: "function_call_output", call_id, output }),
    ),
  // The package's own accumulator puts the calls together.
  stream_tools: async (command) =>
    told(await clientOf(command).responses.stream(requestOf(command)).finalResponse()),
  structured: async (command) => {
    const request = { ...requestOf(command), text: textOf(command) };
    const answer = await clientOf(command).responses.parse(request);
    return { ...told(answer), value: answer.output_parsed };
  },
});
