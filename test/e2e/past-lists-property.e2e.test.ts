import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fold, type RecordedEvent, upTo } from "../../src/domain/evolve.ts";
import { onEngine } from "../../src/operations.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { ledgerRepository } from "../../src/repositories/ledger-repository.ts";
import { seededRandom } from "../../src/testing/agreement/random.ts";
import { bookInputs, lasting, library, names } from "../support/library.ts";
import { lists, pages, queryOf } from "../support/random-lists.ts";
import { type BookRecord, inOrder, passes } from "../support/reading-model.ts";
import { type EngineName, engines, runApplication, type TestApplication } from "../support/running-application.ts";

/**
 * Lists as of moments against the same done in JavaScript over the folds of all events.
 * GESTA_TEST_PAST_LISTS: random lists on PostgreSQL (60), a fifth of them on PGlite; SEED: one run again.
 */
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const runs = Number(process.env.GESTA_TEST_PAST_LISTS ?? 60);
const books = 40;
const declared = library(seed, books);
const { plan } = makePlan(declared);

interface Life {
  readonly id: string;
  readonly events: readonly RecordedEvent[];
}

describe.each(engines)(`random lists as of random moments on %s (SEED=${seed})`, (engine) => {
  let app: TestApplication;
  let lives: readonly Life[];
  let shelves: readonly Life[];
  let idOf: ReadonlyMap<unknown, string>;
  let moments: readonly string[];

  beforeAll(async () => {
    app = await runApplication(declared, engine);
    const ids = (await pages(app, "keeper", new URLSearchParams({ limit: "1000" }), false)).map(({ id }) => id);
    const shelfIds = (await rows(app, "clerk", "/shelves")).map(({ id }) => id);
    idOf = new Map((await rows(app, "keeper", "/people")).map(({ id, name }) => [name, id]));
    await change(app, ids, shelfIds);
    lives = await livesOf(app, engine, "books", ids);
    shelves = await livesOf(app, engine, "shelves", shelfIds);
    moments = [...new Set(lives.flatMap(({ events }) => events.map(({ at }) => at)))].sort();
  }, 240_000);
  afterAll(() => app?.stop());

  test("the changes are many, some of them deletions, and some records have not changed", () => {
    const deleted = lives.filter(({ events }) => fold(events)?.deleted_at !== null);
    expect(deleted.length).toBeGreaterThan(0);
    expect(lives.filter(({ events }) => events.length > 1).length).toBeGreaterThan(books / 4);
    expect(lives.filter(({ events }) => events.length === 1).length).toBeGreaterThan(0);
  });

  test("each caller gets what JavaScript finds, page by page", async () => {
    const known = lives.flatMap(({ id, events }) =>
      events.map((_, index): BookRecord => ({ ...fold(events.slice(0, index + 1)), id })),
    );
    const moment = fc.tuple(fc.constantFrom(...moments), fc.constantFrom(-1, 0, 0, 1));
    await fc.assert(
      fc.asyncProperty(lists(known), moment, fc.constantFrom(...names), async (list, [near, by], name) => {
        const at = new Date(Date.parse(near) + by).toISOString();
        const query = queryOf(list.filters, list.sort);
        query.set("as_of", at);
        query.set("limit", String(list.limit));
        query.set("count", "exact");
        const found = await pages(app, name, query, list.skipping);
        const expected = readableBy(name)
          .flatMap((life) => shown(name, life, at))
          .filter((record) => list.filters.every((filter) => passes(record, filter)))
          .sort(inOrder(list.sort));
        expect(
          found.map(({ id }) => id),
          `${name} ?${query}`,
        ).toEqual(expected.map(({ id }) => id));
        expect(found).toEqual(expected);
      }),
      { seed, numRuns: engine === "postgres" ? runs : Math.ceil(runs / 5), endOnFailure: true },
    );
  }, 600_000);

  test("a list as of the last change is the list of now", async () => {
    for (const name of names) {
      const now = await app.call("GET", "/books?sort=-created_at", name);
      const then = await app.call("GET", `/books?sort=-created_at&as_of=${moments.at(-1)}`, name);
      expect(then.text).toBe(now.text);
    }
  });

  /** The records that somebody may read today, by what they are today. */
  function readableBy(name: string): readonly Life[] {
    const me = idOf.get(name);
    const kept = new Set(
      shelves
        .filter(({ events }) => {
          const today = fold(events);
          return today?.keeper_id === me && today?.deleted_at === null;
        })
        .map(({ id }) => id),
    );
    return lives.filter(({ events }) => {
      const today = fold(events) ?? {};
      return ["clerk", "keeper"].includes(name) || today.owner_id === me || kept.has(String(today.shelf_id));
    });
  }

  /** The record as it was, with what somebody may read of it today; nothing where it was not there. */
  function shown(name: string, { id, events }: Life, at: string): readonly BookRecord[] {
    const today = fold(events) ?? {};
    const then = fold(upTo(events, at));
    if (then === null || then.deleted_at !== null) return [];
    const { deleted_at: _, secret, rank, ...open } = then;
    const ranked = name === "keeper" || today.owner_id === idOf.get(name);
    return [{ ...open, ...(ranked ? { rank } : {}), ...(name === "keeper" ? { secret } : {}), id }];
  }
});

