// Drives @openrouter/sdk: 0 is the version of Exacto's launch, 1 today's.
import {
  asked,
  loopWithTools,
  told,
  toldStream,
  toldText,
  toldVectors,
  toolsOf,
} from "./chat_shape.mjs";
import { baseURL, serve, versionOf, wishes } from "./loop.mjs";

const folder = `openrouter-${process.argv[3]}`;
const isOld = process.argv[3] === "0";
const { OpenRouter } = await import(folder);

const sdkOf = ({ key }) => new OpenRouter({ apiKey: key, serverURL: baseURL });

function send(command, fields = {}) {
  const request = {
    model: command.model,
    messages: asked(command),
    ...wishes(command, "models"),
    ...(command.provider ? { provider: preferences(command.provider) } : {}),
    ...(command.tools ? { tools: toolsOf(command) } : {}),
    stream: false,
    ...fields,
  };
  return sdkOf(command).chat.send(isOld ? request : { chatRequest: request });
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
      (messages) => send(command, { messages }),
      (toolCallId, content) => ({ role: "tool", toolCallId, content }),
    ),
  structured: async (command) => {
    const jsonSchema = { name: "report", strict: true, schema: command.schema };
    const saw = told(await send(command, { responseFormat: { type: "json_schema", jsonSchema } }));
    return { ...saw, value: JSON.parse(saw.text) };
  },
  // Only the old one has it.
  text: async (command) => {
    const { model, prompt } = command;
    return toldText(await sdkOf(command).completions.generate({ model, prompt }));
  },
  embed: async (command) => {
    const requestBody = { model: command.model, input: command.texts };
    const { embeddings } = sdkOf(command);
    return toldVectors(await embeddings.generate(isOld ? requestBody : { requestBody }));
  },
  models: async (command) => {
    const pages = await sdkOf(command).models.list();
    // The newer SDK pages through the models.
    if (pages[Symbol.asyncIterator] === undefined) return { slugs: pages.data.map((m) => m.id) };
    for await (const page of pages) return { slugs: page.result.data.map((m) => m.id) };
  },
  endpoints: async (command) => {
    const [author, slug] = command.model.split("/");
    const { data } = await sdkOf(command).endpoints.list({ author, slug });
    return { providers: data.endpoints.map((endpoint) => endpoint.providerName) };
  },
  key: async (command) => {
    const { data } = await sdkOf(command).apiKeys.getCurrentKeyMetadata();
    return { label: data.label, spent: data.usage };
  },
  generation: async (command) => {
    const { data } = await sdkOf(command).generations.getGeneration({ id: command.id });
    return { id: data.id, model: data.model, provider: data.providerName, cost: data.totalCost };
  },
});
