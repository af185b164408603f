import pg from "pg";
import type { Headers } from "./callers.ts";

/** The JSON of a reply. @throws Error unless it says 2xx */
export async function ask(url: string, headers: Headers = {}, body?: object) {
  const sent = body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) };
  const reply = await fetch(url, sent);
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${url}: ${reply.status} ${text.slice(0, 300)}`);
  return JSON.parse(text);
}

/** Runs SQL as a superuser. */
export async function query(url: string, text: string): Promise<readonly Readonly<Record<string, string>>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query(text);
    return rows;
  } finally {
    await client.end();
  }
}
