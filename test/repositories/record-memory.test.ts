import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { recordMemory } from "../../src/repositories/record-memory.ts";

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

/** Megabytes that are held after all is collected that nobody holds. */
function held(): number {
  if (typeof collect !== "function") throw new Error("no way to collect garbage");
  collect();
  return process.memoryUsage().heapUsed / 1e6;
}

const idOf = (nth: number): string => `01900000-0000-7000-8000-${String(nth).padStart(12, "0")}`;
/** As an answer of the database comes: one text, of which records are parts. */
const lineOf = (nth: number, text: string) => `${idOf(nth)} 12.${4_000_000_000 + nth}.1 ${text}`;

/** Keeps the records of an answer as lists do. */
function keepAll(memory: ReturnType<ReturnType<typeof recordMemory>>, answer: string, most = Number.POSITIVE_INFINITY) {
  for (const line of answer.split("\n").slice(0, most)) {
    const [id = "", stamp = ""] = line.split(" ", 2);
    memory.keepBody(id, stamp, line.slice(id.length + stamp.length + 2));
  }
}

test.each([
  ["Latin", "a line of a text\\n"],
  ["Cyrillic", "строка текста \u2028"],
])("texts stay within their bound, %s", (_, text) => {
  const memory = recordMemory(() => 0)("orders");
  const before = held();
  for (let page = 0; page < 150; page++) {
    const lines = Array.from({ length: 100 }, (_, nth) => lineOf(page * 100 + nth, `"${text.repeat(60)}"`));
    keepAll(memory, Buffer.from(lines.join("\n")).toString());
  }
  // Eight million characters of two bytes, and what belongs to them.
  expect(held() - before).toBeLessThan(30);
  expect(memory.body(idOf(14_999))?.body).toBe(`"${text.repeat(60)}"`);
  expect(memory.body(idOf(0))).toBeUndefined();
});

test("a record that is kept keeps nothing of the answer that it came with", () => {
  const memory = recordMemory(() => 0)("orders");
  const before = held();
  const others = Array.from({ length: 999 }, (_, nth) => lineOf(nth, "")).join("\n");
  for (let page = 0; page < 1000; page++) {
    keepAll(memory, Buffer.from(`${lineOf(5000 + page, '{"id":1}')}\n${others}`).toString(), 1);
  }
  // The answers have some 60 MB.
  expect(held() - before).toBeLessThan(10);
  expect(memory.body(idOf(5999))).toEqual({ stamp: `12.${4_000_005_999}.1`, body: '{"id":1}' });
});

test("pages stay within their bound, and empty ones are pages too", () => {
  const memory = recordMemory(() => 0)("orders");
  const before = held();
  const page = (nth: number) => `[${Array.from({ length: 30 }, () => `"${nth} ${"ж".repeat(100)}"`).join(",")}]`;
  for (let nth = 0; nth < 5000; nth++) {
    memory.keepPage(`list ${nth}`, {
      digest: `${nth}`,
      page: { outcome: "listed", next: null, body: page(nth) },
    });
  }
  expect(held() - before).toBeLessThan(30);
  expect(memory.page("list 4999")?.page.body).toBe(page(4999));
  expect(memory.page("list 0")).toBeUndefined();
  memory.keepPage("empty", { digest: "0", page: { outcome: "listed", next: null, body: "[]" } });
  expect(memory.page("empty")?.page.body).toBe("[]");
});

test("a text that is longer than all that may be kept takes the place of none, nor of what was there of it", () => {
  const memory = recordMemory(() => 0)("orders");
  memory.keepBody("1", "1.1", "short");
  memory.keepBody("2", "1.1", "other");
  memory.keepBody("1", "2.2", "x".repeat(9_000_000));
  expect(memory.body("1")).toBeUndefined();
  expect(memory.body("2")?.body).toBe("other");
});

test("a connection that broke makes all forgotten, of every entity", () => {
  let losses = 0;
  const of = recordMemory(() => losses);
  const [orders, drinks] = [of("orders"), of("drinks")];
  orders.keepBody("1", "1.1", "order");
  drinks.keepBody("1", "1.1", "drink");
  drinks.keepPage("all", { digest: "0", page: { outcome: "listed", next: null, body: "[]" } });
  expect([orders.body("1")?.body, drinks.body("1")?.body]).toEqual(["order", "drink"]);
  losses++;
  expect([orders.body("1"), drinks.body("1"), drinks.page("all")]).toEqual([undefined, undefined, undefined]);
  drinks.keepBody("1", "1.1", "drink");
  expect(drinks.body("1")?.body).toBe("drink");
});
