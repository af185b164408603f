import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { walletOf } from "../../examples/delivery/wallets.ts";
import { seedId } from "../../src/declare/application.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { engines, runDelivery, type TestApplication } from "../support/running-application.ts";

const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
const sql = "'; drop table app.drinks; --";

/** Values as JSON text: none of them is valid for any field that the operations below take. */
const hostileValues = [
  '"\\u0000"',
  '"a\\u0000b"',
  '"\\ud800"',
  '"\\udc00x"',
  "NaN",
  "Infinity",
  "-Infinity",
  "1e400",
  "-1e400",
  "1e-400",
  "9007199254740993",
  "9007199254740993.5",
  "0.1234567890123456789",
  "123456789012345678",
  "1e300",
  "-1",
  "-0.01",
  "0.001",
  '"infinity"',
  '"-infinity"',
  '"NaN"',
  "null",
  "true",
  "false",
  "[]",
  "{}",
  "[[]]",
  "[null]",
  '{"a":1}',
  '[{"a":{}}]',
  deep(33),
  deep(10_000),
  '{"__proto__":{"a":1}}',
  '{"constructor":{"prototype":{}}}',
  '{"a":1,"a":1}',
  "01",
  "+1",
  ".5",
  "1.",
  "0x10",
  "1_000",
  "'x'",
  "undefined",
  "",
  "{",
  "[1,",
  '"',
  '"\\x"',
  '"\\u12"',
  '"\t"',
  '"\n"',
  "/*c*/1",
  "1 2",
  "\ufeff1",
  JSON.stringify("x".repeat(20_000)),
  JSON.stringify([sql]),
  JSON.stringify({ $ne: null }),
  '"2024-02-30T00:00:00Z"',
  '"2024-13-01"',
  '"24:00:00"',
  '"01900000-0000-7000-8000-00000000000g"',
  '"javascript:alert(1)"',
  "[1e999]",
];

/** What looks odd and is nevertheless a value of the field: ordinary text, an empty list, an unset optional field. */
function isOrdinary(name: string, value: string): boolean {
  const texts = ['"infinity"', '"-infinity"', '"NaN"', '"2024-02-30T00:00:00Z"', '"2024-13-01"', '"24:00:00"'];
  if (["name", "city", "code", "reason"].includes(name)) {
    return texts.includes(value) || /^"(0190|javascript:)/.test(value) || (name === "reason" && value === "null");
  }
  if (name === "avatar") return value === "null";
  if (name === "staff_ids") return value === "[]";
  return ["active", "available"].includes(name) && ["true", "false"].includes(value);
}

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly who: string | null;
  readonly fields: readonly string[];
  readonly versioned: boolean;
  readonly keyed?: boolean;
}

const ids: Readonly<Record<string, string>> = {
  drinks: "1",
  users: seedId("users", "customer1"),
  restaurants: seedId("restaurants", "1"),
  menu_items: seedId("menu_items", "100"),
  promotions: seedId("promotions", "TEN"),
  orders: seedId("orders", "0"),
  wallets: walletOf(seedId("users", "customer1")),
};
const actors: Readonly<Record<string, string>> = {
  users: "customer1",
  restaurants: "admin",
  "restaurants.open": "staff1",
  "restaurants.close": "staff1",
  menu_items: "staff1",
  promotions: "manager",
  orders: "customer1",
  wallets: "admin",
  transfers: "customer1",
  "orders.status": "staff1",
  "orders.delete": "admin",
};

const operations: readonly Operation[] = makePlan(delivery).plan.entities.flatMap((entity) =>
  entity.actions
    .filter(({ kind, by }) => kind !== "delete" && by.kind !== "nobody")
    .flatMap((action) =>
      (action.kind === "update" ? ["PATCH", "PUT"] : [action.method]).map((method) => ({
        method,
        path: `/${entity.name}${action.path.replace("{id}", ids[entity.name] ?? "")}`,
        who: actors[`${entity.name}.${action.name}`] ?? actors[entity.name] ?? null,
        fields: action.input.map(({ name }) => name),
        versioned: entity.demandsVersion && action.kind === "update",
        keyed: action.demandsKey,
      })),
    ),
);

/** Everything that is stored, as the callers see it. */
const lists = ["drinks", "users", "restaurants", "menu_items", "promotions", "orders", "wallets", "transfers"];

