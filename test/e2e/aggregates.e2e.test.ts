import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seedId } from "../../src/index.ts";
import { groupsOf } from "../support/aggregate-model.ts";
import { library, names } from "../support/library.ts";
import { filters, pages, queryOf, sayable } from "../support/random-lists.ts";
import { type BookRecord, passes } from "../support/reading-model.ts";
import { engines, runApplication, runDelivery, type TestApplication } from "../support/running-application.ts";

/**
 * Aggregates against the same done in JavaScript over all records that the caller may see.
 * GESTA_TEST_READINGS: random questions for each caller (15); SEED: one run again.
 */
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const runs = Number(process.env.GESTA_TEST_READINGS ?? 15);

const grouping = ["note", "pages", "lent", "printed", "batch", "size", "owner_id", "shelf_id", "rank"];
const measurable: Readonly<Record<string, readonly string[]>> = {
  sum: ["pages", "weight", "price", "rank"],
  avg: ["pages", "weight", "price", "rank"],
  min: ["pages", "weight", "price", "bought", "printed"],
  max: ["pages", "weight", "price", "bought", "printed"],
};

const questions = (all: readonly BookRecord[]) =>
  fc.record({
    filters: fc.uniqueArray(filters(all).filter(sayable), { maxLength: 2, selector: ({ field, op }) => field + op }),
    group: fc.uniqueArray(fc.constantFrom(...grouping), { maxLength: 3 }),
    measures: fc.record(
      Object.fromEntries(
        Object.entries(measurable).map(([name, fields]) => [
          name,
          fc.uniqueArray(fc.constantFrom(...fields), { maxLength: 3 }),
        ]),
      ),
    ),
    limit: fc.constantFrom(1, 5, 100),
  });

/** The reply of an aggregate. */
interface Answer {
  readonly groups: readonly object[];
  readonly page: { readonly limit: number; readonly next: string | null };
}

async function allGroups(app: TestApplication, who: string, query: URLSearchParams): Promise<readonly object[]> {
  const found: object[] = [];
  for (let next: string | null = ""; next !== null; ) {
    const here = new URLSearchParams(query);
    if (next !== "") here.set("cursor", next);
    const { status, text } = await app.call("GET", `/books/aggregate?${here}`, who);
    expect(status, `${here}: ${text}`).toBe(200);
    const answer: Answer = JSON.parse(text);
    expect(answer.groups.length).toBeLessThanOrEqual(answer.page.limit);
    found.push(...answer.groups);
    next = answer.page.next;
  }
  return found;
}

