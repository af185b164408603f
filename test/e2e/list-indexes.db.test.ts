import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { seedId } from "../../src/declare/application.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import type { EntityPlan, FieldPlan } from "../../src/plan/plan.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

/**
 * The rule of indexes: a declared filter with a declared order reads a page's worth of rows, whoever asks.
 * GESTA_TEST_ROWS: rows of each table (10,000).
 */
const many = Number(process.env.GESTA_TEST_ROWS ?? 10_000);
const page = 20;
/** A page in several ways, and the orders of one user or restaurant: of 200 of each. */
const most = 5 * (page + 1) + many / 100;
/** What few have is counted, found, looked up and read; of what more have, so many are counted: see `gesta.narrowed`. */
const mostSought = most + (3 * many) / 100 + Math.max(1000, Math.sqrt(many * (page + 1)));
const { plan } = makePlan(delivery);
/** Kinds of which an index serves a value and an order at once. */
const shared: ReadonlySet<string> = new Set(["enum", "boolean", "reference", "uuid", "text", "url", "email"]);

/** Rows of every table: values that many share where the kind is such, references to the sown records. */
const bulk: Readonly<Record<string, string>> = {
  drinks: `insert into app.drinks (name, price, version, created_at, updated_at)
    select 'drink ' || n, n % 9973, 1, now(), now() from generate_series(1, $1::int) n`,
  users: `insert into app.users (id, status, name, email, role, version, created_at, updated_at)
    select gen_random_uuid(), 'active', 'user ' || n, 'user' || n || '@example.com', 'customer', 1, now() - n * interval '1 s', now()
      from generate_series(1, $1::int) n`,
  restaurants: `insert into app.restaurants (id, status, name, city, staff_ids, version, created_at, updated_at)
    select gen_random_uuid(), 'open', 'restaurant ' || n, 'city ' || n % 10, '{}', 1, now(), now() from generate_series(1, $1::int) n`,
  menu_items: `insert into app.menu_items (id, restaurant_id, name, price, available, version, created_at, updated_at)
    select gen_random_uuid(), r.ids[1 + n % 3], 'item ' || n, n % 9973, n % 2 = 0, 1, now(), now()
      from generate_series(1, $1::int) n, (select array_agg(id order by id) ids from app.restaurants where name like 'Restaurant _') r`,
  promotions: `insert into app.promotions (id, code, percent, starts_at, ends_at, active, version, created_at, updated_at)
    select gen_random_uuid(), 'CODE' || n, 1 + n % 100, now(), now() + n * interval '1 s', n % 2 = 0, 1, now(), now()
      from generate_series(1, $1::int) n`,
  orders: `insert into app.orders (id, status, restaurant_id, items, user_id, total_price, final_price, version, created_at, updated_at)
    select gen_random_uuid(), s.states[1 + n % 7], o.restaurants[1 + n % cardinality(o.restaurants)], '[{}]', o.users[1 + n / 7 % cardinality(o.users)], 1, n % 9973, 1, now() - n * interval '1 s', now()
      from generate_series(1, $1::int) n,
           (select array['pending_payment', 'new', 'accepted', 'cooking', 'on_way', 'delivered', 'cancelled'] states) s,
           (select array(select id from app.restaurants order by id limit 200) restaurants,
                   array(select id from app.users order by id limit 200) users) o`,
  files: `insert into app.files (id, name, size, owner_id, version, created_at, updated_at)
    select gen_random_uuid(), 'file ' || n, n % 9973, o.users[1 + n % cardinality(o.users)], 1, now(), now()
      from generate_series(1, $1::int) n, (select array(select id from app.users order by id limit 200) users) o`,
  documents: `insert into app.documents (id, title, file_ids, owner_id, version, created_at, updated_at)
    select gen_random_uuid(), 'document ' || n, array[o.files[1 + n % cardinality(o.files)]], o.users[1 + n % cardinality(o.users)], 1, now(), now()
      from generate_series(1, $1::int) n,
           (select array(select id from app.files order by id limit 5000) files, array(select id from app.users order by id limit 200) users) o`,
  wallets: `insert into app.wallets (id, user_id, balance, version, created_at, updated_at)
    select gen_random_uuid(), id, 1, 1, now(), now() from app.users u
      where $1 > 0 and not exists (select from app.wallets w where w.user_id = u.id) order by id limit 200`,
  transfers: `insert into app.transfers (id, from_wallet_id, to_wallet_id, amount, version, created_at, updated_at)
    select gen_random_uuid(), o.wallets[1 + n % cardinality(o.wallets)], o.wallets[1 + n / 7 % cardinality(o.wallets)], 1, 1, now() - n * interval '1 s', now()
      from generate_series(1, $1::int) n, (select array(select id from app.wallets order by id limit 200) wallets) o`,
};

