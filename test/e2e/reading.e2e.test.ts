import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { library } from "../support/library.ts";
import {
  engines,
  type Reply,
  runApplication,
  runDelivery,
  type TestApplication,
} from "../support/running-application.ts";

/** How lists and records are asked for more, for less and in another order, and how a wrong question is refused. */
const path = (collection: string, ...pairs: readonly (readonly [string, string])[]) =>
  `/${collection}?${new URLSearchParams(pairs.map(([name, value]): [string, string] => [name, value]))}`;

interface Row {
  readonly [name: string]: unknown;
}
// Lists and refusals have these members; a wrong one fails the expectation.
const rows = (reply: Reply, collection: string) => reply.body[collection] as readonly Row[];
const pageOf = (reply: Reply) => reply.body.page as { readonly next: string | null; readonly total: number | null };
const errorsOf = (reply: Reply) =>
  (reply.body.errors as readonly Row[]).map(({ parameter, code, suggestion }) =>
    suggestion === undefined ? [parameter, code] : [parameter, code, suggestion],
  );

describe.each(engines)("delivery on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runDelivery(engine);
  }, 240_000);
  afterAll(() => app?.stop());

  const refused = async (who: string | null, query: string) => {
    const reply = await app.call("GET", query, who);
    expect([reply.status, reply.body.code], reply.text).toEqual([400, "invalid_query"]);
    return errorsOf(reply);
  };

  test("everything that is wrong with a question is said at once, with what was probably meant", async () => {
    const errors = await refused(
      "manager",
      path(
        "orders",
        ["statu", "new"],
        ["final_price[get]", "1"],
        ["reason", "x"],
        ["created_at[gt]", "2026-01-01"],
        ["final_price[contains]", "1"],
        ["status", "nowhere"],
        ["restaurant_id[in]", "1,2"],
        ["sort", "-final_prise,reason"],
        ["fields", "id,statuss"],
        ["expand", "restaurants"],
        ["count", "exakt"],
        ["limit", "0"],
        ["skip", "10001"],
        ["cursor", "AAAA"],
      ),
    );
    expect(errors).toEqual(
      expect.arrayContaining([
        ["statu", "unknown_parameter", "status"],
        ["final_price[get]", "unknown_operator", "final_price[gt]"],
        ["reason", "not_filterable"],
        ["created_at[gt]", "invalid_parameter"],
        ["final_price[contains]", "unknown_operator"],
        ["status", "invalid_parameter"],
        ["restaurant_id[in]", "invalid_parameter"],
        ["sort", "not_sortable", "-final_price"],
        ["sort", "not_sortable"],
        ["fields", "invalid_parameter", "status"],
        ["expand", "invalid_parameter", "restaurant"],
        ["count", "invalid_parameter", "exact"],
        ["limit", "invalid_parameter"],
        ["skip", "invalid_parameter"],
      ]),
    );
  });

  test.each([
    ["sort=", "sort", "invalid_parameter"],
    ["fields=", "fields", "invalid_parameter"],
    ["expand=", "expand", "invalid_parameter"],
    ["sort=price,-price", "sort", "invalid_parameter"],
    ["price=1&price=2", "price", "invalid_parameter"],
    ["price=cheap", "price", "invalid_parameter"],
    ["price=0.12345678901234567", "price", "invalid_parameter"],
    ["price=", "price", "invalid_parameter"],
    ["price[in]=1,,2", "price[in]", "invalid_parameter"],
    ["price[is]=nothing", "price[is]", "invalid_parameter"],
    ["price[]=1", "price[]", "unknown_operator"],
    ["[gte]=1", "[gte]", "unknown_parameter"],
    ["price[gte][lt]=1", "price[gte][lt]", "unknown_parameter"],
    ["price%5Bnope%5D=1", "price[nope]", "unknown_operator"],
    ["available=yes", "available", "invalid_parameter"],
    ["available[contains]=true", "available[contains]", "unknown_operator"],
    ["restaurant_id=1", "restaurant_id", "invalid_parameter"],
    ["id[gt]=01900000-0000-7000-8000-000000000000", "id[gt]", "unknown_operator"],
    ["version=1", "version", "not_filterable"],
    ["__proto__=1", "__proto__", "unknown_parameter"],
    ["constructor[eq]=1", "constructor[eq]", "unknown_parameter"],
    ["expand=restaurant.city.country.planet", "expand", "invalid_parameter"],
    ["expand=restaurant.staff", "expand", "invalid_parameter"],
    [`price[in]=${Array(101).fill(1)}`, "price[in]", "invalid_parameter"],
    ["skip=1&cursor=AAAA", "skip", "invalid_parameter"],
  ])("%s is refused", async (query, parameter, code) => {
    const errors = await refused(null, `/menu_items?${query}`);
    expect(errors.map(([name, said]) => [name, said])).toContainEqual([parameter, code]);
  });

  test("a single record takes fields and expand, and has a tag of its own then", async () => {
    const [order = {}] = rows(await app.call("GET", "/orders?limit=1", "customer1"), "orders");
    const plain = await app.call("GET", `/orders/${order.id}`, "customer1");
    const shaped = await app.call("GET", `/orders/${order.id}?fields=id,items.quantity&expand=restaurant`, "customer1");
    expect(Object.keys(shaped.body)).toEqual(
      ["id", "items", "restaurant"].sort((a, b) => shaped.text.indexOf(`"${a}"`) - shaped.text.indexOf(`"${b}"`)),
    );
    expect(Object.keys((shaped.body.items as readonly Row[])[0] ?? {})).toEqual(["quantity"]);
    expect((shaped.body.restaurant as Row).id).toBe(order.restaurant_id);
    const tag = shaped.headers.get("etag") ?? "";
    expect(tag).toMatch(/^W\//);
    expect(tag).not.toBe(plain.headers.get("etag"));
    const again = await app.call(
      "GET",
      `/orders/${order.id}?fields=id,items.quantity&expand=restaurant`,
      "customer1",
      undefined,
      { "if-none-match": tag },
    );
    expect([again.status, again.text]).toEqual([304, ""]);
    expect(errorsOf(await app.call("GET", `/orders/${order.id}?field=id`, "customer1"))).toEqual([
      ["field", "unknown_parameter", "fields"],
    ]);
  });

  test("references are shown beside their ids, null where the caller may not read the record", async () => {
    const asCustomer = rows(await app.call("GET", "/orders?expand=restaurant,user&limit=5", "customer1"), "orders");
    for (const order of asCustomer) {
      expect((order.restaurant as Row).id).toBe(order.restaurant_id);
      expect((order.restaurant as Row).staff_ids).toBeUndefined();
      expect((order.user as Row).id).toBe(order.user_id);
    }
    const asManager = rows(await app.call("GET", "/orders?expand=user&limit=5&fields=user_id", "manager"), "orders");
    expect(asManager.every((order) => order.user === null && typeof order.user_id === "string")).toBe(true);
  });

  test("a cursor goes on where its page ended, and belongs to that list alone", async () => {
    const first = await app.call("GET", "/menu_items?sort=-price&limit=5&available=true", null);
    const next = pageOf(first).next ?? "";
    const link = /<([^>]*)>; rel="next"/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
    const second = await app.call("GET", link, null);
    const whole = await app.call("GET", "/menu_items?sort=-price&limit=10&available=true", null);
    expect([...rows(first, "menu_items"), ...rows(second, "menu_items")]).toEqual(rows(whole, "menu_items"));
    for (const other of ["sort=price&available=true", "sort=-price", "sort=-price&available=false"]) {
      expect(await refused(null, `/menu_items?${other}&cursor=${next}`)).toEqual([["cursor", "invalid_parameter"]]);
    }
    const forged = Buffer.from(next, "base64url").toString("latin1").replace(/.$/, "x");
    const errors = await refused(
      null,
      `/menu_items?sort=-price&available=true&cursor=${Buffer.from(forged, "latin1").toString("base64url")}`,
    );
    expect(errors).toEqual([["cursor", "invalid_parameter"]]);
  });

  test("who is on the staff of a restaurant cannot be found out by asking", async () => {
    const [staff] = rows(await app.call("GET", "/users?fields=id&email=STAFF1@example.com", "admin"), "users");
    for (const who of [null, "customer1", "logistician"]) {
      for (const query of ["staff_ids", "staff_ids[contains]", "staff_ids[is]"]) {
        const errors = await refused(who, path("restaurants", [query, String(staff?.id)]));
        expect(errors).toEqual([[query, "unknown_parameter"]]);
      }
      expect(await refused(who, "/restaurants?sort=staff_ids")).toEqual([["sort", "not_sortable"]]);
      expect(await refused(who, "/restaurants?fields=staff_ids")).toEqual([["fields", "invalid_parameter"]]);
      expect(await refused(who, "/restaurants?staff_idz=1")).toEqual([["staff_idz", "unknown_parameter"]]);
    }
    expect(await refused("admin", "/restaurants?staff_ids=1")).toEqual([["staff_ids", "not_filterable"]]);
    expect((await app.call("GET", "/restaurants?fields=id,staff_ids", "admin")).status).toBe(200);
  });

  test("a visitor learns nothing of a list that none may read, not even its fields", async () => {
    expect((await app.call("GET", "/orders?status=new&sort=-created_at", null)).status).toBe(401);
    const reply = await app.call("GET", "/orders?status=nowhere&reason=x&sort=statuss&statuz=1", null);
    expect(errorsOf(reply).every(([, code]) => code === "unknown_parameter" || code === "invalid_parameter")).toBe(
      true,
    );
    expect(reply.text).not.toMatch(/pending|cooking|created_at|final_price|restaurant/);
    const known = await app.call("GET", "/orders?status=nowhere", "customer1");
    expect(known.status).toBe(400);
    expect(known.text).not.toMatch(/pending|cooking/);
  });

  test("count tells how many there are, when asked", async () => {
    expect(pageOf(await app.call("GET", "/orders?limit=1", "manager")).total).toBeNull();
    expect(pageOf(await app.call("GET", "/orders?limit=1&count=exact", "manager")).total).toBe(40);
    expect(pageOf(await app.call("GET", "/orders?limit=1&count=estimated", "manager")).total).toBe(40);
    const own = rows(await app.call("GET", "/orders", "customer1"), "orders").length;
    expect(pageOf(await app.call("GET", "/orders?limit=1&count=estimated", "customer1")).total).toBe(own);
  });

  test("lists have weak tags, and are not sent twice", async () => {
    const query = "/menu_items?sort=-price&fields=name";
    const tag = (await app.call("GET", query, null)).headers.get("etag") ?? "";
    expect(tag).toMatch(/^W\//);
    expect((await app.call("GET", query, null, undefined, { "if-none-match": tag })).status).toBe(304);
  });

  test.each([
    "' or 1=1 --",
    "\\', \\\\",
    "%",
    "_%",
    "\u{10ffff}\u{10ffff}",
    "\ud7ff",
    "$1",
    "gesta.wanted(0)",
    "a\nb",
    "(",
    "*".repeat(4000),
    "\u{1d4b3}",
    "ß",
    "İ",
  ])("%j as a value finds nothing and breaks nothing", async (value) => {
    for (const op of ["", "[ne]", "[gt]", "[in]", "[nin]", "[contains]", "[starts]"]) {
      const reply = await app.call("GET", path("menu_items", [`name${op}`, value], ["fields", "id"]), null);
      expect(reply.status, `${op} ${reply.text}`).toBe(200);
    }
  });
});

