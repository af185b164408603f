import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seedId } from "../../src/declare/application.ts";
import { anyone, application, crud, entity, text } from "../../src/index.ts";
import {
  engines,
  type Reply,
  runApplication,
  runDelivery,
  type TestApplication,
} from "../support/running-application.ts";

const most = 1000;

interface Result {
  readonly index: number;
  readonly status: number;
  readonly id?: string | number;
  readonly problem?: Readonly<Record<string, unknown>>;
}
// The shape is what the tests hold the replies to.
const resultsOf = (reply: Reply): readonly Result[] => (reply.body.results ?? []) as readonly Result[];
const bad = (reply: Reply) =>
  resultsOf(reply)
    .filter(({ problem }) => problem !== undefined)
    .map(({ index, status, problem }) => [index, status, problem?.code]);

describe.each(engines)("many records in one call on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runDelivery(engine);
  });
  afterAll(() => app.stop());

  const post = (body: unknown, headers = {}, query = "") =>
    app.call("POST", `/drinks/bulk${query}`, null, body, headers);
  const patch = (body: unknown, headers = {}, query = "") =>
    app.call("PATCH", `/drinks/bulk${query}`, null, body, headers);
  const drinks = (count: number, name = "drink") =>
    Array.from({ length: count }, (_, index) => ({ name: `${name} ${index}`, price: index / 100 }));
  const count = async (filter = "") => (await app.call("GET", `/drinks?count=exact&limit=1${filter}`)).body.page;
  const total = async (): Promise<number> => Number(Object(await count()).total);
  const read = async (id: string | number | undefined) => (await app.call("GET", `/drinks/${id}`)).body;
  const problemOf = async (reply: Promise<Reply>) => {
    const { status, body } = await reply;
    return [status, body.code, body.errors ?? null];
  };

  describe("with a thousand items, three of them bad", () => {
    const wrong = new Map<number, object>([
      [3, { name: "", price: 1 }],
      [500, { name: "free", price: -1, colour: "red" }],
      [999, { price: 1, version: 3 }],
    ]);
    const items = drinks(most, "of many").map((item, index) => wrong.get(index) ?? item);
    const refused = [
      [3, 422, "invalid"],
      [500, 422, "invalid"],
      [999, 422, "invalid"],
    ];

    test("atomic stores nothing and names all three", async () => {
      const before = await total();
      const reply = await post({ items });
      expect([reply.status, reply.body.code]).toEqual([422, "bulk_refused"]);
      expect(reply.headers.get("content-type")).toContain("application/problem+json");
      expect(bad(reply)).toEqual(refused);
      expect(resultsOf(reply)).toHaveLength(3);
      expect(resultsOf(reply)[1]?.problem).toMatchObject({
        status: 422,
        request_id: reply.headers.get("request-id"),
        errors: [
          { pointer: "/colour", code: "unknown_field" },
          { pointer: "/price", code: "min" },
        ],
      });
      expect(await total()).toBe(before);
    });

    test("partial stores the others, each with its history", async () => {
      const before = await total();
      const reply = await post({ mode: "partial", items });
      expect([reply.status, reply.body.mode]).toEqual([200, "partial"]);
      expect(bad(reply)).toEqual(refused);
      const results = resultsOf(reply);
      expect(results.map(({ index }) => index)).toEqual(items.map((_, index) => index));
      const good = results.filter(({ status, id }) => status === 201 && id !== undefined);
      expect([good.length, await total()]).toEqual([997, before + 997]);
      expect(await read(results[998]?.id)).toMatchObject({ name: "of many 998", price: 9.98, version: 1 });
      const history = await app.call("GET", `/drinks/${results[0]?.id}/history`, "admin");
      expect(history.body.events).toMatchObject([{ type: "DrinkCreated", version: 1, action: "create" }]);
    });
  });

  test("changes a thousand, each as it would have been alone", async () => {
    const made = resultsOf(await post({ items: drinks(most) }));
    const reply = await patch({
      items: made.map(({ id }, index) => ({ id, price: index % 2 === 0 ? index / 100 : 7 })),
    });
    expect([reply.status, bad(reply)]).toEqual([200, []]);
    expect(resultsOf(reply)).toEqual(made.map(({ id }, index) => ({ index, status: 200, id })));
    // Equal content is no event.
    expect(await read(made[10]?.id)).toMatchObject({ name: "drink 10", price: 0.1, version: 1 });
    expect(await read(made[11]?.id)).toMatchObject({ name: "drink 11", price: 7, version: 2 });
    const single = await app.call("PATCH", `/drinks/${made[10]?.id}`, null, { price: 7 });
    const alone = await app.call("GET", `/drinks/${single.body.id}/history`, "admin");
    const among = await app.call("GET", `/drinks/${made[11]?.id}/history`, "admin");
    const shape = ({ body }: Reply) =>
      (body.events as readonly object[]).map((event) => ({
        ...event,
        ...{ id: "", at: "", request_id: "", correlation_id: "", changes: Object.keys(Object(event).changes) },
      }));
    expect(shape(among)).toEqual(shape(alone));
  });

  test("the key belongs to the call, and the whole reply is kept under it", async () => {
    const headers = { "idempotency-key": randomUUID() };
    const body = { mode: "partial", items: [...drinks(3), { name: "" }] };
    const first = await post(body, { ...headers, "accept-language": "ru" });
    const before = await total();
    const again = await post(body, headers);
    expect([again.status, again.text]).toEqual([first.status, first.text]);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(await total()).toBe(before);
    expect(await problemOf(post({ items: drinks(1) }, headers))).toEqual([422, "idempotency_mismatch", null]);

    const refusedKey = { "idempotency-key": randomUUID() };
    const [made] = resultsOf(first);
    const stale = { items: [{ id: made?.id, version: 9, price: 2 }] };
    expect((await patch(stale, refusedKey)).status).toBe(422);
    const changed = await patch({ items: [{ id: made?.id, version: 1, price: 2 }] }, refusedKey);
    expect(changed.status).toBe(200);
    const replayed = await patch({ items: [{ id: made?.id, version: 1, price: 2 }] }, refusedKey);
    expect(replayed.text).toBe(changed.text);
    expect(await read(made?.id)).toMatchObject({ price: 2, version: 2 });
  });

  test("two calls with one key at once are done once", async () => {
    const headers = { "idempotency-key": randomUUID() };
    const before = await total();
    const replies = await Promise.all(Array.from({ length: 6 }, () => post({ items: drinks(50) }, headers)));
    const texts = replies.filter(({ status }) => status === 200).map(({ text }) => text);
    expect(new Set(texts).size).toBe(1);
    expect(replies.filter(({ status }) => status !== 200).every(({ status }) => status === 409)).toBe(true);
    expect(await total()).toBe(before + 50);
  });

  test("the same record twice refuses the whole call in both modes", async () => {
    const made = resultsOf(await post({ items: drinks(2) }));
    const items = [0, 1, 0].map((nth) => ({ id: made[nth]?.id, price: 50 }));
    for (const mode of ["atomic", "partial"]) {
      expect(await problemOf(patch({ mode, items }))).toMatchObject([
        422,
        "invalid",
        [{ pointer: "/items/2/id", code: "repeated" }],
      ]);
    }
    expect(await read(made[1]?.id)).toMatchObject({ version: 1 });
    const dish = seedId("menu_items", "100");
    const twice = { items: [dish, dish.toUpperCase()].map((id) => ({ id, version: 1, price: 1 })) };
    expect(await problemOf(app.call("PATCH", "/menu_items/bulk", "staff1", twice))).toMatchObject([
      422,
      "invalid",
      [{ pointer: "/items/1/id", code: "repeated" }],
    ]);
  });

  test.each([
    ["no items", {}, "/items", "required"],
    ["an empty list", { items: [] }, "/items", "min_items"],
    ["no list", { items: {} }, "/items", "type"],
    ["1,001 items", { items: Array.from({ length: most + 1 }, () => 1) }, "/items", "max_items"],
    ["another mode", { mode: "some", items: [1] }, "/mode", "enum"],
    ["a mode of null", { mode: null, items: [1] }, "/mode", "enum"],
    ["another member", { item: [], items: [1] }, "/item", "unknown_field"],
    ["a list around it", [], "", "type"],
  ])("%s: refused at the right place", async (_, body, pointer, code) => {
    for (const send of [post, patch]) {
      expect(await problemOf(send(body))).toMatchObject([422, "invalid", [{ pointer, code }]]);
    }
  });

  test("items that name no record, or no version, say so", async () => {
    const [made] = resultsOf(await post({ items: drinks(1) }));
    const items = [
      { price: 1 },
      { id: "1" },
      { id: 999_999_999 },
      { id: 0 },
      { id: 1.5 },
      7,
      { id: made?.id, version: 0 },
    ];
    const reply = await patch({ mode: "partial", items });
    expect(bad(reply)).toEqual([
      [0, 422, "invalid"],
      [1, 422, "invalid"],
      [2, 404, "not_found"],
      [3, 404, "not_found"],
      [4, 404, "not_found"],
      [5, 422, "invalid"],
      [6, 422, "invalid"],
    ]);
  });

  test("a version that is missing where it is demanded, or stale, is told like If-Match", async () => {
    const [one, two, three] = ["101", "102", "103"].map((name) => seedId("menu_items", name));
    const items = [
      { id: one, price: 3 },
      { id: two, version: 7, price: 3 },
      { id: three, version: 1, price: 3 },
    ];
    const send = (mode: string) => app.call("PATCH", "/menu_items/bulk", "staff1", { mode, items });
    const refused = [
      [0, 428, "precondition_required"],
      [1, 412, "stale"],
    ];
    const atomic = await send("atomic");
    expect([atomic.status, bad(atomic)]).toEqual([422, refused]);
    expect(resultsOf(atomic)[1]?.problem?.versions).toEqual({ yours: 7, current: 1 });
    expect((await app.call("GET", `/menu_items/${three}`)).body).toMatchObject({ version: 1 });
    const partial = await send("partial");
    expect([partial.status, bad(partial)]).toEqual([200, refused]);
    expect(resultsOf(partial)[2]).toEqual({ index: 2, status: 200, id: three });
    expect((await app.call("GET", `/menu_items/${three}`)).body).toMatchObject({ version: 2, price: 3 });
  });

  test("policies and references hold for each item", async () => {
    const dish = (number: number, more = {}) => ({
      ...{ restaurant_id: seedId("restaurants", String(number)), name: "Ukha", price: 6 },
      ...more,
    });
    const nowhere = { restaurant_id: "01900000-0000-7000-8000-00000000dead" };
    const items = [dish(1), dish(2), dish(1, nowhere), dish(1, { restaurant_id: "x" }), dish(1, { id: randomUUID() })];
    const send = (who: string | null, mode = "partial") => app.call("POST", "/menu_items/bulk", who, { mode, items });
    const reply = await send("staff1");
    expect([reply.status, bad(reply)]).toEqual([
      200,
      [
        [1, 403, "forbidden"],
        [2, 422, "invalid"],
        [3, 422, "invalid"],
        [4, 422, "invalid"],
      ],
    ]);
    expect(
      resultsOf(reply)
        .slice(2)
        .map(({ problem }) => problem?.errors),
    ).toMatchObject([
      [{ pointer: "/restaurant_id", code: "not_found" }],
      [{ pointer: "/restaurant_id", code: "format" }],
      [{ pointer: "/id", code: "server_owned" }],
    ]);
    const change = { items: [{ id: seedId("menu_items", "200"), version: 1, price: 1 }] };
    const foreign = await app.call("PATCH", "/menu_items/bulk", "staff1", change);
    expect([foreign.status, bad(foreign)]).toEqual([422, [[0, 403, "forbidden"]]]);
    expect((await send("staff1", "atomic")).body.code).toBe("bulk_refused");
    // Whoever may do it to no record is told before the items are looked at.
    expect((await send(null)).status).toBe(401);
    expect(await problemOf(app.call("POST", "/menu_items/bulk", null, {}))).toEqual([401, "unauthenticated", null]);
    expect((await send("admin")).status).toBe(200);
  });

  test("fields of the system are refused, and what was read may be sent back", async () => {
    const [made] = resultsOf(await post({ items: drinks(1) }));
    const record = await read(made?.id);
    const back = await patch({ items: [{ ...record, price: 4 }] });
    expect([back.status, bad(back)]).toEqual([200, []]);
    const forged = await patch({ items: [{ id: made?.id, created_at: "2020-01-01T00:00:00.000Z", price: 5 }] });
    expect([forged.status, bad(forged)]).toEqual([422, [[0, 422, "invalid"]]]);
    expect(resultsOf(forged)[0]?.problem?.errors).toMatchObject([{ pointer: "/created_at", code: "server_owned" }]);
  });

  test("a deleted record is gone, for the item alone", async () => {
    const made = resultsOf(await post({ items: drinks(2) }));
    await app.call("DELETE", `/drinks/${made[0]?.id}`);
    const reply = await patch({ mode: "partial", items: made.map(({ id }) => ({ id, price: 9 })) });
    expect(bad(reply)).toEqual([[0, 410, "gone"]]);
    expect(await read(made[1]?.id)).toMatchObject({ price: 9, version: 2 });
  });

  test("a dry run stores nothing", async () => {
    const before = await total();
    const reply = await post({ items: drinks(5) }, {}, "?dry_run=true");
    expect([reply.status, bad(reply), resultsOf(reply).length]).toEqual([200, [], 5]);
    const refused = await post({ items: [...drinks(5), {}] }, {}, "?dry_run=true");
    expect([refused.status, bad(refused)]).toEqual([422, [[5, 422, "invalid"]]]);
    expect(await total()).toBe(before);
  });

  test("changes that meet are each made on what the other left", async () => {
    const made = resultsOf(await post({ items: drinks(100) }));
    const round = (price: number) => patch({ items: made.map(({ id }) => ({ id, price })) });
    const replies = await Promise.all([11, 12, 13].map(round));
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200]);
    const versions = await Promise.all([0, 50, 99].map((nth) => read(made[nth]?.id)));
    expect(versions.map(({ version }) => version)).toEqual([4, 4, 4]);
    expect(new Set(versions.map(({ price }) => price)).size).toBe(1);
  });

  test("takes no forms, and only where the declaration says so", async () => {
    const form = { "content-type": "application/x-www-form-urlencoded" };
    expect((await post("items=1", form)).status).toBe(415);
    expect((await app.call("GET", "/drinks/bulk")).headers.get("allow")).toBe("POST, PATCH");
    expect((await app.call("GET", "/files/bulk", "admin")).status).toBe(404);
    expect((await app.call("POST", "/files/bulk", "admin", { items: [] })).status).toBe(405);
    expect((await post({ items: drinks(1) }, {}, "?colour=red")).status).toBe(400);
  });
});