describe.each(engines)(`aggregates of a library on %s (SEED=${seed})`, (engine) => {
  let app: TestApplication;
  let all: readonly BookRecord[];

  beforeAll(async () => {
    app = await runApplication(library(seed, 60), engine);
    all = await pages(app, "keeper", new URLSearchParams({ limit: "1000" }), false);
    expect(all.length).toBe(60);
  }, 240_000);
  afterAll(() => app?.stop());

  test.each(names)(
    "%s gets what JavaScript makes of what it sees, page by page",
    async (name) => {
      const visible = await pages(app, name, new URLSearchParams({ limit: "1000" }), false);
      await fc.assert(
        fc.asyncProperty(questions(all), async ({ filters: asked, group, measures, limit }) => {
          const query = queryOf(asked, []);
          query.set("limit", String(limit));
          if (group.length > 0) query.set("group", group.join(","));
          const wanted = Object.entries(measures).filter(([, fields]) => fields.length > 0);
          for (const [measure, fields] of wanted) query.set(measure, fields.join(","));
          const found = await allGroups(app, name, query);
          const passing = visible.filter((record) => asked.every((filter) => passes(record, filter)));
          expect(found).toEqual(groupsOf(passing, group, wanted));
        }),
        { seed, numRuns: runs, endOnFailure: true },
      );
    },
    240_000,
  );

  const refused = async (query: string, who: string | null) => {
    const { status, body } = await app.call("GET", `/books/aggregate?${query}`, who);
    const errors = (body.errors ?? []) as readonly { parameter: string; code: string; suggestion?: string }[]; // as problems have them
    return [status, ...errors.map(({ parameter, code, suggestion }) => [parameter, code, suggestion].join(" ").trim())];
  };

  test("what is not declared, or not to be read, is refused alike", async () => {
    expect(await refused("group=titel&sum=prise&min=title&avg=bought", "clerk")).toEqual([
      400,
      "group not_groupable",
      "sum not_measurable price",
      "avg not_measurable",
      "min not_measurable",
    ]);
    expect(
      await refused("group=ownr_id&shelf=1&sort=title&as_of=2026-01-01T00:00:00Z&count=exact&skip=1", "clerk"),
    ).toEqual([
      400,
      "shelf unknown_parameter",
      "sort unknown_parameter",
      "skip unknown_parameter",
      "as_of invalid_parameter",
      "count invalid_parameter",
      "group not_groupable owner_id",
    ]);
    for (const who of ["reader1", "clerk"]) {
      expect(await refused("group=secret&sum=secret&secret=1", who)).toEqual(
        await refused("group=sekrit&sum=sekrit&sekrit=1", who).then((words) =>
          words.map((word) => (typeof word === "string" ? word.replace("sekrit", "secret") : word)),
        ),
      );
    }
    expect((await refused("group=secret&sum=secret&secret=1", "keeper"))[0]).toBe(200);
  });

  test("hostile parameters are 400, never 500", async () => {
    const hostile = [
      ...["group=", "group=,", "group=status,status", "group=lent,lent", "group=lent,size,batch,rank", "sum="],
      ...["limit=0", "limit=x", "cursor=abc", "cursor=", "group=constructor", "sum=__proto__", "min=pages,pages"],
      ...["group=lent&group=size", "group=%27%3Bdrop%20table%20app.books%3B--", `sum=${"pages,".repeat(500)}pages`],
      ...["sum[eq]=price", "group[in]=size", "group=lent%00"],
    ];
    for (const query of hostile) {
      expect([query, (await app.call("GET", `/books/aggregate?${query}`, "keeper")).status]).toEqual([query, 400]);
    }
    const { body } = await app.call("GET", "/books/aggregate?group=size&limit=1", "keeper");
    const { next } = body.page as Answer["page"]; // as aggregates have it
    expect(next).not.toBeNull();
    for (const query of ["group=lent&limit=1", "group=size&lent=true", "group=size,lent"]) {
      expect([query, ...(await refused(`${query}&cursor=${next}`, "keeper"))]).toEqual([
        ...[query, 400],
        "cursor invalid_parameter",
      ]);
    }
  });

  test("sums are exact, beyond the digits of a float", async () => {
    const book = { title: "dear", tags: ["dear"], owner_id: seedId("people", "keeper"), reader_ids: [], parts: [] };
    for (let nth = 0; nth < 11; nth++) {
      const made = await app.call("POST", "/books", "keeper", { ...book, price: 9999999999999.99, rank: 1, secret: 1 });
      expect(made.status, made.text).toBe(201);
    }
    const { text } = await app.call("GET", "/books/aggregate?tags[contains]=dear&sum=price&avg=price", "keeper");
    expect(text).toBe(
      '{"groups":[{"group" : {}, "count" : 11, "sum" : {"price" : 109999999999999.89}, "avg" : {"price" : 9999999999999.99}}],' +
        '"page":{"limit":100,"next":null}}',
    );
  });

  test("a visitor is turned away where no visitor may read, and learns no name", async () => {
    expect((await app.call("GET", "/books/aggregate")).status).toBe(401);
    expect(await refused("group=ownr_id&sum=prise", null)).toEqual([
      ...[400, "group invalid_parameter", "sum invalid_parameter"],
    ]);
    expect((await app.call("GET", "/people/aggregate", "keeper")).status).toBe(404);
  });
});

describe.each(engines)("aggregates of delivery on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runDelivery(engine);
  }, 240_000);
  afterAll(() => app?.stop());

  test("orders by status: each sees its own", async () => {
    const query = "group=status&sum=final_price&avg=final_price";
    const total = async (who: string) => {
      const { body, status } = await app.call("GET", `/orders/aggregate?${query}`, who);
      expect(status).toBe(200);
      return (body.groups as readonly { readonly count: number }[]).reduce((sum, { count }) => sum + count, 0);
    };
    const listed = async (who: string) => {
      const { body } = await app.call("GET", "/orders?limit=1&count=exact", who);
      return (body.page as { readonly total: number }).total;
    };
    for (const who of ["customer1", "staff1", "manager", "logistician", "admin"]) {
      expect([who, await total(who)]).toEqual([who, await listed(who)]);
    }
    expect((await app.call("GET", `/orders/aggregate?${query}`)).status).toBe(401);
  });

  test("menus are open to all, with a tag of their own", async () => {
    const path = "/menu_items/aggregate?group=restaurant_id&min=price&max=price&limit=1";
    const { status, body, headers } = await app.call("GET", path);
    expect([status, Object.keys((body.groups as readonly object[])[0] ?? {})]).toEqual([
      200,
      ["group", "count", "min", "max"],
    ]);
    expect(headers.get("link")).toMatch(/^<\/menu_items\/aggregate\?.*cursor=.*>; rel="next"$/);
    const again = await app.call("GET", path, null, undefined, { "if-none-match": headers.get("etag") ?? "" });
    expect(again.status).toBe(304);
  });
});

test("what takes too long is 503, and says what to do", async () => {
  const app = await runDelivery("postgres");
  const client = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  try {
    await client.connect();
    await client.query("create policy slow on app.orders as restrictive using (pg_sleep(3) is not null)");
    const { status, body } = await app.call("GET", "/orders/aggregate?group=status", "admin");
    expect([status, body.code]).toEqual([503, "overloaded"]);
    expect(body.detail).toMatch(/too many records to count in time. Narrow them with a filter/);
  } finally {
    await client.end();
    await app.stop();
  }
}, 120_000);
