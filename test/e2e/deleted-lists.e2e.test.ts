import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { seedId } from "../../src/declare/application.ts";
import { verifyApplication } from "../../src/operations.ts";
import { engines, type Reply, runDelivery, type TestApplication } from "../support/running-application.ts";

const day = 24 * 60 * 60 * 1000;
const parameterOf = (reply: Reply) => (reply.body.errors as readonly { readonly parameter: string }[])[0]?.parameter;

describe.each(engines)("lists with deleted records, on %s", (engine) => {
  let app: TestApplication;
  const gone: string[] = [];
  const drinks: string[] = [];

  const list = (path: string, who: string | null = null) => app.call("GET", path, who);
  const rows = (reply: Reply): readonly Readonly<Record<string, unknown>>[] => {
    expect(reply.status, reply.text).toBe(200);
    return Object.values(reply.body)[0] as never; // the list comes first, under its collection's name
  };
  const idsOf = (reply: Reply) => rows(reply).map(({ id }) => String(id));

  beforeAll(async () => {
    app = await runDelivery(engine);
    for (const number of ["1", "2", "3", "4"]) {
      const id = seedId("orders", number);
      gone.push(id);
      expect((await app.remove(`/orders/${id}`, "admin")).status).toBe(204);
    }
    for (const [name, price] of Object.entries({ Absinthe: 4, Bitter: 3, Cider: 2, Damson: 1, Eggnog: 5 })) {
      drinks.push(String((await app.call("POST", "/drinks", null, { name, price })).body.id));
    }
    for (const id of [drinks[1], drinks[3]]) await app.call("DELETE", `/drinks/${id}`);
  });
  afterAll(async () => {
    await app.running.close();
    expect((await verifyApplication(delivery, app.around)).findings).toEqual([]);
    await app.stop();
  });

  test("only: the deleted ones, with since when, and until when they can come back", async () => {
    const found = rows(await list("/orders?deleted=only", "admin"));
    expect(found.map(({ id }) => id).sort()).toEqual([...gone].sort());
    for (const { deleted_at, purge_at, status, version } of found) {
      expect(Date.parse(String(purge_at)) - Date.parse(String(deleted_at))).toBe(30 * day);
      expect([typeof status, typeof version]).toEqual(["string", "number"]);
    }
    const [drink] = rows(await list("/drinks?deleted=only&limit=1"));
    expect(Object.keys(drink ?? {})).toEqual([
      "id",
      "name",
      "price",
      "version",
      "created_at",
      "updated_at",
      "deleted_at",
    ]);
  });

  test("include: all of them, and the living ones have no such moment", async () => {
    const all = rows(await list("/orders?deleted=include&limit=1000", "admin"));
    const living = rows(await list("/orders?limit=1000", "admin"));
    expect(living[0]).not.toHaveProperty("deleted_at");
    const marked = living.map((record) => ({ ...record, deleted_at: null, purge_at: null }));
    expect(all.filter(({ deleted_at }) => deleted_at === null)).toEqual(marked);
    expect(all.filter(({ deleted_at }) => deleted_at !== null).map(({ id }) => id)).toEqual([...gone].sort());
    expect(idsOf(await list("/orders?deleted=include&limit=1000", "admin"))).toEqual(
      [...all.map(({ id }) => String(id))].sort(),
    );
  });

  test("filters, orders, pages, counts, fields and expansions are those of any list", async () => {
    const mine = `id[in]=${drinks.join(",")}`;
    const by = (query: string) => list(`/drinks?${mine}&${query}`);
    expect(idsOf(await by("deleted=include&sort=price"))).toEqual([3, 2, 1, 0, 4].map((nth) => drinks[nth]));
    expect(idsOf(await by("deleted=only&sort=-name"))).toEqual([drinks[3], drinks[1]]);
    expect(idsOf(await by("deleted=only&price[gte]=2"))).toEqual([drinks[1]]);
    const counted = await by("deleted=include&count=exact&limit=2");
    expect(counted.body.page).toMatchObject({ total: 5, limit: 2 });
    expect((await by("deleted=only&count=estimated")).body.page).toMatchObject({ total: 2, next: null });

    const walked: string[] = [];
    let next: unknown = null;
    do {
      const reply: Reply = await by(`deleted=include&sort=-price&limit=2${next === null ? "" : `&cursor=${next}`}`);
      walked.push(...idsOf(reply));
      next = (reply.body.page as { readonly next: unknown }).next;
    } while (next !== null);
    expect(walked).toEqual([4, 0, 1, 2, 3].map((nth) => drinks[nth]));
    const page = (await by("deleted=include&sort=-price&limit=2")).body.page as { readonly next: string };
    for (const query of ["", "deleted=only&"]) {
      const other = await by(`${query}sort=-price&limit=2&cursor=${page.next}`);
      expect([other.status, parameterOf(other)]).toEqual([400, "cursor"]);
    }

    const [cut] = rows(
      await list("/orders?deleted=only&limit=1&fields=id,deleted_at,restaurant.name&expand=restaurant", "admin"),
    );
    expect(cut).toEqual({
      id: expect.any(String),
      deleted_at: expect.any(String),
      restaurant: { name: expect.any(String) },
    });
    const unknown = await list("/orders?fields=id,deleted_at", "admin");
    expect([unknown.status, parameterOf(unknown)]).toEqual([400, "fields"]);
  });

  test("whoever may not restore them is refused, and learns of none", async () => {
    for (const who of ["customer1", "staff1", "manager"]) {
      const refused = await list("/orders?deleted=only", who);
      expect([refused.status, refused.body.code], who).toEqual([403, "forbidden"]);
    }
    for (const path of ["/orders", "/restaurants", "/menu_items"]) {
      expect((await list(`${path}?deleted=include`)).body.code, path).toBe("unauthenticated");
    }
    // Wallets are never deleted.
    const undeclared = await list("/wallets?deleted=only", "admin");
    expect([undeclared.status, parameterOf(undeclared)]).toEqual([400, "deleted"]);
    for (const query of ["deleted=yes", "deleted=", "deleted=only&as_of=2026-01-01T00:00:00Z"]) {
      const wrong = await list(`/orders?${query}`, "admin");
      expect([wrong.status, parameterOf(wrong)], query).toEqual([400, "deleted"]);
    }
  });

  test("whoever may restore some sees those: one's own files", async () => {
    const made = async (who: string) => {
      const { id } = (await app.call("POST", "/files", who, { name: "of one's own", size: 1 })).body;
      expect((await app.remove(`/files/${id}`, who)).status).toBe(204);
      return id;
    };
    const [ours, theirs] = [await made("customer1"), await made("customer2")];
    expect(idsOf(await list("/files?deleted=only", "customer1"))).toEqual([ours]);
    expect(idsOf(await list("/files?deleted=only", "customer2"))).toEqual([theirs]);
    expect(idsOf(await list("/files?deleted=only", "admin")).sort()).toEqual([ours, theirs].sort());
    const all = idsOf(await list("/files?deleted=include", "customer1"));
    expect(all).toEqual([...idsOf(await list("/files", "customer1")), ours].sort());
  });

  test("an API key needs the scope of what it shows", async () => {
    const keyed = async (scopes: readonly string[]) => {
      const made = await app.call("POST", "/api_keys", "admin", { name: "trash", scopes });
      const authorization = `Bearer ${made.body.key}`;
      return (await app.call("GET", "/orders?deleted=only", null, undefined, { authorization })).status;
    };
    expect(await keyed(["orders:read"])).toBe(403);
    expect(await keyed(["orders:read", "orders:restore"])).toBe(200);
  });

  test("documents show the parameter to those who may", async () => {
    const parameters = async (path: string, who: string | null) => {
      const { paths } = (await list("/openapi.json", who)).body as never as {
        readonly paths: Readonly<
          Record<string, { readonly get: { readonly parameters: readonly { readonly name?: string }[] } }>
        >;
      };
      return paths[path]?.get.parameters.map(({ name }) => name);
    };
    expect(await parameters("/orders", "admin")).toContain("deleted");
    expect(await parameters("/orders", "customer1")).not.toContain("deleted");
    expect(await parameters("/files", "customer1")).toContain("deleted");
    expect(await parameters("/drinks", null)).toContain("deleted");
    expect(await parameters("/restaurants", null)).not.toContain("deleted");
  });
});
