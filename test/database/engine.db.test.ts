import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine, Statement } from "../../src/database/engine.ts";
import { pgliteEngine } from "../../src/database/engines/pglite.ts";
import { postgresEngine } from "../../src/database/engines/postgres.ts";
import { rolesSql } from "../../src/database/schema/roles.ts";
import { silent } from "../../src/kernel/observation.ts";
import { freshDatabase } from "../support/fresh-database.ts";

interface Opened {
  readonly engine: Engine;
  readonly remove: () => Promise<void>;
}

/** Every engine, opened on an empty database. A new engine joins the suite here. */
const implementations: Readonly<Record<Engine["kind"], () => Promise<Opened>>> = {
  async pglite() {
    const directory = mkdtempSync(join(tmpdir(), "gesta-engine-"));
    const engine = await pgliteEngine(directory);
    return { engine, remove: async () => rmSync(directory, { recursive: true, force: true }) };
  },
  async postgres() {
    const database = await freshDatabase();
    return { engine: postgresEngine({ url: database.url, poolSize: 2, observe: silent }), remove: database.drop };
  },
};

const statement = (text: string): Statement => ({ name: text.slice(0, 40), text, writes: false });

describe.each(Object.entries(implementations))("the engine contract on %s", (_, open) => {
  let opened: Opened;
  let engine: Engine;
  beforeAll(async () => {
    opened = await open();
    engine = opened.engine;
    await engine.migrate(rolesSql);
    await engine.migrate("create table numbers (n integer check (n > 0)); grant select on numbers to gesta_app;");
  });
  afterAll(async () => {
    await engine.close();
    await opened.remove();
  });

  test("runs statements as the application's role, with rows as arrays", async () => {
    expect(await engine.run(statement("select current_user::text, $1::int + 1"), [41])).toEqual([["gesta_app", 42]]);
  });

  test("passes lists, JSON, text and null unchanged", async () => {
    const json = JSON.stringify({ text: "żółć 🍺 \\ \" '", list: [1, null, { a: true }] });
    const rows = await engine.run(statement("select ($1::jsonb)::text, ($2::text[])[2], ($3::text[])[1], $4::text"), [
      json,
      ["a", 'b"\\,{}'],
      [null],
      "'; drop table numbers; --",
    ]);
    expect(JSON.parse(String(rows[0]?.[0]))).toEqual(JSON.parse(json));
    expect(rows[0]?.slice(1)).toEqual(['b"\\,{}', null, "'; drop table numbers; --"]);
  });

  test("tells what the database refused by its SQLSTATE, and goes on", async () => {
    await expect(engine.run(statement("insert into numbers values (1)"), [])).rejects.toMatchObject({
      sqlState: "42501",
    });
    await expect(engine.run(statement("select 1 / $1::int"), [0])).rejects.toMatchObject({ sqlState: "22012" });
    expect(await engine.run(statement("select 1"), [])).toEqual([[1]]);
  });

  test("keeps a setting of one statement from the next", async () => {
    await engine.run(statement("select set_config('gesta.actor', 'somebody', true)"), []);
    expect(await engine.run(statement("select coalesce(current_setting('gesta.actor', true), '')"), [])).toEqual([
      [""],
    ]);
  });

  test("migrates whole scripts or nothing", async () => {
    await expect(engine.migrate("insert into numbers values (7); insert into numbers values (0);")).rejects.toThrow();
    expect(await engine.inspect("select n from numbers")).toEqual([]);
    await engine.migrate("insert into numbers values (7), (8);");
    expect(await engine.inspect("select n from numbers where n > $1 order by n", [7])).toEqual([[8]]);
  });

  test("answers many statements at once, each its own", async () => {
    const asked = Array.from({ length: 50 }, (_, index) => index);
    const answers = await Promise.all(asked.map((n) => engine.run(statement("select $1::int"), [n])));
    expect(answers).toEqual(asked.map((n) => [[n]]));
  });

  test("works in UTC", async () => {
    expect(await engine.run(statement("select current_setting('timezone')"), [])).toEqual([["UTC"]]);
  });
});
