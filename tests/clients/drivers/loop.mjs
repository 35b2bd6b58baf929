// What every driver in JavaScript does: one JSON command per line in, one JSON line of what it saw
// out. The first line out says which version of the client runs. A client's error is something it
// saw: its class, status and code.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

export const baseURL = process.argv[2];

export function versionOf(folder) {
  const file = new URL(`../node_modules/${folder}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(file)).version;
}

export async function serve(version, operations) {
  say({ version });
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    try {
      say(await operations[command.operation](command));
    } catch (error) {
      say({ error: described(error) });
    }
  }
  // What an SDK still retries must not keep the process.
  process.exit(0);
}

export function described(error) {
  return {
    name: error instanceof Error ? nameOf(error) : "an object",
    status: error.statusCode ?? error.status ?? null,
    code: error.error?.code ?? error.code ?? null,
    message: String(error.message).slice(0, 2000),
  };
}

const nameOf = ({ name, constructor }) => (name === "Error" ? constructor.name : name);

// Those parts of a command that are there.
export function wishes(command, ...names) {
  return Object.fromEntries(names.filter((name) => name in command).map((n) => [n, command[n]]));
}

function say(saw) {
  process.stdout.write(JSON.stringify(saw) + "\n");
}