/** Words that no two records share: what only the database can refuse. */
const labels = application("labels", {
  entities: [
    entity(
      "labels",
      { fields: { word: text({ min: 1, unique: true }) }, read: anyone },
      crud({ by: anyone, bulk: ["create", "update"] }),
    ),
  ],
});

describe.each(engines)("what the database refuses of many on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runApplication(labels, engine);
  });
  afterAll(() => app.stop());

  const send = (method: string, mode: string, items: readonly object[], headers = {}) =>
    app.call(method, "/labels/bulk", null, { mode, items }, headers);
  const words = (...all: readonly string[]) => all.map((word) => ({ word }));
  const stored = async () => {
    const { body } = await app.call("GET", "/labels?limit=1000");
    return (body.labels as readonly { readonly word: string }[]).map(({ word }) => word).sort();
  };

  test("is named with all else that is bad, or left out", async () => {
    expect((await send("POST", "atomic", words("one", "two"))).status).toBe(200);
    const items = words("three", "one", "four", "three", "", "two");
    const refused = [
      [1, 409, "unique"],
      [3, 409, "unique"],
      [4, 422, "invalid"],
      [5, 409, "unique"],
    ];
    const atomic = await send("POST", "atomic", items);
    expect([atomic.status, bad(atomic)]).toEqual([422, refused]);
    expect(resultsOf(atomic)[0]?.problem?.errors).toMatchObject([{ pointer: "/word", code: "unique" }]);
    expect(await stored()).toEqual(["one", "two"]);

    const headers = { "idempotency-key": randomUUID() };
    const partial = await send("POST", "partial", items, headers);
    expect([partial.status, bad(partial)]).toEqual([200, refused]);
    expect(resultsOf(partial).map(({ index, status }) => [index, status])).toEqual([
      [0, 201],
      [1, 409],
      [2, 201],
      [3, 409],
      [4, 422],
      [5, 409],
    ]);
    expect(await stored()).toEqual(["four", "one", "three", "two"]);
    expect((await send("POST", "partial", items, headers)).text).toBe(partial.text);
  });

  test("is refused of changes, too", async () => {
    const [left, right] = resultsOf(await send("POST", "atomic", words("left", "right")));
    const taken = await send("PATCH", "partial", [
      { id: left?.id, word: "middle" },
      { id: right?.id, word: "middle" },
    ]);
    expect([taken.status, bad(taken)]).toEqual([200, [[1, 409, "unique"]]]);
    const none = await send("POST", "partial", words("", "middle"));
    expect([none.status, bad(none)]).toEqual([
      200,
      [
        [0, 422, "invalid"],
        [1, 409, "unique"],
      ],
    ]);
    const { body } = await app.call("GET", `/labels/${right?.id}`);
    expect(body).toMatchObject({ word: "right", version: 1 });
  });
});