describe.each(engines)("a library on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runApplication(library(7, 12), engine);
  }, 240_000);
  afterAll(() => app?.stop());

  test("a field that a caller reads of some records neither finds nor sorts the others", async () => {
    const seen = rows(await app.call("GET", "/books", "reader1"), "books");
    const ranked = seen.filter((book) => "rank" in book);
    const found = rows(await app.call("GET", "/books?rank[gte]=0", "reader1"), "books");
    expect(found.map(({ id }) => id)).toEqual(ranked.map(({ id }) => id));
    for (const query of ["rank[ne]=1000", "rank[nin]=1000", "rank[is]=null", "rank[is]=not_null"]) {
      const others = rows(await app.call("GET", `/books?${query}`, "reader1"), "books").filter(
        (book) => !("rank" in book),
      );
      expect(others, query).toEqual([]);
    }
    const sorted = rows(await app.call("GET", "/books?sort=rank", "reader1"), "books");
    expect(sorted.map((book) => book.rank)).toEqual([
      ...ranked.map((book) => book.rank).sort(),
      ...seen.filter((book) => !("rank" in book)).map(() => undefined),
    ]);
  });

  test("a field that a caller never reads is no parameter", async () => {
    const reply = await app.call("GET", "/books?secret=1&sort=secret&secret[is]=null", "clerk");
    expect(errorsOf(reply)).toEqual([
      ["secret", "unknown_parameter"],
      ["secret[is]", "unknown_parameter"],
      ["sort", "not_sortable"],
    ]);
    expect((await app.call("GET", "/books?secret=1&sort=secret", "keeper")).status).toBe(200);
  });

  test("lists of references and references of references are expanded, each relation once", async () => {
    const books = rows(await app.call("GET", "/books?expand=readers,shelf.keeper,owner", "keeper"), "books");
    for (const book of books) {
      expect((book.readers as readonly Row[]).map(({ id }) => id)).toEqual(book.reader_ids);
      expect((book.owner as Row).id).toBe(book.owner_id);
      // The keeper role reads people, and shelves only where it keeps them itself.
      expect(book.shelf).toBeNull();
    }
    const asClerk = rows(
      await app.call("GET", "/books?expand=shelf.keeper&fields=shelf.keeper.name&shelf_id[is]=not_null", "clerk"),
      "books",
    );
    expect(asClerk.length).toBeGreaterThan(0);
    for (const book of asClerk)
      expect(book).toEqual({ shelf: { keeper: { name: expect.stringMatching(/^reader[12]$/) } } });
  });
});
