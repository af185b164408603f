import { createHash } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { postgresEngine } from "../../src/database/engines/postgres.ts";
import type { ListQuery } from "../../src/domain/reading/list-query.ts";
import { silent } from "../../src/kernel/observation.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { askOf, type ListAsk } from "../../src/repositories/list-question.ts";
import { recordsRepository } from "../../src/repositories/records-repository.ts";
import { type Random, seededRandom } from "../../src/testing/agreement/random.ts";
import { chosen } from "../support/random-studio.ts";
import { runApplication, type TestApplication } from "../support/running-application.ts";
import { group, hostileTexts, names, person, studio } from "../support/studio.ts";

/** What is remembered where connections break, and lists that are answered by one statement beside others and beside failures. */
const batches = Number(process.env.GESTA_TEST_BATCHES ?? 20);
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

let app: TestApplication;
let superuser: pg.Client;
beforeAll(async () => {
  app = await runApplication(studio, "postgres");
  superuser = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await superuser.connect();
});
afterAll(async () => {
  await superuser?.end();
  await app?.stop();
});

const breakConnections = () =>
  superuser.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'gesta'",
  );

/** A list of any kind: plain, sought, of the past, with deleted ones, with records left out. */
function queryOf(random: Random, entity: "groups" | "topics" | "posts"): ListQuery {
  const small = random.below(6);
  const filters = {
    groups: [
      { field: "title", op: "starts", value: chosen(random, ["", "a", "Съ", 'quote "']) },
      { field: "budget", op: "lte", value: `${small}` },
      { field: "title", op: "eq", value: chosen(random, hostileTexts) },
    ],
    topics: [
      { field: "group_id", op: "in", value: [group(small), group(0)] },
      { field: "title", op: "contains", value: chosen(random, ["\n", "\u2028", "n"]) },
    ],
    posts: [
      { field: "rank", op: "gte", value: `${small}` },
      { field: "author_id", op: "eq", value: person(chosen(random, names)) },
      { field: "status", op: "eq", value: "draft" },
    ],
  } as const;
  const sorts = { groups: ["title", "budget"], topics: ["title"], posts: ["rank", "body"] } as const;
  const direction = random.chance(0.5) ? "asc" : "desc";
  const sort = random.chance(0.5) ? [{ field: chosen<string>(random, sorts[entity]), direction } as const] : [];
  const past = random.chance(0.1);
  return {
    ...{ fields: null, expansions: [], count: "none", after: null },
    filters: random.chance(0.6) ? [chosen<ListQuery["filters"][number]>(random, filters[entity])] : [],
    sort: [...sort, { field: "id", direction }],
    limit: chosen(random, [1, 3, 100]),
    skip: random.chance(0.2) ? 2 : 0,
    asOf: past
      ? chosen(random, ["2020-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z", new Date().toISOString()])
      : null,
    deleted: !past && random.chance(0.1) ? chosen(random, ["include", "only"] as const) : null,
  };
}

const { plan } = makePlan(studio);
const entityOf = (name: string) => {
  const entity = plan.entities.find((each) => each.name === name);
  if (entity === undefined) throw new Error(`no entity '${name}'`);
  return entity;
};

interface Asked extends ListAsk {
  readonly who: string | null;
  /** The digest of the page that the asker knows. */
  readonly known: string | null;
}

/** Of which records a page has, in which states. */
const digestOf = (answer: string): string => {
  const lines = answer.slice("listed ".length).split("\n");
  const bare = lines.map((line) => line.split(" ", 2).join(" ")).join("\n");
  return createHash("md5").update(bare).digest("hex");
};

test(`${batches} batches of mixed lists: each is answered as if it were alone, SEED=${seed}`, async () => {
  const random = seededRandom(seed);
  await app.call("DELETE", "/topics/3");
  await superuser.query("update app.people set status = 'retired' where id = $1", [person("guest3")]);
  const client = new pg.Client({ connectionString: app.databaseUrl ?? "", options: "-c role=gesta_app" });
  await client.connect();
  try {
    const askers = [...names.map(person), null, "system", "01900000-dead-7000-8000-00000000beef"];
    const seen = new Set<string>();
    for (let batch = 0; batch < batches; batch++) {
      const entity = chosen(random, ["groups", "topics", "posts"] as const);
      const find = async (some: readonly Asked[]): Promise<ReadonlyMap<number, string>> => {
        const { rows } = await client.query(
          `select place, answer from app.find_${entity}($1::text[], $2::text[], $3::text[], $4::text[])`,
          [
            some.map(({ who }) => who),
            some.map(({ ask }) => ask),
            some.map(({ values }) => values),
            some.map(({ known }) => known),
          ],
        );
        return new Map(rows.map(({ place, answer }) => [Number(place), answer]));
      };
      const asks: Asked[] = [];
      while (asks.length < 24) {
        const query = queryOf(random, entity);
        const asked = { who: chosen(random, askers), ...askOf(query, entityOf(entity)), known: null };
        const answer = (await find([asked])).get(1) ?? "";
        const isKnown = query.asOf === null && query.deleted === null && random.chance(0.5);
        asks.push({ ...asked, known: isKnown ? chosen(random, [digestOf(answer), "another"]) : null });
      }
      const together = await find(asks);
      expect(together.size).toBe(asks.length);
      for (const [nth, one] of asks.entries()) {
        const alone = (await find([one])).get(1);
        expect(together.get(nth + 1), `${nth} of batch ${batch}: ${JSON.stringify(one)}`).toBe(alone);
        seen.add(alone?.split(" ", 1)[0] ?? "");
      }
    }
    expect([...seen].sort()).toEqual(["future", "listed", "same", "unauthenticated"]);
  } finally {
    await client.end();
    await superuser.query("update app.people set status = 'active' where id = $1", [person("guest3")]);
  }
});

