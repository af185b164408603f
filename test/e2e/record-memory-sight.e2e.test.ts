import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seedId } from "../../src/declare/application.ts";
import { engines, type Reply, runDelivery, type TestApplication } from "../support/running-application.ts";

/** Who sees what, where pages and texts are remembered: everybody what the database says now, however often it was asked. */
const actors = ["admin", "staff1", "staff2", "manager", "customer1", "customer2", null] as const;
type Actor = (typeof actors)[number];

const restaurant = (number: number) => seedId("restaurants", String(number));
const user = (name: string) => seedId("users", name);

type Listed = Readonly<Record<string, unknown>> & { readonly id: string; readonly restaurant?: Listed | null };
const listed = (reply: Reply, name: string): readonly Listed[] => {
  expect(reply.status, reply.text).toBe(200);
  return reply.body[name] as readonly Listed[]; // a list's envelope
};

describe.each(engines)("on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runDelivery(engine);
  });
  afterAll(() => app?.stop());

  const get = (path: string, who: Actor = null, headers: Readonly<Record<string, string>> = {}) =>
    app.call("GET", path, who, undefined, headers);
  /** As often as it takes until a page is asked for without its texts, and is kept. */
  async function warm(paths: readonly string[], who: readonly Actor[]): Promise<void> {
    for (let times = 0; times < 13; times++) {
      for (const path of paths) await Promise.all(who.map((each) => get(path, each)));
    }
  }

  /** Restaurants by what each way to them shows: a list, a record, and what stands beside a reference. */
  async function waysTo(id: string, who: Actor): Promise<readonly Listed[]> {
    const [list, one, menu, few] = await Promise.all([
      get("/restaurants?sort=name", who),
      get(`/restaurants/${id}`, who),
      get("/menu_items?expand=restaurant&limit=1000", who),
      get(`/menu_items?expand=restaurant&restaurant_id=${id}&sort=-price&limit=2`, who),
    ]);
    return [
      ...listed(list, "restaurants").filter((each) => each.id === id),
      one.body as Listed, // a record's reply
      ...[...listed(menu, "menu_items"), ...listed(few, "menu_items")].flatMap(({ restaurant_id, restaurant }) =>
        restaurant_id === id && restaurant != null ? [restaurant] : [],
      ),
    ];
  }

  const seesStaff = async (number: number, who: Actor): Promise<boolean> => {
    const seen = (await waysTo(restaurant(number), who)).map((each) => Object.hasOwn(each, "staff_ids"));
    expect(seen.length).toBe(2 + 8 + 2);
    expect(new Set(seen).size, `the same for ${who} in every way: ${seen}`).toBe(1);
    return seen[0] === true;
  };

  test("who sees a masked field does not depend on who asked before or beside them", async () => {
    const expected = (number: number, who: Actor) => who === "admin" || who === `staff${number}`;
    for (let round = 0; round < 3; round++) {
      for (const who of actors) expect(await seesStaff(1, who), `${who} alone`).toBe(expected(1, who));
      const together = actors.flatMap((who) => [1, 2, 3].map((number) => ({ who, number })));
      const seen = await Promise.all(together.map(({ who, number }) => seesStaff(number, who)));
      expect(seen).toEqual(together.map(({ who, number }) => expected(number, who)));
    }
  });

  test("a change of the staff takes effect at the very next read", async () => {
    const path = `/restaurants/${restaurant(2)}`;
    const orders = `/orders?restaurant_id=${restaurant(2)}&expand=restaurant`;
    const hire = async (...names: readonly string[]) => {
      const staff_ids = names.map(user);
      expect((await app.call("PATCH", path, "admin", { staff_ids })).status).toBe(200);
    };
    await warm(["/restaurants?sort=name", orders, "/menu_items?expand=restaurant&limit=1000"], actors.slice(0, 4));
    const many = listed(await get(orders, "staff2"), "orders").length;
    expect(many).toBe(20);
    for (const [names, one, two] of [
      [[], false, false],
      [["staff1"], true, false],
      [["staff2", "staff1"], true, true],
      [["staff2"], false, true],
    ] as const) {
      await hire(...names);
      for (const [who, sees] of [["staff1", one] as const, ["staff2", two] as const]) {
        expect(await seesStaff(2, who), `${who} of ${names}`).toBe(sees);
        const found = listed(await get(orders, who), "orders");
        expect(found.length, `${who} of ${names}`).toBe(sees ? many : 0);
        expect(found.every(({ restaurant }) => Object.hasOwn(restaurant ?? {}, "staff_ids"))).toBe(true);
      }
      expect(
        listed(await get(orders, "manager"), "orders").some((each) => "staff_ids" in (each.restaurant ?? {})),
      ).toBe(false);
    }
  });

  test("lists that have their records in common go on each by its own cursors", async () => {
    const list = "/menu_items?sort=price&limit=5";
    const lists = [list, `${list}&price[gte]=0`, `${list}&expand=restaurant`, `${list}&expand=restaurant&price[gt]=0`];
    const walked = async (pages: readonly string[]): Promise<number> => {
      const replies = await Promise.all(pages.map((page) => get(page)));
      const [first, ...others] = replies.map((reply) => listed(reply, "menu_items").map(({ id }) => id));
      for (const each of others) expect(each).toEqual(first);
      const next = replies.map((reply) => /^<(.*)>; rel="next"$/.exec(reply.headers.get("link") ?? "")?.[1]);
      if (next.every((link) => link === undefined)) return 1;
      return 1 + (await walked(next.map((link) => link ?? "a page that there is not")));
    };
    for (let round = 0; round < 3; round++) expect(await walked(lists)).toBe(5);
  });

  test("what is expanded changes, goes and comes back while the page's own records stay as they are", async () => {
    const id = restaurant(3);
    const page = `/menu_items?restaurant_id=${id}&expand=restaurant&sort=name`;
    await warm([page], ["admin", "customer1", null]);
    const shown = async (who: Actor) => {
      const reply = await get(page, who);
      const [first, ...others] = listed(reply, "menu_items").map(({ restaurant }) => JSON.stringify(restaurant));
      expect(others.every((each) => each === first)).toBe(true);
      return { text: first ?? "", tag: reply.headers.get("etag") ?? "" };
    };
    const before = await shown(null);
    expect((await get(page, null, { "if-none-match": before.tag })).status).toBe(304);
    for (const name of ["Трактир «У моста»\n\u2028", 'a "quoted" one,', "Restaurant 3"]) {
      expect((await app.call("PATCH", `/restaurants/${id}`, "admin", { name })).status).toBe(200);
      for (const who of ["admin", "customer1", null] as const) {
        expect(JSON.parse((await shown(who)).text).name).toBe(name);
        expect(JSON.parse((await shown(who)).text).name).toBe(name);
      }
      const changed = await get(page, null, { "if-none-match": before.tag });
      expect(changed.status, "another tag for another text").toBe(200);
    }
    // The other way round: the restaurant stays, and one dish changes.
    const [dish] = listed(await get(page), "menu_items");
    const version = { "if-match": `"${dish?.version}"` };
    expect((await app.call("PATCH", `/menu_items/${dish?.id}`, "admin", { price: 99 }, version)).status).toBe(200);
    expect(listed(await get(page), "menu_items").find((each) => each.id === dish?.id)?.price).toBe(99);
    const removed = await app.remove(`/restaurants/${id}`, "admin");
    expect(removed.status, removed.text).toBe(204);
    for (const who of ["admin", "customer1", null] as const) expect((await shown(who)).text).toBe("null");
    expect((await app.call("POST", `/restaurants/${id}/restore`, "admin", {})).status).toBe(200);
    for (const who of ["admin", "customer1", null] as const) expect(JSON.parse((await shown(who)).text).id).toBe(id);
  });

  test("one list by many URLs, and many lists by URLs that are alike", async () => {
    const same = [
      "/menu_items?available=true&sort=-price",
      "/menu_items?sort=-price&available=true",
      "/menu_items?sort=-price&available=true&limit=100",
      "/menu_items?sort=-price&available=true&limit=100&skip=0&count=none",
      "/menu_items?sort=%2Dprice&available=%74rue",
    ];
    await warm(same, ["customer1", null]);
    const texts = await Promise.all(same.flatMap((path) => [get(path), get(path, "customer1")]));
    expect(new Set(texts.map(({ text }) => text)).size).toBe(1);
    expect(new Set(texts.map(({ headers }) => headers.get("etag"))).size).toBe(1);
    const limits = [1, 2, 24, 1000];
    for (let times = 0; times < 3; times++) {
      for (const limit of limits) {
        const reply = await get(`/menu_items?limit=${limit}`);
        expect(listed(reply, "menu_items").length).toBe(Math.min(limit, 24));
        expect(reply.body.page).toMatchObject({ limit, skip: 0, total: null });
        expect(reply.headers.has("link")).toBe(limit < 24);
        const counted = await get(`/menu_items?limit=${limit}&count=exact`);
        expect(listed(counted, "menu_items")).toEqual(listed(reply, "menu_items"));
        expect(counted.body.page).toMatchObject({ limit, total: 24 });
        expect(counted.headers.get("etag")).not.toBe(reply.headers.get("etag"));
        expect((await get(`/menu_items?limit=${limit}`)).text).toBe(reply.text);
        const cut = await get(`/menu_items?limit=${limit}&fields=id`);
        expect(listed(cut, "menu_items").every((each) => Object.keys(each).join() === "id")).toBe(true);
      }
      // Pages that hold the same records, and say another place.
      const [first, beyond, nothing] = await Promise.all([
        get("/menu_items?sort=name&skip=20"),
        get("/menu_items?sort=name&skip=24"),
        get("/menu_items?name=none"),
      ]);
      expect(listed(first, "menu_items").length).toBe(4);
      expect([beyond, nothing].map(({ body }) => body.menu_items)).toEqual([[], []]);
      expect([beyond, nothing].map(({ body }) => body.page)).toMatchObject([{ skip: 24 }, { skip: 0 }]);
    }
    // A page that somebody may not ask for stays so, after others asked for it.
    await warm(["/restaurants?fields=id,staff_ids"], ["admin", "staff1"]);
    expect((await get("/restaurants?fields=id,staff_ids")).status).toBe(400);
    expect((await get("/restaurants?fields=id,staff_ids", "manager")).status).toBe(400);
    await warm(["/promotions"], ["admin", "manager"]);
    expect((await get("/promotions")).status).toBe(401);
    expect(listed(await get("/promotions", "customer1"), "promotions")).toEqual([]);
  });

  test("HEAD and If-None-Match of a page that is kept", async () => {
    const path = "/menu_items?sort=name&limit=3&expand=restaurant";
    await warm([path], ["admin", null]);
    const [mine, theirs] = await Promise.all([get(path, "admin"), get(path)]);
    expect(mine.headers.get("etag")).not.toBe(theirs.headers.get("etag"));
    for (const [who, reply] of [["admin", mine] as const, [null, theirs] as const]) {
      const head = await app.call("HEAD", path, who);
      expect([head.status, head.text]).toEqual([200, ""]);
      for (const name of ["etag", "link", "content-length"])
        expect(head.headers.get(name)).toBe(reply.headers.get(name));
      const tag = reply.headers.get("etag") ?? "";
      const none = await get(path, who, { "if-none-match": tag });
      expect([none.status, none.text, none.headers.get("link")]).toEqual([304, "", reply.headers.get("link")]);
    }
    expect((await get(path, null, { "if-none-match": mine.headers.get("etag") ?? "" })).status).toBe(200);
  });

  test("records with serial ids come, change and go at the next read of every page that has them", async () => {
    const pages = [
      "/drinks",
      "/drinks?sort=-price,name",
      "/drinks?limit=1",
      "/drinks?limit=1000&sort=-id",
      "/drinks?price[lte]=5",
    ];
    const names = [
      "plain",
      "line\nbreak\r\n",
      'quote ",{"id":1}',
      "\u2028\u2029\u0085",
      "Квас хлебный 🍺",
      " 1 2.3 listed ",
    ];
    const ids: string[] = [];
    for (const [nth, name] of names.entries()) {
      ids.push((await app.call("POST", "/drinks", null, { name, price: nth })).body.id);
    }
    const found = async (path: string) => listed(await get(path), "drinks").map(({ name, price }) => [name, price]);
    await warm(pages, [null]);
    expect(await found("/drinks")).toEqual(names.map((name, nth) => [name, nth]));
    expect(await found("/drinks?sort=-price,name")).toEqual(names.map((name, nth) => [name, nth]).reverse());
    for (const price of [3, 6, 4]) {
      expect((await app.call("PATCH", `/drinks/${ids[2]}`, null, { price })).status).toBe(200);
      expect(await found("/drinks?price[lte]=5")).toEqual(
        names.map((name, nth) => [name, nth === 2 ? price : nth]).filter(([, each]) => Number(each) <= 5),
      );
      expect(await found("/drinks?limit=1000&sort=-id")).toEqual(
        names.map((name, nth) => [name, nth === 2 ? price : nth]).reverse(),
      );
    }
    for (const id of ids) {
      expect((await app.call("DELETE", `/drinks/${id}`)).status).toBe(204);
      for (const path of pages) expect(listed(await get(path), "drinks").map((each) => each.id)).not.toContain(id);
    }
    for (const path of pages) expect(await found(path)).toEqual([]);
    expect((await app.call("POST", `/drinks/${ids[1]}/restore`, null, {})).status).toBe(200);
    for (const path of pages) expect(await found(path)).toEqual([[names[1], 1]]);
  });

  test("whoever is deactivated, or another person by now, is answered so at the next read", async () => {
    const pages = ["/orders?expand=restaurant", "/files", "/restaurants?sort=name", `/orders/${seedId("orders", "0")}`];
    await warm(pages, ["customer1", "customer2", "manager"]);
    if (app.databaseUrl !== null) {
      const superuser = new pg.Client({ connectionString: app.databaseUrl });
      await superuser.connect();
      try {
        const become = (role: string) =>
          superuser.query("update app.users set role = $2 where id = $1", [user("customer2"), role]);
        await become("admin");
        expect(await seesStaff(1, "customer2")).toBe(true);
        expect(listed(await get("/orders?limit=1000", "customer2"), "orders").length).toBe(40);
        await become("customer");
        expect(await seesStaff(1, "customer2")).toBe(false);
        const own = listed(await get("/orders?limit=1000", "customer2"), "orders");
        expect(new Set(own.map(({ user_id }) => user_id))).toEqual(new Set([user("customer2")]));
        // An order handed over by hand, without a new version.
        const [order] = own;
        await superuser.query("set session_replication_role = replica");
        await superuser.query("update app.orders set user_id = $2 where id = $1", [order?.id, user("customer1")]);
        expect(listed(await get("/orders?limit=1000", "customer2"), "orders").map(({ id }) => id)).not.toContain(
          order?.id,
        );
        expect((await get(`/orders/${order?.id}`, "customer2")).status).toBe(404);
        expect((await get(`/orders/${order?.id}`, "customer1")).body.user_id).toBe(user("customer1"));
        expect(listed(await get("/orders?expand=restaurant", "customer1"), "orders").map(({ id }) => id)).toContain(
          order?.id,
        );
      } finally {
        await superuser.end();
      }
    }
    expect((await app.call("POST", "/users/me/deactivate", "customer1", {})).status).toBe(200);
    for (const path of pages) expect((await get(path, "customer1")).status, path).toBe(401);
    expect((await get("/files", "customer2")).status).toBe(200);
  });
});
