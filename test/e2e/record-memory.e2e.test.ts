import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunningApplication } from "../../src/gesta.ts";
import { seededRandom } from "../../src/testing/agreement/random.ts";
import { startForgetful } from "../support/forgetful-application.ts";
import { type AskedList, inOrder, listOf, type StudioRecord, write } from "../support/random-studio.ts";
import { runApplication, type TestApplication } from "../support/running-application.ts";
import { names, post, studio } from "../support/studio.ts";

/**
 * An application that remembers what it read, beside one on the same database that does not, while records, rights and
 * readers change: through the application, and behind its back without a new version.
 */
const rounds = Number(process.env.GESTA_TEST_MEMORY_ROUNDS ?? 4);
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const lists = 120;

let app: TestApplication;
let forgetful: RunningApplication;
let superuser: pg.Client;
const tokens = new Map<string, string>();
beforeAll(async () => {
  app = await runApplication(studio, "postgres");
  forgetful = await startForgetful(app.around, "studio");
  for (const name of names) tokens.set(name, await app.token(name));
  superuser = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await superuser.connect();
  // Every state that any row has ever been in, by whatever way.
  await superuser.query(`
    create table public.states (entity text, state jsonb);
    create function public.note_state() returns trigger language plpgsql security definer as $$
      begin insert into public.states values (tg_table_name, to_jsonb(new)); return null; end $$;
  `);
  for (const entity of ["people", "groups", "topics", "posts"]) {
    await superuser.query(`
      insert into public.states select '${entity}', to_jsonb(r) from app.${entity} r;
      create trigger note_state after insert or update on app.${entity} for each row execute function public.note_state();
      alter table app.${entity} enable always trigger note_state;
    `);
  }
});
afterAll(async () => {
  await superuser?.end();
  await forgetful?.close();
  await app?.stop();
});

interface Exchange {
  readonly status: number;
  readonly etag: string | null;
  readonly link: string | null;
  readonly text: string;
}

async function read(url: string, { who, path }: Pick<AskedList, "who" | "path">, tag?: string): Promise<Exchange> {
  const token = who === null ? undefined : tokens.get(who);
  const reply = await fetch(`${url}${path}`, {
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(tag === undefined ? {} : { "if-none-match": tag }),
    },
  });
  const text = await reply.text();
  return {
    status: reply.status,
    etag: reply.headers.get("etag"),
    link: reply.headers.get("link"),
    // A refusal names its request and the address of its server.
    text: reply.ok ? text : text.replace(/"request_id":"[^"]*"/, "").replaceAll(url, ""),
  };
}

interface Envelope {
  readonly page: { readonly next: string | null };
}

/** The page after this one of the same list. */
function nextOf(asked: AskedList, { status, text }: Exchange): AskedList | null {
  if (status !== 200) return null;
  const { page }: Envelope = JSON.parse(text); // the envelope of a list, as api.md has it
  if (page.next === null) return null;
  const [start = "", query = ""] = asked.path.split("?");
  const parameters = new URLSearchParams(query);
  parameters.delete("skip");
  parameters.set("cursor", page.next);
  return { ...asked, path: `${start}?${parameters}` };
}

const recordsOf = ({ entity }: AskedList, { text }: Exchange): readonly StudioRecord[] => JSON.parse(text)[entity];

/** What is shown of a record itself, in the form in which its row has it. */
const stateOf = (record: StudioRecord) =>
  Object.fromEntries(
    Object.entries(record).filter(
      ([name]) => !["lead", "group", "topic", "author"].includes(name) && !name.endsWith("_at"),
    ),
  );

test(
  `${rounds} rounds: what is remembered is what the database says, SEED=${seed}`,
  async () => {
    const random = seededRandom(seed);
    const asked = Array.from({ length: lists }, () => listOf(random));
    const known = Array.from({ length: 60 }, (_, nth) => post(nth));
    for (let round = 0; round < rounds; round++) {
      // While writers are at work, a page may be of any moment, but of one.
      let writing = true;
      const seen: [AskedList, Exchange][] = [];
      const readers = Array.from({ length: 6 }, async (_, nth) => {
        const choices = seededRandom(seed + 1000 * round + nth);
        while (writing) {
          const list = choices.oneOf(asked);
          if (list !== undefined) seen.push([list, await read(app.running.url, list)]);
        }
      });
      for (let nth = 0; nth < 40; nth++) await write(random, app, superuser, known);
      writing = false;
      await Promise.all(readers);
      for (const [list, reply] of seen) {
        if (reply.status !== 200) {
          expect([400, 401], `${list.path} ${reply.text}`).toContain(reply.status);
          continue;
        }
        const records = recordsOf(list, reply);
        for (const [nth, record] of records.entries()) {
          expect(list.meets(record), `${list.path} for ${list.who}: ${JSON.stringify(record)}`).toBe(true);
          const before = records[nth - 1];
          if (before !== undefined) {
            expect(inOrder(list.sort, before, record), `${list.path} for ${list.who}: ${reply.text}`).toBe(true);
          }
        }
      }
      const states = new Map(
        seen.flatMap(([list, reply]) =>
          reply.status !== 200
            ? []
            : recordsOf(list, reply).map((record) => {
                const state = JSON.stringify(stateOf(record));
                return [`${list.entity} ${state}`, { entity: list.entity, state }] as const;
              }),
        ),
      );
      const { rows: invented } = await superuser.query(
        `select w.entity, w.state from unnest($1::text[], $2::jsonb[]) w (entity, state)
        where not exists (select from public.states s where s.entity = w.entity and s.state @> w.state)`,
        [[...states.values()].map(({ entity }) => entity), [...states.values()].map(({ state }) => state)],
      );
      expect(invented, "states that no record was ever in").toEqual([]);

      // In the quiet, twice: what was read anew, and what was kept of that. All at once, so that they share statements.
      for (const _ of [1, 2]) {
        let pages = asked.concat(Array.from({ length: 20 }, () => listOf(random)));
        for (let depth = 0; depth < 3 && pages.length > 0; depth++) {
          const replies = await Promise.all(pages.map((list) => read(app.running.url, list)));
          const fresh = await Promise.all(pages.map((list) => read(forgetful.url, list)));
          for (const [nth, list] of pages.entries()) {
            expect(replies[nth], `round ${round}, ${list.path} for ${list.who}`).toEqual(fresh[nth]);
          }
          pages = pages.flatMap((list, nth) => {
            const reply = replies[nth];
            return reply === undefined ? [] : (nextOf(list, reply) ?? []);
          });
        }
      }
      const [list] = asked;
      if (list === undefined) throw new Error("no list");
      const { etag, status } = await read(app.running.url, list);
      if (etag !== null) expect((await read(app.running.url, list, etag)).status).toBe(304);
      expect([200, 400, 401]).toContain(status);
    }
  },
  60_000 + rounds * 5000,
);
