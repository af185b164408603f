import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import drinks from "../../examples/drinks/application.ts";
import { type Sweeper, startSweeper } from "../../src/background/sweeper.ts";
import type { Engine } from "../../src/database/engine.ts";
import { pgliteEngine } from "../../src/database/engines/pglite.ts";
import { postgresEngine } from "../../src/database/engines/postgres.ts";
import { emitSchema } from "../../src/emit/schema-emitter.ts";
import { silent } from "../../src/kernel/observation.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { prepareSchema } from "../../src/repositories/schema-repository.ts";
import { sweepReplies } from "../../src/repositories/sweep-repository.ts";
import { freshDatabase } from "../support/fresh-database.ts";

describe.each(["pglite", "postgres"] as const)("kept replies, on %s", (kind) => {
  const directory = mkdtempSync(join(tmpdir(), "gesta-sweep-"));
  let engine: Engine;
  let drop = async () => {};
  beforeAll(async () => {
    if (kind === "pglite") engine = await pgliteEngine(directory);
    else {
      const database = await freshDatabase();
      drop = database.drop;
      engine = postgresEngine({ url: database.url, poolSize: 1, observe: silent });
    }
    await prepareSchema(engine, emitSchema(makePlan(drinks).plan));
  });
  afterAll(async () => {
    await engine.close();
    await drop();
    rmSync(directory, { recursive: true, force: true });
  });

  const keep = (count: number, age: string) =>
    engine.inspect(
      `insert into gesta.idempotency (scope, fingerprint, entity, record_id, reply, at)
         select gen_random_uuid(), gen_random_uuid(), 'drinks', '1', '1 {}', now() - $1::interval
           from generate_series(1, $2)`,
      [age, count],
    );
  const kept = async () => Number((await engine.inspect("select count(*)::int from gesta.idempotency"))[0]?.[0]);

  test("are removed once their 72 hours are over, however many, and not before", async () => {
    await keep(2500, "72 hours 1 second");
    await keep(3, "71 hours 59 minutes");
    let rounds = 0;
    let sweeper: Sweeper | undefined;
    await new Promise<void>((resolve) => {
      sweeper = startSweeper({
        sweep: async (most) => {
          const removed = await sweepReplies(engine, most);
          if (++rounds === 3) resolve();
          return removed;
        },
        everyMilliseconds: 10,
        observe: silent,
      });
    });
    await sweeper?.stop();
    expect(await kept()).toBe(3);
  });

  test("a round that fails is reported, and the next one comes", async () => {
    const told: string[] = [];
    let tries = 0;
    let sweeper: Sweeper | undefined;
    await new Promise<void>((resolve) => {
      sweeper = startSweeper({
        sweep: async () => {
          tries++;
          if (tries === 2) resolve();
          throw new Error("no database");
        },
        everyMilliseconds: 5,
        observe: ({ kind }) => told.push(kind),
      });
    });
    await sweeper?.stop();
    expect(told).toContain("sweep_failed");
  });
});
