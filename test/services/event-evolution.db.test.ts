import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { crud } from "../../src/declare/action.ts";
import { application } from "../../src/declare/application.ts";
import { entity } from "../../src/declare/entity.ts";
import { defaulted, dropped, mapped, renamed, type Upcast } from "../../src/declare/evolution.ts";
import { text } from "../../src/declare/field.ts";
import { anyone } from "../../src/declare/policy.ts";
import { emitUpcasts } from "../../src/emit/records/upcast-functions.ts";
import { type RunningApplication, startApplication } from "../../src/gesta.ts";
import type { JsonObject } from "../../src/kernel/json.ts";
import { onEngine, verifyApplication, withLedger } from "../../src/operations.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { engines, runApplication, type TestApplication } from "../support/running-application.ts";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const rounds = Number(process.env.GESTA_TEST_EVOLUTIONS ?? 25);

const declared = (evolution: readonly (readonly Upcast[])[]) => {
  const free = text({ max: 50, optional: true });
  const fields = { name: text({ min: 1, max: 50 }), kind: free, city: free };
  const shops = entity("shops", { fields, read: anyone, evolution }, crud({ by: anyone, undo: true }));
  return application("street", { entities: [shops] });
};
const first = declared([]);
const third = declared([
  [renamed("title", "label"), mapped("kind", { big: "large" })],
  [renamed("label", "name"), defaulted("city", "Moscow"), dropped("fax")],
]);

/** A stream as an application wrote it whose declaration is no longer there. */
const old = "01900000-0000-7000-8000-000000000001";
const writing = (version: number, type: string, data: object) => `
  insert into gesta.events (stream_id, version, id, entity, type, type_version, action, data, actor_type, correlation_id, at, hash)
    select s.stream_id, s.version, s.id, 'shops', s.type, 1, s.action, s.data, 'system', s.id, s.at,
           gesta.event_hash((select hash from gesta.events e where e.stream_id = s.stream_id and e.version = s.version - 1),
             s.stream_id, s.version, s.id, 'shops', s.type, 1::smallint, s.action, s.data, 'system', null, null, null,
             s.id, null, s.at)
      from (select '${old}'::uuid as stream_id, ${version} as version, gen_random_uuid() as id, '${type}' as type,
                   '${version === 1 ? "create" : "update"}' as action, '${JSON.stringify(data)}'::jsonb as data, gesta.now() as at) s;`;

