import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { fold, upTo } from "../../src/domain/evolve.ts";
import type { StoredEvent } from "../../src/domain/history.ts";
import { onEngine } from "../../src/operations.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { ledgerRepository } from "../../src/repositories/ledger-repository.ts";
import { seededRandom } from "../../src/testing/agreement/random.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const pairs = Number(process.env.GESTA_TEST_MOMENTS ?? 500);
const { plan } = makePlan(delivery);
const together = 20;

interface Life {
  readonly entity: string;
  readonly id: string;
  readonly events: readonly StoredEvent[];
}

describe("a record as of any moment or version is the pure fold of the events until then", () => {
  let app: TestApplication;
  let lives: readonly Life[];

  beforeAll(async () => {
    app = await runDelivery("postgres");
    // Many changes at once: some share a millisecond.
    const made = await Promise.all(
      [1, 2, 3, 4].map((n) => app.call("POST", "/drinks", null, { name: `d${n}`, price: n })),
    );
    for (let round = 0; round < 6; round++) {
      await Promise.all(made.map(({ body }) => app.call("PATCH", `/drinks/${body.id}`, null, { price: round / 4 })));
    }
    await app.call("DELETE", `/drinks/${made[0]?.body.id}`);
    lives = await livesOf(app);
  });
  afterAll(() => app.stop());

  test(`${pairs} random pairs (SEED=${seed})`, async () => {
    const random = seededRandom(seed);
    for (let done = 0; done < pairs; done += together) {
      await Promise.all(
        Array.from({ length: Math.min(together, pairs - done) }, async () => {
          const life = random.oneOf(lives);
          if (life === undefined) throw new Error("nothing was sown");
          const { entity, id, events } = life;
          const event = random.oneOf(events);
          const moment = new Date(Date.parse(event?.at ?? "") + random.below(5) - 2);
          const version = random.below(events.length + 2);
          const byVersion = random.chance(0.3);
          if (!byVersion && moment.getTime() > Date.now()) return;
          const past = byVersion ? events.slice(0, version) : upTo(events, moment.toISOString());
          const query = byVersion ? `as_of_version=${version}` : `as_of=${moment.toISOString()}`;
          const reply = await app.call("GET", `/${entity}/${id}?${query}`, "admin");
          const label = `SEED=${seed} /${entity}/${id}?${query}`;
          if (byVersion && version === 0) expect(reply.status, label).toBe(400);
          else if (past.length === 0 || (byVersion && version > events.length)) expect(reply.status, label).toBe(404);
          else compare(label, entity, reply, fold(past) ?? {});
        }),
      );
    }
  });
});

function compare(label: string, entity: string, reply: { status: number; body: object }, state: object): void {
  const told: Readonly<Record<string, unknown>> = { ...state };
  if (told.deleted_at !== null) {
    expect([reply.status, Reflect.get(reply.body, "deleted_at")], label).toEqual([410, told.deleted_at]);
    return;
  }
  const { deleted_at: _, ...shown } = told;
  const { id: __, ...body } = reply.body as { readonly id: unknown };
  expect(reply.status, label).toBe(200);
  expect(body, `${label} of ${entity}`).toEqual(shown);
}

/** Every sown record whose fields all may be read by admin, with its events as the ledger has them. */
async function livesOf(app: TestApplication): Promise<readonly Life[]> {
  const client = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await client.connect();
  try {
    return await onEngine(app.around, async (engine) => {
      const ledger = ledgerRepository(engine, plan);
      const lives: Life[] = [];
      for (const entity of plan.entities) {
        const { rows } = await client.query(
          "select distinct stream_id::text as id from gesta.events where entity = $1",
          [entity.name],
        );
        for (const { record, events } of await ledger.streams(
          entity,
          rows.map(({ id }) => id),
        )) {
          lives.push({ entity: entity.name, id: String(record?.id), events });
        }
      }
      return lives;
    });
  } finally {
    await client.end();
  }
}
