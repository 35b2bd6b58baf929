// Drives @openrouter/sdk for the tests: one JSON command per line in, one JSON result per line out.
// A result is {value} or {error}, with the HTTP requests the SDK made for it and their bodies. An
// operation that takes longer than PATIENCE_MS (the SDK retries for an hour) is an error.
import { createInterface } from "node:readline";

const [major, serverURL] = process.argv.slice(2);
const { OpenRouter } = await import(`openrouter-${major}`);
const { HTTPClient } = await import(`openrouter-${major}/lib/http.js`);

const PATIENCE_MS = 15_000;
let requests = [];
const httpClient = new HTTPClient({
  fetcher: async (input, init) => {
    const request = new Request(input, init);
    const body = request.body ? await request.clone().text() : "";
    requests.push({ url: request.url, body: body ? JSON.parse(body) : null });
    return fetch(request);
  },
});

async function listed(pages) {
  // The newer SDK pages through the models.
  if (pages[Symbol.asyncIterator] === undefined) return pages;
  for await (const page of pages) return page.result;
}

async function collected(answer) {
  if (answer[Symbol.asyncIterator] === undefined) return answer;
  const chunks = [];
  for await (const chunk of answer) chunks.push(chunk);
  return chunks;
}

const operations = {
  chat: async (sdk, { request }) =>
    collected(await sdk.chat.send(major === "0" ? request : { chatRequest: request })),
  models: async (sdk) => listed(await sdk.models.list()),
  endpoints: async (sdk, { author, slug }) => sdk.endpoints.list({ author, slug }),
  key: async (sdk) => sdk.apiKeys.getCurrentKeyMetadata(),
  generation: async (sdk, { id }) => sdk.generations.getGeneration({ id }),
};

async function inTime(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function described(error) {
  const { name, statusCode, message, body } = error;
  return { name, statusCode, message, body, code: error.error?.code, stack: error.stack };
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const sdk = new OpenRouter({ apiKey: command.key, serverURL, httpClient });
  requests = [];
  let result;
  try {
    result = { value: await inTime(operations[command.operation](sdk, command)) };
  } catch (error) {
    result = { error: described(error) };
  }
  process.stdout.write(JSON.stringify({ ...result, requests }) + "\n");
}
// What the SDK still retries must not keep the process.
process.exit(0);
