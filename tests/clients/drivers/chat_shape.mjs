// A chat completion, whole or streamed, told in the words the scenarios use. For clients whose
// answers are OpenAI's objects; @openrouter/sdk spells their names in camelCase, which is read too.
const LONGEST_LOOP = 10;

export const asked = (command) => [{ role: "user", content: command.prompt }];

export const toolsOf = (command) =>
  command.tools.map(({ result, ...tool }) => ({ type: "function", function: tool }));

export function told(answer) {
  const [choice] = answer.choices;
  return {
    ...envelope(answer),
    text: choice.message.content ?? null,
    finish: finishOf(choice),
    calls: (callsOf(choice.message) ?? []).map(whole),
    ...usageOf(answer.usage),
  };
}

export async function toldStream(chunks) {
  const saw = { pieces: 0, text: "", finish: null };
  const calls = new Map();
  for await (const chunk of chunks) {
    Object.assign(saw, envelope(chunk), usageOf(chunk.usage));
    if (chunk.error) saw.error = { name: "a chunk", code: chunk.error.code, status: null };
    for (const choice of chunk.choices) {
      saw.pieces += choice.delta.content ? 1 : 0;
      saw.text += choice.delta.content ?? "";
      saw.finish = finishOf(choice) ?? saw.finish;
      for (const piece of callsOf(choice.delta) ?? []) addPiece(calls, piece);
    }
  }
  return { ...saw, calls: [...calls.values()] };
}

// A text completion, and the pieces of one.
export function toldText(answer) {
  const [choice] = answer.choices;
  const told = { text: choice.text, finish: finishOf(choice) };
  return { ...envelope(answer), ...told, ...usageOf(answer.usage) };
}

export async function toldTextStream(chunks) {
  const saw = { pieces: 0, text: "", finish: null };
  for await (const chunk of chunks) {
    Object.assign(saw, envelope(chunk), usageOf(chunk.usage));
    for (const choice of chunk.choices) {
      saw.pieces += choice.text ? 1 : 0;
      saw.text += choice.text;
      saw.finish = finishOf(choice) ?? saw.finish;
    }
  }
  return saw;
}

export function toldVectors({ model, data, usage }) {
  const vectors = data.toSorted((a, b) => a.index - b.index).map((one) => Array.from(one.embedding));
  return { model, vectors, prompt: usage.prompt_tokens ?? usage.promptTokens };
}

// Asks, runs the tools that are called, and asks again until there is an answer in words.
export async function loopWithTools(command, chat, resultOf) {
  const results = Object.fromEntries(command.tools.map((tool) => [tool.name, tool.result]));
  const messages = asked(command);
  const used = [];
  for (let turn = 0; turn < LONGEST_LOOP; turn++) {
    const answer = await chat(messages);
    const { message } = answer.choices[0];
    const calls = callsOf(message) ?? [];
    if (calls.length === 0) return { ...told(answer), used };
    messages.push(message);
    used.push(...calls.map(whole));
    messages.push(...calls.map((call) => resultOf(call.id, results[call.function.name])));
  }
  throw new Error("the loop does not end");
}

const callsOf = (message) => message.tool_calls ?? message.toolCalls;
const finishOf = (choice) => choice.finish_reason ?? choice.finishReason ?? null;
const whole = ({ function: { name, arguments: text } }) => ({ name, arguments: JSON.parse(text) });

function envelope({ id, model, provider }) {
  return { id, model, ...(provider ? { provider } : {}) };
}

function usageOf(usage) {
  if (!usage) return {};
  const prompt = usage.prompt_tokens ?? usage.promptTokens;
  const completion = usage.completion_tokens ?? usage.completionTokens;
  return { usage: { prompt, completion }, cost: usage.cost ?? null };
}

function addPiece(calls, piece) {
  if (!calls.has(piece.index)) calls.set(piece.index, { name: "", arguments: "" });
  const call = calls.get(piece.index);
  call.name += piece.function?.name ?? "";
  call.arguments += piece.function?.arguments ?? "";
}
