import { existsSync } from "node:fs";
import pg from "pg";
import { expect, it } from "vitest";
import { startPostgres } from "../../src/testing/postgres-server.ts";
import { freshDatabase } from "../support/fresh-database.ts";

async function ask(url: string, statement: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query({ text: statement, rowMode: "array" });
    return rows[0]?.[0];
  } finally {
    await client.end();
  }
}

it("starts a durable server, keeps what was committed when killed, and leaves nothing behind", async () => {
  const server = await startPostgres({ work_mem: "5MB" });
  try {
    expect(await ask(server.url(), "show fsync")).toBe("on");
    expect(await ask(server.url(), "show work_mem")).toBe("5MB");
    await ask(server.url(), "create table kept as select 7 as value");
    const { pid } = server;
    await server.kill("SIGKILL");
    await expect(ask(server.url(), "select 1")).rejects.toThrow();
    await server.restart();
    expect(server.pid).not.toBe(pid);
    expect(await ask(server.url("postgres", "postgres"), "select value from kept")).toBe(7);
    await server.restart();
    expect(await ask(server.url(), "select value from kept")).toBe(7);
  } finally {
    await server.stop();
  }
  await server.stop();
  expect(existsSync(server.dataDirectory)).toBe(false);
  await expect(ask(server.url(), "select 1")).rejects.toThrow();
});

it("says what the server said when it does not start", async () => {
  await expect(startPostgres({ max_connections: -1 })).rejects.toThrow(/max_connections/);
});

it("gives every caller an empty database of its own", async () => {
  const [one, two] = await Promise.all([freshDatabase(), freshDatabase()]);
  await ask(one.url, "create table mine as select 1 as value");
  expect(await ask(two.url, "select count(*)::int from pg_tables where schemaname = 'public'")).toBe(0);
  await Promise.all([one.drop(), two.drop()]);
  await expect(ask(one.url, "select 1")).rejects.toThrow(/does not exist/);
});