describe.each(engines)("hostile input on %s", (engine) => {
  let app: TestApplication;
  const stored = async () => {
    const replies = await Promise.all(lists.map((name) => app.call("GET", `/${name}?limit=1000`, "admin")));
    return replies.map(({ text }) => text);
  };
  const send = (operation: Operation, body: string, type = "application/json") =>
    app.call(operation.method, operation.path, operation.who, body, {
      "content-type": type,
      ...(operation.versioned ? { "if-match": '"1"' } : {}),
      ...(operation.keyed ? { "idempotency-key": randomUUID() } : {}),
    });
  beforeAll(async () => {
    app = await runDelivery(engine);
    await app.call("POST", "/drinks", null, { name: "Jack", price: 10 });
  });
  afterAll(() => app.stop());

  test("sixty values in every field of every operation: a clear 4xx, nothing stored", async () => {
    const before = await stored();
    const odd: string[] = [];
    for (const operation of operations) {
      const places = [...operation.fields, "unknown", "id", "status2", "__proto__"];
      for (const value of hostileValues) {
        const hostile = places.filter((name) => !isOrdinary(name, value));
        const replies = await Promise.all(hostile.map((name) => send(operation, `{${JSON.stringify(name)}:${value}}`)));
        for (const [index, reply] of replies.entries()) {
          if (reply.status < 400 || reply.status >= 500 || typeof reply.body.code !== "string") {
            odd.push(`${operation.method} ${operation.path} ${hostile[index]}=${value.slice(0, 40)}: ${reply.status}`);
          }
        }
      }
    }
    expect(hostileValues.length).toBeGreaterThanOrEqual(60);
    expect(odd).toEqual([]);
    expect(await stored()).toEqual(before);
  }, 300_000);

  test("whole bodies that are no object, too large, or of another type", async () => {
    const drink: Operation = { method: "POST", path: "/drinks", who: null, fields: [], versioned: false };
    const before = await stored();
    for (const body of ["[]", '"x"', "1", "null", "true"]) {
      const reply = await send(drink, body);
      expect([reply.status, reply.body.errors]).toMatchObject([422, [{ pointer: "" }]]);
    }
    expect((await send(drink, JSON.stringify({ name: "x".repeat(2_000_000), price: 1 }))).status).toBe(413);
    expect((await send(drink, "<a/>", "application/xml")).status).toBe(415);
    for (const type of [
      "application/json\t;charset=utf-8",
      "application/json x",
      "application/json;charset=latin1",
      "text/plain",
    ]) {
      expect((await send(drink, '{"name":"x","price":1}', type)).status).toBe(415);
    }
    for (const form of ["name=%ZZ&price=1", "name=%C3%28&price=1", "name=a&name=b&price=1"]) {
      expect((await send(drink, form, "application/x-www-form-urlencoded")).status).toBe(400);
    }
    for (const form of ["name=a&price=1&status=x", "name=a&price=ten", "name=%00&price=1", "name=a&price=1&a[b]=1"]) {
      expect((await send(drink, form, "application/x-www-form-urlencoded")).status).toBe(422);
    }
    expect(await stored()).toEqual(before);
  });

  test("ids, paths, queries and headers", async () => {
    for (const id of [
      "abc",
      "0",
      "-1",
      "1.0",
      "01",
      "9007199254740993",
      "%00",
      "1%20",
      encodeURIComponent(sql),
      "x".repeat(400),
    ]) {
      expect([id, (await app.call("GET", `/drinks/${id}`)).status]).toEqual([id, 404]);
      expect([id, (await app.call("DELETE", `/drinks/${id}`)).status]).toEqual([id, 404]);
    }
    for (const query of [
      "limit=0",
      "limit=-1",
      "limit=x",
      "skip=-1",
      "skip=10001",
      "cursor=x",
      "a=1",
      "limit=1&limit=2",
      "limit=%ZZ",
      "limit=%00",
      "cursor=AAAA&skip=1",
      `limit=${encodeURIComponent(sql)}`,
    ]) {
      expect([query, (await app.call("GET", `/drinks?${query}`)).status]).toEqual([query, 400]);
    }
    expect((await app.call("GET", "/drinks?limit=5000")).body).toMatchObject({ page: { limit: 1000 } });
    for (const authorization of ["Bearer x", "Basic abc", "Bearer", `Bearer ${"a".repeat(9000)}`, "Bearer a.b.c"]) {
      expect((await app.call("GET", "/drinks", null, undefined, { authorization })).status).toBe(401);
    }
  });

  test("bytes that are no HTTP get a problem document, too", async () => {
    const { port } = new URL(app.running.url);
    const answer = await new Promise<string>((resolve, reject) => {
      let text = "";
      const socket = connect(Number(port), "127.0.0.1", () => socket.write("GARBAGE\r\n\r\n"));
      socket.on("data", (part) => {
        text += part;
      });
      socket.on("close", () => resolve(text));
      socket.on("error", reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain("Request-Id: ");
  });
});
