// Drives @openrouter/sdk on /responses, which it calls beta: 0 is the version of Exacto's launch, 1
// today's.
import { baseURL, serve, versionOf, wishes } from "./loop.mjs";
import { loopWithTools, textOf, told, toldStream, toolsOf } from "./responses_shape.mjs";

const folder = `openrouter-${process.argv[3]}`;
const isOld = process.argv[3] === "0";
const { OpenRouter } = await import(folder);

function send(command, fields = {}) {
  const request = {
    model: command.model,
    input: command.prompt,
    ...wishes(command, "models"),
    ...(command.provider ? { provider: preferences(command.provider) } : {}),
    ...(command.tools ? { tools: toolsOf(command) } : {}),
    ...fields,
  };
  const sdk = new OpenRouter({ apiKey: command.key, serverURL: baseURL });
  return sdk.beta.responses.send(isOld ? request : { responsesRequest: request });
}

// The SDK has names of its own.
const preferences = ({ allow_fallbacks, ...others }) => ({
  ...others,
  allowFallbacks: allow_fallbacks,
});

const stream = async (command) => toldStream(await send(command, { stream: true }));

await serve(versionOf(folder), {
  chat: async (command) => told(await send(command)),
  stream,
  stream_tools: stream,
  tools: (command) =>
    loopWithTools(
      command,
      (input) => send(command, { input }),
      (callId, output) => ({ type: "function_call_output", callId, output }),
    ),
  structured: async (command) => {
    const saw = told(await send(command, { text: textOf(command) }));
    return { ...saw, value: JSON.parse(saw.text) };
  },
});