/** Changes of a part of the books and of who keeps the shelves, some in the same millisecond, and deletions. */
async function change(app: TestApplication, ids: readonly string[], shelfIds: readonly string[]): Promise<void> {
  const random = seededRandom(seed);
  const inputs = bookInputs(seed + 1, 240);
  const changing = ids.filter((_, index) => index % 4 !== 0);
  for (let step = 0; step < inputs.length; step += 4) {
    const replies = await Promise.all(
      inputs.slice(step, step + 4).map((input) => {
        const id = random.oneOf(changing) ?? "";
        const fields = Object.entries(input).filter(([name]) => !lasting.includes(name) && random.chance(0.3));
        return app.call("PATCH", `/books/${id}`, "clerk", Object.fromEntries(fields));
      }),
    );
    expect(replies.map(({ status }) => status).filter((status) => ![200, 409, 410].includes(status))).toEqual([]);
    // What no action changes, somebody changes by hand: of moments before, it does not last.
    if (step === 60 && app.databaseUrl !== null) await byHand(app.databaseUrl, changing.slice(0, 3));
    if (step % 16 === 0) {
      const reply = await app.call("DELETE", `/books/${random.oneOf(changing)}`, "keeper");
      expect([204, 409], reply.text).toContain(reply.status);
    }
    if (step % 20 === 0) {
      const keeper_id = (await rows(app, "keeper", "/people"))[random.below(5)]?.id;
      const reply = await app.call("PATCH", `/shelves/${random.oneOf(shelfIds)}`, "clerk", { keeper_id });
      expect(reply.status, reply.text).toBe(200);
    }
  }
}

async function byHand(url: string, ids: readonly string[]): Promise<void> {
  const superuser = new pg.Client(url);
  await superuser.connect();
  await superuser.query("update app.books set price = 9, printed = null where id = any ($1) and deleted_at is null", [
    ids,
  ]);
  await superuser.end();
}

/** Records with their events: from the ledger; on PGlite, which has one process only, from what history tells. */
async function livesOf(app: TestApplication, engine: EngineName, entity: string, ids: readonly string[]) {
  const planned = plan.entities.find(({ name }) => name === entity);
  if (planned === undefined) throw new Error(`no ${entity}`);
  if (engine === "postgres") {
    return onEngine(app.around, async (database) =>
      (await ledgerRepository(database, plan).streams(planned, ids)).map(
        ({ record, events }): Life => ({ id: String(record?.id), events }),
      ),
    );
  }
  // History tells what changed: nothing of what began as null.
  const unset = Object.fromEntries(planned.fields.map(({ name }) => [name, null]));
  return Promise.all(
    ids.map(async (id): Promise<Life> => {
      const reply = await app.call(
        "GET",
        `/${entity}/${id}/history?limit=1000`,
        entity === "books" ? "keeper" : "clerk",
      );
      const told = reply.body as unknown as { readonly events: readonly Told[] }; // as api.md has it
      return {
        id,
        events: told.events.map(({ version, at, changes }) => ({
          version,
          at,
          data: {
            ...(version === 1 ? unset : {}),
            ...Object.fromEntries(Object.entries(changes).map(([name, { to }]) => [name, to])),
          },
        })),
      };
    }),
  );
}

interface Told {
  readonly version: number;
  readonly at: string;
  readonly changes: Readonly<Record<string, { readonly to: RecordedEvent["data"][string] }>>;
}

async function rows(app: TestApplication, who: string, path: string): Promise<readonly BookRecord[]> {
  const { body } = await app.call("GET", path, who);
  return body[path.slice(1)] as readonly BookRecord[]; // a list's member is named like its path
}
