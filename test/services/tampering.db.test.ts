import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { findingsIn } from "../../src/domain/verify-stream.ts";
import { onEngine, verifyApplication, withLedger } from "../../src/operations.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { ledgerRepository } from "../../src/repositories/ledger-repository.ts";
import { seededRandom } from "../../src/testing/agreement/random.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const tampers = Number(process.env.GESTA_TEST_TAMPERS ?? 100);
const random = seededRandom(seed);
const { plan } = makePlan(delivery);

let app: TestApplication;
let superuser: pg.Client;

beforeAll(async () => {
  app = await runDelivery("postgres");
  superuser = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await superuser.connect();
  // What no honest person does: every trigger is off for this session.
  await superuser.query("set session_replication_role = replica");
});
afterAll(async () => {
  await superuser.end();
  await app.stop();
});

interface Target {
  readonly entity: string;
  readonly stream: string;
  readonly id: string;
  readonly versions: number;
}

interface Way {
  readonly name: string;
  readonly text: (target: Target) => string;
  /** The number of events that it takes. */
  readonly least?: number;
}

/** Ways to tamper with a stream or its record; each names what it touches by $1 (stream), $2 (version), $3 (id). */
const ways: readonly Way[] = [
  event("data", 'data = data || \'{"status":"x"}\''),
  event("data added to", "data = data || '{\"note\":1}'"),
  event("author", "actor_id = 'somebody', actor_type = 'user'"),
  event("time", "at = at - interval '1 hour'"),
  event("type", "type = 'Nothing'"),
  event("reason", "reason = 'because'"),
  event("request", "request_id = 'x'"),
  event("entity", "entity = 'nobody'"),
  event("id", "id = gen_random_uuid()"),
  event("version", "version = version + 100"),
  {
    name: "an event removed",
    text: () => "delete from gesta.events where stream_id = $1 and version = $2 and $3::text <> ''",
  },
  {
    name: "the order in the feed swapped",
    least: 2,
    text: () => `update gesta.events e set seq = o.seq from gesta.events o
      where e.stream_id = $1 and o.stream_id = $1 and (e.version, o.version) in ((1, 2), (2, 1)) and $2 > 0 and $3::text <> ''`,
  },
  {
    name: "two events swapped",
    least: 2,
    text: () => `update gesta.events e set data = o.data, type = o.type, hash = o.hash from gesta.events o
      where e.stream_id = $1 and o.stream_id = $1 and (e.version, o.version) in ((1, 2), (2, 1)) and $2 > 0 and $3::text <> ''`,
  },
  record("version", "version = version + 1"),
  record("time of change", "updated_at = updated_at + interval '1 second'"),
  record("time of creation", "created_at = created_at - interval '1 second'"),
  record("deletion", "deleted_at = case when deleted_at is null then now() end"),
  {
    name: "a record removed",
    text: ({ entity }) => `delete from app.${entity} where id::text = $3 and $1::text <> '' and $2 > 0`,
  },
];

function event(name: string, set: string): Way {
  return {
    name: `${name} of an event`,
    text: () => `update gesta.events set ${set} where stream_id = $1 and version = $2 and $3::text <> ''`,
  };
}
function record(name: string, set: string): Way {
  return {
    name: `${name} of a record`,
    text: ({ entity }: Target) => `update app.${entity} set ${set} where id::text = $3 and $1::text <> '' and $2 > 0`,
  };
}

/** A value of each kind of record that is surely another one. */
const fieldTampers: Readonly<Record<string, string>> = {
  users: "name = name || '!'",
  restaurants: "staff_ids = staff_ids || gen_random_uuid()",
  menu_items: "price = price + 0.01",
  promotions: "active = not active",
  orders: "items = jsonb_set(items, '{0,quantity}', '49')",
};

interface Tampered {
  readonly what: string;
  readonly stream: string;
}

async function tamper(target: Target): Promise<Tampered> {
  const field = record("a field", fieldTampers[target.entity] ?? "version = 9");
  const way = random.oneOf([...ways, field].filter(({ least = 1 }) => target.versions >= least)) ?? field;
  const version = random.oneOf([1, target.versions, random.below(target.versions) + 1]) ?? 1;
  const { rowCount } = await superuser.query(way.text(target), [target.stream, version, target.id]);
  const what = `${way.name}, ${target.entity} ${target.stream}, version ${version} of ${target.versions}`;
  expect(rowCount, what).toBeGreaterThan(0);
  return { what, stream: target.stream };
}

async function addRecord(): Promise<Tampered> {
  const copied = "(jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid()))).*";
  const { rows } = await superuser.query(
    `insert into app.menu_items select ${copied} from app.menu_items r limit 1 returning id::text`,
  );
  return { what: "a record added", stream: rows[0].id };
}

const tables = ["gesta.events", ...plan.entities.map(({ name }) => `app.${name}`)];