describe.each(engines)("events of older versions, on %s", (engine) => {
  let app: TestApplication;
  let running: RunningApplication | null = null;
  let made = "";

  /** The embedded database takes one process at a time, and an operator is one. */
  const offline = async () => {
    await running?.close();
    running = null;
  };
  const call = async (method: string, path: string, body?: object, headers: object = {}) => {
    running ??= await startApplication(third, app.around);
    const reply = await fetch(`${running.url}${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: reply.status, body: JSON.parse(await reply.text()) };
  };
  const findings = async (of = third) => {
    await offline();
    return (await verifyApplication(of, app.around)).findings;
  };
  const stored = async (sql: string) => {
    await offline();
    return onEngine(app.around, (each) => each.inspect(sql));
  };

  beforeAll(async () => {
    app = await runApplication(first, engine);
    running = app.running;
    made = (await call("POST", "/shops", { name: "Corner", kind: "big" })).body.id;
    await call("PATCH", `/shops/${made}`, { city: "Perm" });
    expect(await findings(first)).toEqual([]);
    await onEngine(app.around, (each) =>
      each.migrate(
        [
          writing(1, "ShopCreated", { title: "Old", kind: "big", fax: "1" }),
          writing(2, "ShopUpdated", { title: "Older", kind: null }),
        ].join("\n"),
      ),
    );
  });
  afterAll(async () => {
    await offline();
    await app.stop();
  });

  test("are folded, shown and compared as the declaration of today knows them; none is rewritten", async () => {
    const before = await stored("select data::text, type_version from gesta.events order by stream_id, version");
    running = await startApplication(third, app.around);
    const found = await findings();
    expect(found.map(({ stream, fault, at }) => [stream, fault, at])).toEqual(
      [
        // The row says what the word was.
        [made, "differs", ["kind"]],
        [old, "no_record", []],
      ].sort(),
    );
    await withLedger(third, app.around, (ledger) => ledger.rebuild({}));
    expect(await findings()).toEqual([]);
    expect(await stored("select data::text, type_version from gesta.events order by stream_id, version")).toEqual(
      before,
    );

    expect((await call("GET", `/shops/${old}`)).body).toMatchObject({
      name: "Older",
      kind: null,
      city: "Moscow",
      version: 2,
    });
    expect((await call("GET", `/shops/${old}?as_of_version=1`)).body).toMatchObject({
      name: "Old",
      kind: "large",
      city: "Moscow",
    });
    expect((await call("GET", `/shops/${made}`)).body).toMatchObject({ name: "Corner", kind: "large", city: "Perm" });
    const lists = await call("GET", `/shops?as_of=${new Date().toISOString()}`);
    expect(lists.body.shops.map(({ name }: { readonly name: string }) => name).sort()).toEqual(["Corner", "Older"]);
    await offline();
    const [create, update] = await withLedger(third, app.around, (ledger) => ledger.history("shops", old));
    expect(create?.changes).toEqual({
      name: { from: null, to: "Old" },
      kind: { from: null, to: "large" },
      city: { from: null, to: "Moscow" },
    });
    expect(update?.changes).toEqual({ name: { from: "Old", to: "Older" }, kind: { from: "large", to: null } });
  });

  test("new ones are written in the version of now, and undo goes through both", async () => {
    await call("PATCH", `/shops/${old}`, { city: "Tver" });
    const versions = await stored(
      `select version, type_version from gesta.events where stream_id = '${old}' order by 1`,
    );
    expect(versions.map((row) => row.map(Number))).toEqual([
      [1, 1],
      [2, 1],
      [3, 3],
    ]);
    const [update] = await stored(`select id::text from gesta.events where stream_id = '${old}' and version = 2`);
    const undone = await call("POST", `/shops/${old}/undo`, { event: update?.[0] }, { "if-match": "*" });
    expect([undone.status, undone.body]).toMatchObject([200, { name: "Old", kind: "large", city: "Tver" }]);
    expect(await findings()).toEqual([]);
  });

  test("a declaration that does not know the version does not start, and verify says where", async () => {
    const known = await stored("select entity, type_version from gesta.event_versions order by 1, 2");
    expect(known.map(([name, version]) => [name, Number(version)])).toEqual([
      ["shops", 1],
      ["shops", 3],
    ]);
    await expect(startApplication(first, app.around)).rejects.toThrow("shops 3 (known: 1)");
    const found = await findings(first);
    expect(found).toContainEqual({ entity: "shops", stream: old, fault: "event_version_unknown", at: ["3", "4"] });
    expect((await call("GET", `/shops/${old}`)).body.name).toBe("Old");
  });

  test(`the database reads what the steps say (SEED=${seed})`, async () => {
    const names = ["name", "kind", "city"] as const;
    const name = fc.constantFrom(...names);
    const other = fc.constantFrom("title", "fax", ...names);
    const word = fc.constantFrom("a", "b", "it's", 'q"\\', "");
    const step = fc.oneof(
      fc.tuple(other, name).map(([from, to]) => renamed(from, to)),
      other.map(dropped),
      fc.tuple(name, fc.dictionary(word, word, { maxKeys: 2 })).map(([field, words]) => mapped(field, words)),
      fc.tuple(name, word).map(([field, value]) => defaulted(field, value)),
    );
    const event = fc.record({
      type: fc.constantFrom("ShopCreated", "ShopUpdated", "ShopAddedByHand"),
      version: fc.integer({ min: 1, max: 4 }),
      data: fc.dictionary(other, fc.oneof(word, fc.constant(null), fc.integer(), fc.constant([1])), { maxKeys: 4 }),
    });
    const evolutions = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 });
    await offline();
    await onEngine(app.around, async (each) => {
      await fc.assert(
        fc.asyncProperty(evolutions, fc.array(event, { minLength: 1, maxLength: 10 }), async (evolution, events) => {
          const { plan } = makePlan(declared(evolution));
          await each.migrate(emitUpcasts(plan));
          const read = await each.inspect(
            "select gesta.upcast('shops', q.e->>'type', (q.e->>'version')::smallint, q.e->'data')::text " +
              "from jsonb_array_elements($1::jsonb) with ordinality q (e, place) order by place",
            [JSON.stringify(events)],
          );
          expect(read.map(([data]) => JSON.parse(String(data)))).toEqual(
            events.map(({ type, version, data }) => upcast(evolution, type, version, data)),
          );
        }),
        { seed, numRuns: rounds },
      );
      await each.migrate(emitUpcasts(makePlan(third).plan));
    });
  });
});

/** What the steps mean, said a second time. */
function upcast(
  evolution: readonly (readonly Upcast[])[],
  type: string,
  version: number,
  data: JsonObject,
): JsonObject {
  let read = data;
  for (const step of evolution.slice(version - 1).flat()) read = after(step, type, read);
  return read;
}

function after(step: Upcast, type: string, data: JsonObject): JsonObject {
  switch (step.kind) {
    case "renamed": {
      const { [step.from]: moved, ...rest } = data;
      return moved === undefined ? data : { [step.to]: moved, ...rest };
    }
    case "dropped": {
      const { [step.name]: _, ...rest } = data;
      return rest;
    }
    case "mapped": {
      const word = data[step.name];
      if (typeof word !== "string" || !Object.hasOwn(step.words, word)) return data;
      return { ...data, [step.name]: step.words[word] ?? null };
    }
    case "defaulted":
      return type === "ShopUpdated" ? data : { [step.name]: step.value, ...data };
  }
}