interface Node {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly Node[];
}

const nodesOf = (node: Node): readonly Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

/** Who reads all, who reads some, who reads none. */
const callers: Readonly<Record<string, readonly (string | null)[]>> = {
  orders: ["manager", "customer1", "staff1", null],
  users: ["admin", "customer1", null],
  promotions: ["manager", "customer1", null],
  transfers: ["admin", "customer1"],
};
const idOf = (who: string | null): string | null => (who === null ? null : seedId("users", who));

interface Asked {
  readonly filters: readonly (readonly [field: string, op: string, place: number])[];
  readonly sort: readonly (readonly [field: string, direction: string, start: string])[];
  readonly values: readonly unknown[];
  readonly deleted?: string;
}

/** What a list is asked for: a filter, the keys to sort by, and where to go on. */
function asking(
  filter: readonly [field: string, op: string, value: unknown] | null,
  sort: string,
  direction: string,
  after: readonly string[] | null,
): Asked {
  const fields = [...new Set([sort, "id"])];
  const values = [0, page + 1, page + 1, ...fields.map((_, place) => after?.[place] ?? null)];
  return {
    filters: filter === null ? [] : [[filter[0], filter[1], values.length]],
    sort: fields.map((name) => [name, direction, after === null ? "first" : "value"]),
    values: filter === null ? values : [...values, filter[2]],
  };
}

