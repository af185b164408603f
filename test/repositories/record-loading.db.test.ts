import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import type { Engine } from "../../src/database/engine.ts";
import { postgresEngine } from "../../src/database/engines/postgres.ts";
import { application, seedId } from "../../src/declare/application.ts";
import { anyone, entity, oneOf, text, workflow } from "../../src/index.ts";
import { silent } from "../../src/kernel/observation.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { type RecordsRepository, recordsRepository } from "../../src/repositories/records-repository.ts";
import { runApplication, runDelivery, type TestApplication } from "../support/running-application.ts";

/** What the database answers when decisions ask for records: known ones are not sent, and nothing old is decided on. */
let app: TestApplication;
let owner: pg.Client;
let engine: Engine;
let records: RecordsRepository;
const answers: string[] = [];

beforeAll(async () => {
  app = await runDelivery("postgres");
  owner = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await owner.connect();
  engine = postgresEngine({ url: app.databaseUrl ?? "", poolSize: 2, observe: silent });
  const listening: Engine = {
    ...engine,
    async run(...asked: Parameters<Engine["run"]>) {
      const rows = await engine.run(...asked);
      answers.push(...rows.map((row) => String(row[1])));
      return rows;
    },
  };
  records = recordsRepository(listening, makePlan(delivery).plan);
});
afterAll(async () => {
  await engine?.close();
  await owner?.end();
  await app?.stop();
});

const customer = seedId("users", "customer1");
async function anItem(): Promise<string> {
  const { rows } = await owner.query("select id from app.menu_items where deleted_at is null order by id limit 1");
  return rows[0].id;
}

test("a record that is known is not sent again, to whomever, and each decision has its own", async () => {
  const id = await anItem();
  const first = await records.load("menu_items", customer, id);
  answers.length = 0;
  const all = await Promise.all([
    records.load("menu_items", customer, id),
    records.load("menu_items", null, id),
    records.load("menu_items", seedId("users", "staff1"), id),
    records.loadAll("menu_items", customer, [id, seedId("users", "nobody")]),
  ]);
  expect(answers.toSorted(), "once by the three, once by the list").toEqual([
    "missing",
    ...Array(2).fill(expect.stringMatching(/^visible \S+$/)),
  ]);
  const [one, , , [many, missing]] = all;
  expect([one, many]).toEqual([first, first]);
  expect(missing).toEqual({ outcome: "missing" });
  expect("record" in first && first.record.id).toBe(id);
  expect("record" in one && "record" in first && one.record !== first.record).toBe(true);
});

test("what decisions ask for at the same moment is asked once, and each has its own", async () => {
  const id = await anItem();
  const code = async () => records.loadBy("promotions", "code", "TEN");
  answers.length = 0;
  const [one, other, third, fourth] = await Promise.all([
    records.load("menu_items", customer, id),
    records.load("menu_items", seedId("users", "staff1"), id),
    code(),
    code(),
  ]);
  expect(answers.toSorted()).toEqual([expect.stringMatching(/^hidden /), expect.stringMatching(/^visible /)]);
  expect(other).toEqual(one);
  expect(fourth).toEqual(third);
  expect(third).toMatchObject({ outcome: "hidden", record: { code: "TEN" } });
  for (const [mine, yours] of [
    [one, other],
    [third, fourth],
  ] as const) {
    expect("record" in mine && "record" in yours && mine.record !== yours.record).toBe(true);
  }
});

test("where some may not read, one actor's equal questions are asked once, and another's apart", async () => {
  const { rows } = await owner.query("select id from app.orders where user_id = $1 limit 1", [customer]);
  const load = async (who: string | null) => records.load("orders", who, rows[0].id);
  answers.length = 0;
  const loaded = await Promise.all([customer, customer, seedId("users", "customer2"), null].map(load));
  expect(loaded.map(({ outcome }) => outcome)).toEqual(["visible", "visible", "hidden", "hidden"]);
  expect(answers).toHaveLength(3);
});

test("what a superuser changes behind all triggers is decided on at once", async () => {
  const id = await anItem();
  await records.load("menu_items", customer, id);
  await owner.query("begin");
  await owner.query("set local session_replication_role = replica");
  await owner.query("update app.menu_items set price = 77.5 where id = $1", [id]);
  await owner.query("commit");
  expect(await records.load("menu_items", customer, id)).toMatchObject({ outcome: "visible", record: { price: 77.5 } });
});

test("a record that is known is hidden from others, and gone when it is deleted", async () => {
  const { rows } = await owner.query("select id from app.orders where user_id = $1 limit 1", [customer]);
  const load = async (who: string) => records.load("orders", seedId("users", who), rows[0].id);
  for (const [who, outcome] of [
    ["customer1", "visible"],
    ["customer2", "hidden"],
    ["admin", "visible"],
    ["customer2", "hidden"],
    ["nobody", "unauthenticated"],
  ] as const) {
    const loaded = await load(who);
    expect([who, loaded.outcome]).toEqual([who, outcome]);
    expect("record" in loaded ? loaded.record.user_id : customer).toBe(customer);
  }
  await owner.query("update app.orders set deleted_at = now() where id = $1", [rows[0].id]);
  expect([await load("customer1"), await load("customer2")]).toMatchObject([
    { outcome: "visible_gone", record: { id: rows[0].id } },
    { outcome: "hidden_gone", record: { id: rows[0].id } },
  ]);
  answers.length = 0;
  await load("customer1");
  await load("customer2");
  expect(answers).toEqual([expect.stringMatching(/^visible_gone \S+$/), expect.stringMatching(/^hidden_gone \S+$/)]);
});

test("personal records are never kept: they are sent each time", async () => {
  await records.load("users", customer, customer);
  answers.length = 0;
  await records.load("users", customer, customer);
  expect(answers).toEqual([expect.stringMatching(/^visible \S+ \{"id":/)]);
});

test("actors that everybody may read are let in by what they are all the same", async () => {
  const people = entity(
    "people",
    {
      fields: { name: text(), role: oneOf({ values: ["guest"], setBy: "system", default: "guest" }) },
      lifecycle: workflow({
        initial: "active",
        states: { active: { on: { retire: "retired" } }, retired: { final: true } },
      }),
      read: anyone,
      singular: "person",
      lint: { accept: { open_write: "what is tested" } },
    },
    ({ creates, moves }) => ({
      register: creates("PersonRegistered", { by: anyone }),
      retire: moves("PersonRetired", { by: anyone }),
    }),
  );
  const open = application("open", {
    entities: [people],
    actors: { entity: "people", role: "role", active: ["active"] },
    seed: [],
  });
  const running = await runApplication(open, "postgres");
  const own = postgresEngine({ url: running.databaseUrl ?? "", poolSize: 1, observe: silent });
  try {
    const { load } = recordsRepository(own, makePlan(open).plan);
    const { body } = await running.call("POST", "/people", null, { name: "Kim" });
    expect(await load("people", body.id, body.id)).toMatchObject({ outcome: "visible", record: { name: "Kim" } });
    expect((await running.call("POST", `/people/${body.id}/retire`, null, {})).status).toBe(200);
    expect(await load("people", body.id, body.id)).toEqual({ outcome: "unauthenticated" });
    expect(await load("people", null, body.id)).toMatchObject({ outcome: "visible", record: { status: "retired" } });
  } finally {
    await own.close();
    await running.stop();
  }
});
