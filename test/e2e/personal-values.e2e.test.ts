import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clock } from "../../src/cli/clock.ts";
import {
  anyone,
  application,
  boolean,
  crud,
  date,
  decimal,
  entity,
  instant,
  integer,
  list,
  object,
  text,
} from "../../src/index.ts";
import { verifyApplication, withPurges } from "../../src/operations.ts";
import { engines, runApplication, type TestApplication } from "../support/running-application.ts";

const personal = true;
const people = entity(
  "people",
  {
    fields: {
      name: text({ max: 200, personal, filter: true, sort: true }),
      born: date({ personal }),
      weight: decimal({ places: 9, personal }),
      children: integer({ personal, default: 0 }),
      married: boolean({ personal }),
      seen: instant({ personal }),
      nicknames: list(text({ max: 50 }), { personal }),
      home: object({ street: text({ max: 50 }), number: integer() }, { personal }),
      height: decimal({ places: 2, optional: true, personal }),
      city: text({ max: 50, filter: true }),
    },
    read: anyone,
  },
  ({ creates, updates, deletes }) => ({
    create: creates("PersonAdded", { by: anyone, bulk: true }),
    update: updates("PersonUpdated", { by: anyone }),
    delete: deletes("PersonDeleted", { by: anyone, wait: "30 days" }),
  }),
);
const stones = entity("stones", { fields: { name: text({ max: 50 }) }, read: anyone }, ({ creates, deletes }) => ({
  create: creates("StoneFound", { by: anyone }),
  lose: deletes("StoneLost", { by: anyone, wait: "1 day" }),
}));
const drinks = entity("drinks", { fields: { name: text({ max: 50 }) }, read: anyone }, crud({ by: anyone }));
const village = application("village", { entities: [people, stones, drinks] });

const vera = {
  name: 'Vera "Quote" \\ \u2028 Ünïcode {"sealed": "x", "stream": "y", "version": 1}',
  born: "1990-02-28",
  weight: 0.00000005,
  children: 2,
  married: true,
  seen: "2026-02-28T12:00:00.000Z",
  nicknames: ["v", 'a"b'],
  home: { street: "Main", number: 7 },
  height: null,
  city: "Perm",
};

describe.each(engines)("personal values of every kind, on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runApplication(village, engine);
  });
  afterAll(() => app.stop());

  test("come out of the past as the plain read had them", async () => {
    const made = await app.call("POST", "/people", null, vera);
    expect(made.status).toBe(201);
    const at = `/people/${made.body.id}`;
    const plain = (await app.call("GET", at)).body;
    const changed = { name: "Someone", weight: 1.5, nicknames: [], height: 1.7, home: { street: "Side", number: 8 } };
    expect((await app.call("PATCH", at, null, changed)).status).toBe(200);
    const now = (await app.call("GET", at)).body;
    expect((await app.call("PATCH", at, null, { city: "Omsk" })).status).toBe(200);

    expect((await app.call("GET", `${at}?as_of_version=1`)).body).toEqual(plain);
    expect((await app.call("GET", `${at}?as_of_version=2`)).body).toEqual(now);
    const moment = String(made.body.created_at);
    const list = await app.call("GET", `/people?as_of=${moment}`);
    expect(list.body.people).toEqual([plain]);
    expect((await app.call("GET", `/people?as_of=${moment}&city=Perm`)).body.people).toEqual([plain]);
    for (const query of ["name=x", "sort=-name"]) {
      expect((await app.call("GET", `/people?as_of=${moment}&${query}`)).status).toBe(400);
      expect((await app.call("GET", `/people?${query}`)).status).toBe(200);
    }
    await app.call("DELETE", at);
  });

  test("of many in one call have keys of their own", async () => {
    const items = [1, 2, 3].map((number) => ({ ...vera, name: `Item ${number}` }));
    const { status, body } = await app.call("POST", "/people/bulk", null, { items });
    expect(status).toBe(200);
    const ids = (body.results as readonly { readonly id: string }[]).map(({ id }) => id);
    for (const [index, id] of ids.entries()) {
      expect((await app.call("PATCH", `/people/${id}`, null, { city: `C${index}` })).status).toBe(200);
      expect((await app.call("GET", `/people/${id}?as_of_version=1`)).body.name).toBe(`Item ${index + 1}`);
      expect((await app.call("DELETE", `/people/${id}`)).status).toBe(204);
    }
  });

  test("go when the time is over, each once; what has none goes too, and living records stay", async () => {
    const living = await app.call("POST", "/people", null, { ...vera, city: "Living" });
    const stone = await app.call("POST", "/stones", null, { name: "Agate" });
    await app.call("DELETE", `/stones/${stone.body.id}`);
    await clock(app.around, ["advance", "31d"], true);
    const deadline = Date.now() + 30_000;
    const isMoved = async () => {
      const { created_at } = (await app.call("POST", "/drinks", null, { name: "Tea" })).body;
      return Date.parse(String(created_at)) > Date.now() + 30 * 86_400_000;
    };
    while (!(await isMoved())) expect(Date.now()).toBeLessThan(deadline);
    await app.running.close();

    const list = await withPurges(village, app.around, async (purges) => {
      await purges.purgeDue();
      return purges.list();
    });
    expect(list.map(({ entity: name }) => name).sort()).toEqual(["people", "people", "people", "people", "stones"]);
    expect(new Set(list.map(({ id }) => id)).size).toBe(5);
    expect((await verifyApplication(village, app.around)).findings).toEqual([]);
    expect(list.map(({ id }) => id)).not.toContain(living.body.id);
  });
});

test("a purge and a restore at once: one of them, and the record is whole or gone", async () => {
  const app = await runApplication(village, "postgres");
  const sql = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await sql.connect();
  const rounds = Number(process.env.GESTA_TEST_RACES ?? 8);
  try {
    for (let round = 0; round < rounds; round++) {
      const { id } = (await app.call("POST", "/people", null, { ...vera, name: `Race ${round}` })).body;
      await app.call("DELETE", `/people/${id}`);
      const [purge, restore] = await Promise.all([
        sql.query('select gesta.purge(\'people\', $1, \'{"when": "deleted", "author": "system"}\') as report', [id]),
        app.call("POST", `/people/${id}/restore`, null, {}),
      ]);
      const { outcome } = purge.rows[0].report;
      const shown = await app.call("GET", `/people/${id}`);
      if (restore.status === 200) {
        expect([outcome, shown.status, shown.body.name]).toEqual(["alive", 200, `Race ${round}`]);
        expect((await app.call("GET", `/people/${id}?as_of_version=1`)).body.name).toBe(`Race ${round}`);
      } else expect([restore.status, outcome, shown.status]).toEqual([409, "purged", 410]);
    }
    expect((await verifyApplication(village, app.around)).findings).toEqual([]);
  } finally {
    await sql.end();
    await app.stop();
  }
});