describe("every declared filter with every declared order", () => {
  let app: TestApplication;
  let client: pg.Client;

  beforeAll(async () => {
    app = await runDelivery("postgres");
    client = new pg.Client({
      connectionString: app.databaseUrl ?? "",
      options: "-c timezone=UTC -c jit=off -c enable_seqscan=off -c plan_cache_mode=force_generic_plan",
    });
    await client.connect();
    // Without the triggers that record what is done by hand.
    await client.query("set session_replication_role = replica");
    for (const entity of plan.entities) await client.query(bulk[entity.name] ?? "select $1::int", [many]);
    await client.query("vacuum analyze");
  }, 600_000);
  afterAll(async () => {
    await client?.end();
    await app?.stop();
  });

  /** A value that many rows have, as a list is asked for it. */
  async function usual(entity: EntityPlan, { name, kind }: FieldPlan): Promise<string> {
    const column = kind === "list" ? `${name}[1]` : name;
    const text = kind === "instant" ? `gesta.instant(${column})` : `${column}::text`;
    const { rows } = await client.query(
      `select ${text} as value from app.${entity.name} where ${column} is not null group by ${column} order by count(*) desc limit 1`,
    );
    return rows[0].value;
  }

  async function planOf(
    entity: EntityPlan,
    who: string | null,
    asked: Asked,
    query = `app.query_${entity.name}`,
  ): Promise<readonly Node[]> {
    const text = JSON.stringify(asked);
    await client.query("begin");
    try {
      await client.query("set local role gesta_owner");
      await client.query("select gesta.enter($1)", [idOf(who)]);
      await client.query("select set_config('gesta.wanted', $1::jsonb->>'values', true)", [text]);
      const found = await client.query("select gesta.is_sought($1, $2, $3) as sought", [
        entity.name,
        text,
        entity.read.kind !== "anyone",
      ]);
      if (!found.rows[0].sought) {
        const { rows } = await client.query(`select ${query}($1, false) as text`, [text]);
        return await explained(rows[0].text);
      }
      await client.query("set local role gesta_finder");
      await client.query("set local plan_cache_mode = force_custom_plan");
      const { rows } = await client.query(`select ${query}($1::jsonb || '{"sought": true}', false) as text`, [text]);
      await client.query(`prepare sought(jsonb) as ${rows[0].text}`);
      return await explained(`execute sought(${client.escapeLiteral(JSON.stringify(asked.values))})`);
    } finally {
      await client.query("rollback");
      await client.query("deallocate all");
    }
  }

  async function explained(statement: string): Promise<readonly Node[]> {
    const { rows } = await client.query(`explain (analyze, format json) ${statement}`);
    return nodesOf(rows[0]["QUERY PLAN"][0].Plan);
  }

  const cases = plan.entities.flatMap((entity) =>
    (callers[entity.name] ?? ["customer1", null]).map((who) => ({ name: entity.name, who, entity })),
  );
  test.each(cases)(
    "$name, as $who",
    async ({ entity, who }) => {
      const filters = entity.members.filter(({ filter, name }) => filter && name !== "id");
      const sorts = entity.members.filter(({ sort }) => sort);
      const faults: string[] = [];
      let seen = 0;
      for (const filter of [null, ...filters]) {
        const value = filter === null ? null : await usual(entity, filter);
        for (const sort of sorts) {
          for (const direction of ["asc", "desc"]) {
            const op = filter?.kind === "list" ? "has" : "eq";
            const asked = asking(filter === null ? null : [filter.name, op, value], sort.name, direction, null);
            const said = `${filter?.name ?? "all"} by ${sort.name} ${direction}`;
            for (const node of await planOf(entity, who, asked)) {
              seen++;
              if (node["Node Type"] === "Seq Scan") faults.push(`${said}: reads all of ${node["Relation Name"]}`);
              const sorted = node.Plans?.[0] ?? node;
              // An actor's own records are found in as many ways as there are, a page of each. Of what many have, no more
              // are sorted than have it.
              const sortable = filter === null || shared.has(filter.kind) ? 3 * (page + 1) : most;
              if (node["Node Type"] === "Sort" && sorted["Actual Rows"] * sorted["Actual Loops"] > sortable) {
                faults.push(`${said}: sorts ${sorted["Actual Rows"]} rows`);
              }
              const rows = (node["Actual Rows"] + (node["Rows Removed by Filter"] ?? 0)) * node["Actual Loops"];
              if (node["Relation Name"] === entity.name && rows > most) faults.push(`${said}: reads ${rows} rows`);
            }
          }
        }
      }
      expect(faults).toEqual([]);
      expect(seen).toBeGreaterThan(0);
    },
    300_000,
  );

  test.each(cases.filter(({ name }) => name === "drinks" || name === "orders"))(
    "deleted $name, as $who, are found without the others",
    async ({ entity }) => {
      for (const [deleted, least] of [
        ["only", 0],
        ["include", 1],
      ] as const) {
        for (const sort of entity.members.filter((member) => member.sort)) {
          const asked = { ...asking(null, sort.name, "desc", null), deleted };
          const nodes = await planOf(entity, "admin", asked, `app.query_deleted_${entity.name}`);
          const read = nodes
            .filter((node) => node["Relation Name"] === entity.name)
            .map((node) => (node["Actual Rows"] + (node["Rows Removed by Filter"] ?? 0)) * node["Actual Loops"]);
          expect(Math.max(...read), `${deleted} by ${sort.name}`).toBeLessThanOrEqual(page + 1);
          expect(read.length).toBeGreaterThan(least);
          expect(nodes.map((node) => node["Node Type"])).not.toContain("Seq Scan");
        }
      }
    },
  );

  /** What a list function reads of a table and its indexes, and how often it reads the whole table. */
  async function readBy(
    entity: EntityPlan,
    who: string | null,
    asked: Asked,
  ): Promise<{ readonly rows: number; readonly whole: number }> {
    const table = `app.${entity.name}`;
    const counters = async (): Promise<readonly number[]> => {
      const { rows } = await client.query(
        `select pg_stat_get_xact_tuples_returned($1::regclass)::float8 as whole,
                (select sum(pg_stat_get_xact_tuples_returned(indexrelid)) from pg_index where indrelid = $1::regclass)::float8 as found`,
        [table],
      );
      return [rows[0].whole, rows[0].found];
    };
    await client.query("begin");
    try {
      const [whole = 0, found = 0] = await counters();
      await client.query("set local role gesta_app");
      const { values, ...ask } = asked;
      const answer = await client.query(
        `select answer as text from app.find_${entity.name}(array[$1], array[$2], array[$3], array[null])`,
        [idOf(who), JSON.stringify(ask), JSON.stringify(values)],
      );
      expect(answer.rows[0].text).toMatch(/^listed /);
      await client.query("reset role");
      const [wholeAfter = 0, foundAfter = 0] = await counters();
      return { rows: foundAfter - found, whole: wholeAfter - whole };
    } finally {
      await client.query("rollback");
    }
  }

  /** For each operator that an index can serve a value that few records have, or that many share. */
  async function tellingValues(
    entity: EntityPlan,
    field: FieldPlan,
  ): Promise<readonly (readonly [op: string, value: unknown])[]> {
    const value = await usual(entity, field);
    if (field.kind === "list") return [["has", value]];
    const column = field.kind === "email" ? `lower(${field.name})` : field.name;
    const said = field.kind === "instant" ? `gesta.instant(${column})` : `${column}::text`;
    const tenth = async (direction: string): Promise<string> => {
      const { rows } = await client.query(
        `select ${said} as value from app.${entity.name} where deleted_at is null and ${column} is not null order by ${column} ${direction} offset 9 limit 1`,
      );
      return rows[0].value;
    };
    const [low, high] = [await tenth("asc"), await tenth("desc")];
    const spelt = ["text", "url", "email"].includes(field.kind);
    return [
      ["eq", value],
      ["in", [value, low]],
      ...([
        ["gt", high],
        ["gte", high],
        ["lt", low],
        ["lte", low],
      ] as const),
      ...(spelt ? ([["starts", high.slice(0, -1)]] as const) : []),
    ];
  }

  /** Where half of the records come before in an order. */
  async function middle({ name }: EntityPlan, sort: FieldPlan, direction: string): Promise<readonly string[]> {
    const key = sort.kind === "instant" ? `gesta.instant(${sort.name})` : `${sort.name}::text`;
    const { rows } = await client.query(
      `select ${key} as key, id::text as id from app.${name} where deleted_at is null
        order by ${sort.name} ${direction}, id ${direction} offset (select count(*) / 2 from app.${name} where deleted_at is null) limit 1`,
    );
    return sort.name === "id" ? [rows[0].id] : [rows[0].key, rows[0].id];
  }

  test.each(cases)(
    "whatever filters $name as $who, no more is read than a page and what few have",
    async ({ entity, who }) => {
      const faults: string[] = [];
      const filters: (readonly [field: string, op: string, value: unknown])[] = [];
      for (const filter of entity.members.filter((member) => member.filter && member.name !== "id")) {
        for (const [op, value] of await tellingValues(entity, filter)) filters.push([filter.name, op, value]);
      }
      for (const sort of entity.members.filter((member) => member.sort)) {
        for (const direction of ["asc", "desc"]) {
          for (const after of [null, await middle(entity, sort, direction)]) {
            for (const filter of [null, ...filters]) {
              const { rows, whole } = await readBy(entity, who, asking(filter, sort.name, direction, after));
              const said = `${filter?.join(" ") ?? "all"} by ${sort.name} ${direction}, ${after === null ? "first" : "later"} page`;
              if (whole > 0) faults.push(`${said}: reads the whole table`);
              if (rows > mostSought) faults.push(`${said}: reads ${rows} rows`);
            }
          }
        }
      }
      expect(faults).toEqual([]);
    },
    300_000,
  );

  test("no index is there that no declaration asks for", async () => {
    const { rows } = await client.query("select indexname as name from pg_indexes where schemaname = 'app' order by 1");
    const planned = plan.entities.flatMap(({ name, indexes }) => [
      `${name}_pkey`,
      // Lists as of a moment look for what was deleted since; PostgreSQL names it.
      `${name}_deleted_at_idx`,
      ...indexes.map((index) => index.name),
    ]);
    expect(rows.map(({ name }) => name)).toEqual(planned.sort());
  });
});
