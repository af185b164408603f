import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { doctor } from "../../src/cli/doctor.ts";
import type { Diagnosis } from "../../src/domain/diagnosis.ts";
import type { Surroundings } from "../../src/gesta.ts";
import { engines, runDelivery, type TestApplication } from "../support/running-application.ts";

/** What the command prints with --json, and its exit code. */
async function diagnosed(around: Surroundings): Promise<Diagnosis & { readonly code: number }> {
  const lines: string[] = [];
  const code = await doctor(delivery, around, true, (line) => lines.push(line));
  return { ...(JSON.parse(lines.join("")) as Diagnosis), code }; // as the command prints it
}

describe.each(engines)("gesta doctor on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runDelivery(engine);
    // The embedded engine lets one process in at a time.
    if (engine === "pglite") await app.running.close();
  }, 120_000);
  afterAll(() => app?.stop());

  test("a database as it was made is clean, and what cannot be known is said", async () => {
    const { code, findings, unknown } = await diagnosed(app.around);
    expect([code, findings]).toEqual([0, []]);
    expect(unknown.join()).toMatch(engine === "pglite" ? /keeps no statistics/ : /less than a week/);
    const lines: string[] = [];
    await doctor(delivery, app.around, false, (line) => lines.push(line));
    expect(lines.at(-1)).toBe("0 findings");
  });
});

describe("gesta doctor on a database that lacks something", () => {
  let app: TestApplication;
  const asOwner = async (statement: string) => {
    const client = new pg.Client({ connectionString: app.databaseUrl ?? "" });
    await client.connect();
    await client.query(statement).finally(() => client.end());
  };
  beforeAll(async () => {
    app = await runDelivery("postgres");
  }, 120_000);
  afterAll(() => app?.stop());

  test("a dropped index is named with the statement that makes it again", async () => {
    const dropped = ["orders_status_index", "orders_restaurant_id_index", "users_email_key", "drinks_deleted_at_idx"];
    for (const name of dropped) await asOwner(`drop index app.${name}`);
    const { code, findings } = await diagnosed(app.around);
    expect(code).toBe(1);
    expect(findings.map(({ kind, object }) => `${kind} ${object}`).sort()).toEqual(
      dropped.map((name) => `missing_index app.${name}`).sort(),
    );
    expect(findings.find(({ object }) => object === "app.orders_status_index")).toEqual({
      kind: "missing_index",
      object: "app.orders_status_index",
      reason: "what asks for orders by status, id reads every row",
      remedy: "create index concurrently orders_status_index on app.orders (status, id) where deleted_at is null;",
    });
    for (const { remedy } of findings) await asOwner(remedy);
    expect((await diagnosed(app.around)).findings).toEqual([]);
  });

  test("an index whose making was broken off, and one on other columns than its name says", async () => {
    await asOwner("update pg_index set indisvalid = false where indexrelid = 'app.orders_status_index'::regclass");
    await asOwner("drop index app.orders_created_at_index");
    await asOwner("create index orders_created_at_index on app.orders (updated_at)");
    const { findings } = await diagnosed(app.around);
    expect(findings.map(({ kind, object }) => `${kind} ${object}`)).toEqual([
      "missing_index app.orders_status_index",
      "missing_index app.orders_created_at_index",
      "invalid_index app.orders_status_index",
    ]);
    await asOwner("update pg_index set indisvalid = true where indexrelid = 'app.orders_status_index'::regclass");
    await asOwner("drop index app.orders_created_at_index");
    await asOwner("create index on app.orders (created_at, id) where deleted_at is null");
    expect((await diagnosed(app.around)).findings).toEqual([]);
  });

  test("foreign keys without an index, tables without ANALYZE, indexes that nothing used for a week", async () => {
    await asOwner("create table app.notes (id bigint primary key, order_id uuid references app.orders)");
    await asOwner("alter table app.notes set (autovacuum_enabled = false)");
    await asOwner("create index notes_half_index on app.notes ((id / 2))");
    await asOwner("insert into app.notes select n from generate_series(1, 6000) n");
    await asOwner("delete from app.notes where id > 3000");
    const clock = { now: () => new Date(Date.now() + 8 * 86_400_000) };
    const seen = async () => {
      const { findings } = await diagnosed({ ...app.around, clock });
      return findings.map(({ kind, object }) => `${kind} ${object}`).sort();
    };
    // The database counts a little later than it does.
    await expect
      .poll(seen, { timeout: 30_000 })
      .toEqual([
        "dead_rows app.notes",
        "not_analyzed app.notes",
        "unindexed_reference app.notes",
        "unused_index app.notes_half_index",
      ]);
    await asOwner("drop table app.notes");
    expect(await seen()).toEqual([]);
  });
});