test("after a loss of connections nothing is known any more, and before it what is known is not sent again", async () => {
  const marked = async (path: string) => (await app.call("GET", path)).text.includes("marked");
  const paths = ["/groups?sort=title", "/groups?sort=-title&limit=3", `/groups/${group(1)}`, "/topics?expand=group"];
  const all = () => Promise.all(paths.map(marked));
  for (let times = 0; times < 15; times++) await all();
  // The same records in the same state make another text: only whoever asks for it again sees that.
  const { rows } = await superuser.query(
    "select pg_get_functiondef('app.shown_groups(app.groups)'::regprocedure) as text",
  );
  await superuser.query(
    rows[0].text
      .replace("concat(", `concat('{"marked":true,', substr(concat(`)
      .replace(/\)\s*(\$function\$)\s*$/, "), 2))\n$1"),
  );
  expect(await all()).toEqual([false, false, false, false]);
  await breakConnections();
  for (let times = 0; times < 3; times++) await all();
  expect(await all()).toEqual([true, true, true, true]);
  await superuser.query(rows[0].text);
  await breakConnections();
  for (let times = 0; times < 3; times++) await all();
  expect(await all()).toEqual([false, false, false, false]);
});

test("while connections break, a list is answered rightly or not at all", async () => {
  const paths = ["/groups?sort=title", "/topics?expand=group&sort=-id", "/posts?limit=5&expand=topic", "/people"];
  const askers = [...names.slice(0, 2), "chief"];
  const asks = paths.flatMap((path) => askers.map((who) => ({ path, who })));
  const texts = new Map<string, string>();
  for (let times = 0; times < 15; times++) {
    for (const { path, who } of asks) texts.set(`${who} ${path}`, (await app.call("GET", path, who)).text);
  }
  const outcomes = new Set<number>();
  let title = "";
  for (let round = 0; round < 5; round++) {
    const reading = Promise.all(
      asks.concat(asks, asks).map(async ({ path, who }) => {
        const { status, text } = await app.call("GET", path, who);
        outcomes.add(status);
        if (status === 200) expect(text).toBe(texts.get(`${who} ${path}`));
        else expect(status, text).toBe(503);
      }),
    );
    await breakConnections();
    await reading;
    // And then all goes on, with what has changed meanwhile.
    title = `title ${round}`;
    await superuser.query("update app.groups set title = $2 where id = $1", [group(2), title]);
    for (const { path, who } of asks) {
      let reply = await app.call("GET", path, who);
      while (reply.status === 503) reply = await app.call("GET", path, who);
      if (path.startsWith("/groups")) expect(reply.text).toContain(`"${title}"`);
      texts.set(`${who} ${path}`, reply.text);
    }
  }
  expect(outcomes).toContain(200);
});

test("a list that takes too long takes none along, whether their texts are known or not", async () => {
  const engine = postgresEngine({ url: app.databaseUrl ?? "", poolSize: 2, observe: silent });
  const plain: ListQuery = {
    ...{
      fields: null,
      expansions: [],
      count: "none",
      after: null,
      filters: [],
      limit: 100,
      skip: 0,
      asOf: null,
      deleted: null,
    },
    sort: [{ field: "id", direction: "asc" }],
  };
  try {
    const records = recordsRepository(engine, plan);
    const askers = [null, ...names.map(person)];
    const ask = (query: ListQuery) => Promise.all(askers.map((who) => records.list("groups", who, query)));
    // The same object for the same page: it is known, and then not put together again. Each asker by itself, since
    // the masks of one are not those of another.
    for (let times = 0; times < 15; times++) for (const who of askers) await records.list("groups", who, plain);
    const whole = await ask(plain);
    await superuser.query(`create or replace function gesta.after_start(start text) returns text language plpgsql immutable as $$
      begin raise exception 'too long' using errcode = 'query_canceled'; end $$`);
    const slow = records
      .list("groups", null, { ...plain, filters: [{ field: "title", op: "starts", value: "a" }] })
      .then(
        () => "answered",
        (error: unknown) => String(error),
      );
    const beside = await ask(plain);
    expect(beside).toEqual(whole);
    expect(await slow).toContain("took too long");
    expect(await ask(plain)).toEqual(whole);
    const visitor = await records.list("groups", null, plain);
    expect(JSON.stringify(visitor)).not.toContain("member_ids");
  } finally {
    await engine.close();
  }
});
