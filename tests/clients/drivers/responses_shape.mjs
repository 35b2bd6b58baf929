// A Response, whole or streamed, told in the words the scenarios use. For clients of /responses;
// @openrouter/sdk spells its names in camelCase, which is read too.
const LONGEST_LOOP = 10;

export const toolsOf = (command) =>
  command.tools.map(({ result, ...tool }) => ({ type: "function", strict: false, ...tool }));

export const textOf = ({ schema }) => ({
  format: { type: "json_schema", name: "report", strict: true, schema },
});

export function told({ id, model, provider, status, output, usage }) {
  const parts = output.flatMap((item) => (item.type === "message" ? item.content : []));
  return {
    id,
    model,
    ...(provider ? { provider } : {}),
    text: parts.map((part) => part.text ?? "").join(""),
    finish: status,
    calls: callsOf(output).map(whole),
    ...usageOf(usage),
  };
}

// The deltas' text, the last Response's rest.
export async function toldStream(events) {
  const pieces = [];
  let saw = {};
  for await (const event of events) {
    if (event.type === "response.output_text.delta") pieces.push(event.delta);
    if (/^response\.(completed|incomplete)$/.test(event.type)) saw = told(event.response);
    if (event.type === "response.failed") {
      const { code } = event.response.error;
      saw.error = { name: "response.failed", code, status: null };
    }
  }
  return { ...saw, pieces: pieces.length, text: pieces.join("") };
}

// Asks, runs the tools that are called, and asks again until there is an answer in words.
export async function loopWithTools(command, ask, resultOf) {
  const results = Object.fromEntries(command.tools.map((tool) => [tool.name, tool.result]));
  const items = [{ role: "user", content: command.prompt }];
  const used = [];
  for (let turn = 0; turn < LONGEST_LOOP; turn++) {
    const answer = await ask(items);
    const calls = callsOf(answer.output);
    if (calls.length === 0) return { ...told(answer), used };
    items.push(...answer.output);
    used.push(...calls.map(whole));
    items.push(...calls.map((call) => resultOf(call.call_id ?? call.callId, results[call.name])));
  }
  throw new Error("the loop does not end");
}

const callsOf = (output) => output.filter((item) => item.type === "function_call");
const whole = ({ name, arguments: text }) => ({ name, arguments: JSON.parse(text) });

function usageOf(usage) {
  if (!usage) return {};
  const prompt = usage.input_tokens ?? usage.inputTokens;
  const completion = usage.output_tokens ?? usage.outputTokens;
  return { usage: { prompt, completion }, cost: usage.cost ?? null };
}