test(`verify finds each of ${tampers} random tampers, as the pure fold does (SEED=${seed})`, async () => {
  expect((await verifyApplication(delivery, app.around)).findings).toEqual([]);
  for (const [index, table] of tables.entries()) {
    await superuser.query(`create temp table saved_${index} as table ${table}`);
  }
  const { rows: targets } = await superuser.query<Target>(
    `select min(entity) as entity, stream_id::text as stream, stream_id::text as id, count(*)::int as versions
       from gesta.events group by stream_id order by stream_id`,
  );
  let done = 0;
  while (done < tampers) {
    const chosen = random.some(targets).slice(0, tampers - done - 1);
    const tampered: Tampered[] = [await addRecord()];
    for (const target of chosen) tampered.push(await tamper(target));
    done += tampered.length;

    const { findings } = await verifyApplication(delivery, app.around);
    const found = new Set(findings.map(({ stream }) => stream));
    expect(tampered.filter(({ stream }) => !found.has(stream))).toEqual([]);
    const touched = new Set(tampered.map(({ stream }) => stream));
    expect(findings.filter(({ stream }) => !touched.has(stream))).toEqual([]);
    const folded = await foldedFindings([...targets.map(({ stream }) => stream), ...touched]);
    expect(tampered.filter(({ stream }) => !folded.has(stream))).toEqual([]);

    for (const [index, table] of tables.entries()) {
      await superuser.query(`delete from ${table}`);
      await superuser.query(`insert into ${table} select * from saved_${index}`);
    }
  }
  expect((await verifyApplication(delivery, app.around)).findings).toEqual([]);
});

/** The streams in which the pure fold finds fault, whatever the sieve says. */
const foldedFindings = (streams: readonly string[]): Promise<ReadonlySet<string>> =>
  onEngine(app.around, async (engine) => {
    const ledger = ledgerRepository(engine, plan);
    const found = new Set<string>();
    for (const entity of plan.entities) {
      const { rows } = await superuser.query(
        `select stream_id::text as stream from gesta.events where entity in ($1, 'nobody') and stream_id = any ($2)
         union select r.id::text from app.${entity.name} r where r.id::text = any ($2::text[])`,
        [entity.name, streams],
      );
      for (const stored of await ledger.streams(
        entity,
        rows.map(({ stream }) => stream),
      )) {
        if (findingsIn(entity, stored).length > 0) found.add(stored.streamId);
      }
    }
    return found;
  });

test("rebuild restores the records that differ, those alone, and refuses a stream that is broken itself", async () => {
  const at = "01900000";
  const { rows } = await superuser.query(
    "select id::text from app.menu_items where id::text like $1 order by id limit 4",
    [`${at}%`],
  );
  const [priced, removed, broken, untouched] = rows.map(({ id }) => String(id));
  const before = await superuser.query("select r.*, r.xmin::text from app.menu_items r order by id");
  await superuser.query("update app.menu_items set price = 77 where id = any ($1)", [[priced, broken]]);
  await superuser.query("delete from app.menu_items where id = $1", [removed]);
  await superuser.query("update gesta.events set data = data || '{\"price\": 77}' where stream_id = $1", [broken]);
  const added = await addRecord();
  const outcomes = Object.fromEntries(
    (await withLedger(delivery, app.around, (ledger) => ledger.rebuild({ entity: "menu_items" }))).map(
      ({ id, outcome }) => [id, outcome],
    ),
  );
  // What was tampered with in the events is the fold of the events again: nothing to restore, and verify says so.
  expect(outcomes).toEqual({
    [String(priced)]: "restored",
    [String(removed)]: "restored",
    [added.stream]: "removed",
  });
  const { findings } = await verifyApplication(delivery, app.around);
  expect(findings.map(({ stream, fault }) => [stream, fault])).toEqual([[broken, "chain_broken"]]);
  await superuser.query("update app.menu_items set price = 5 where id = $1", [broken]);
  const refused = await withLedger(delivery, app.around, (ledger) =>
    ledger.rebuild({ entity: "menu_items", id: broken }),
  );
  expect(refused).toEqual([
    { entity: "menu_items", id: broken, outcome: "refused", why: [expect.stringContaining("chain_broken")] },
  ]);

  const after = await superuser.query("select r.*, r.xmin::text from app.menu_items r order by id");
  const rowOf = (result: pg.QueryResult, id: string | undefined) => result.rows.find((row) => row.id === id);
  expect(rowOf(after, untouched)).toEqual(rowOf(before, untouched));
  expect({ ...rowOf(after, priced), xmin: "" }).toEqual({ ...rowOf(before, priced), xmin: "" });
  expect({ ...rowOf(after, removed), xmin: "" }).toEqual({ ...rowOf(before, removed), xmin: "" });
});

test("events that differ in anything have different hashes, whatever stands in their texts", async () => {
  const names = "('a'), ('b'), ('b 1 a'), ('a 2 a'), ('a'' ''b')";
  const texts = "(null), ('NULL'), ('a'), ('a'' ''b')";
  const { rows } = await superuser.query(
    `with alike as (
       select gesta.event_hash(null, $1, 1, $1, entity, type, version::smallint, action, data, 'user', actor, reason,
                request, $1, caused, '2026-11-28 12:00:00Z') as hash
         from (values ${names}) e (entity), (values ${names}) t (type), (values (1), (2)) v (version),
              (values ${names}) n (action), (values ('{}'::jsonb), ('{"a": "b 1 c"}')) d (data),
              (values ${texts}) a (actor), (values ${texts}) r (reason), (values ${texts}) q (request),
              (values (null), ($1::uuid)) c (caused)
     )
     select count(*)::int as events, count(distinct hash)::int as hashes from alike`,
    ["01900000-0001-7001-8001-000000000001"],
  );
  expect(rows).toEqual([{ events: 64_000, hashes: 64_000 }]);
});
