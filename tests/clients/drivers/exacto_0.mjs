// The request of OpenRouter's Exacto page, through the SDK of its day.
import { OpenRouter } from "openrouter-0";

const openRouter = new OpenRouter({
  apiKey: process.env.OPENROUTER_API_KEY,
  serverURL: process.env.OPENROUTER_BASE_URL,
});

const completion = await openRouter.chat.send({
  model: "moonshotai/kimi-k2-0905:exacto",
  messages: [{ role: "user", content: "What is an assay? [[text:A test of metal.]]" }],
  stream: false,
});

console.log(completion.choices[0].message.content);
