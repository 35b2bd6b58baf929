// The request of OpenRouter's Exacto page, through today's SDK; it finds the base URL by itself.
import { OpenRouter } from "openrouter-1";

const openRouter = new OpenRouter({ apiKey: process.env.OPENROUTER_API_KEY });

const completion = await openRouter.chat.send({
  chatRequest: {
    model: "moonshotai/kimi-k2-0905:exacto",
    messages: [{ role: "user", content: "What is an assay? [[text:A test of metal.]]" }],
    stream: false,
  },
});

console.log(completion.choices[0].message.content);
