import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runShelves, type Shelves } from "../support/shelves.ts";

/** Rounds of each race; every round is a race of its own. */
const rounds = Number(process.env.RACES ?? 15);
/** Records that one delete takes along: 10,000 at most, as a release is tested. */
const cohort = Number(process.env.GESTA_TEST_COHORT ?? 1_000);

let app: Shelves;
let client: pg.Client;
beforeAll(async () => {
  app = await runShelves("postgres");
  client = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await app.close();
  await app.drop();
});

let count = 0;
const name = () => `name ${++count}`;
const note = async (more: object = {}) => Number(await app.made("/notes", { name: name(), seen_ids: [], ...more }));
const statusesOf = (answers: readonly { readonly status: number }[]) => answers.map(({ status }) => status);

/** Living records that refer to a deleted one by a reference that has a say: there must never be any. */
async function dangling(): Promise<readonly unknown[]> {
  const { rows } = await client.query(`
    select 'seal', s.id::text from app.seals s join app.notes n on n.id = s.note_id
      where s.deleted_at is null and n.deleted_at is not null
    union all
    select 'next', a.id::text from app.notes a join app.notes n on n.id = a.next_id
      where a.deleted_at is null and n.deleted_at is not null
    union all
    select 'seen', a.id::text from app.notes a join app.notes n on n.id = any (a.seen_ids)
      where a.deleted_at is null and n.deleted_at is not null
    union all
    select 'folder', a.id::text from app.notes a join app.folders f on f.id = a.folder_id
      where a.deleted_at is null and f.deleted_at is not null
    union all
    select 'parent', a.id::text from app.folders a join app.folders f on f.id = a.parent_id
      where a.deleted_at is null and f.deleted_at is not null`);
  return rows;
}

test(`new references race with the delete of what they refer to, ${rounds} times`, async () => {
  for (let round = 0; round < rounds; round++) {
    const target = await note();
    const holders = [await note(), await note()];
    const answers = await Promise.all([
      app.call("POST", "/seals", { note_id: target }),
      app.call("PATCH", `/notes/${holders[0]}`, { next_id: target }),
      app.call("DELETE", `/notes/${target}`),
      app.call("PATCH", `/notes/${holders[1]}`, { seen_ids: [target] }),
      app.call("POST", "/notes", { name: name(), next_id: target, seen_ids: [target] }),
    ]);
    expect(statusesOf(answers).every((status) => [200, 201, 204, 409, 422].includes(status))).toBe(true);
    const [seal, , deletion] = answers;
    // Whoever came second was refused.
    expect([seal?.status, deletion?.status]).not.toEqual([201, 204]);
    expect(await dangling()).toEqual([]);
  }
});

test(`deletes, restores and new notes of one tree at once, ${rounds} times`, async () => {
  for (let round = 0; round < rounds; round++) {
    const top = await app.made("/folders", { name: name() });
    const inner = await app.made("/folders", { name: name(), parent_id: top });
    const inside = await note({ folder_id: inner });
    const answers = await Promise.all([
      app.call("DELETE", `/folders/${top}`),
      app.call("POST", "/notes", { name: name(), folder_id: inner, seen_ids: [inside] }),
      app.call("DELETE", `/notes/${inside}`),
      app.call("POST", "/folders", { name: name(), parent_id: inner }),
      app.call("DELETE", `/folders/${inner}`),
      app.call("POST", `/folders/${inner}/restore`),
      app.call("POST", `/folders/${top}/restore`),
    ]);
    expect(statusesOf(answers).every((status) => [200, 201, 204, 409, 410, 422].includes(status))).toBe(true);
    expect(await dangling()).toEqual([]);
  }
});

test("of many deletes and restores at once each is done whole", async () => {
  const top = await app.made("/folders", { name: name() });
  const below = [await note({ folder_id: top }), await note({ folder_id: top }), await note({ folder_id: top })];
  for (let round = 0; round < rounds; round++) {
    await Promise.all([0, 1, 2].map(() => app.call("DELETE", `/folders/${top}`)));
    const gone = await Promise.all(below.map((id) => app.call("GET", `/notes/${id}`)));
    expect(statusesOf(gone)).toEqual([410, 410, 410]);
    const restored = await Promise.all([0, 1, 2].map(() => app.call("POST", `/folders/${top}/restore`)));
    expect(statusesOf(restored).filter((status) => status === 200)).toEqual([200]);
    expect(statusesOf(restored).filter((status) => status !== 200)).toEqual([409, 409]);
    const back = await Promise.all(below.map((id) => app.call("GET", `/notes/${id}`)));
    expect(statusesOf(back)).toEqual([200, 200, 200]);
  }
  const { rows } = await client.query("select version from app.folders where id = $1", [top]);
  expect(rows).toEqual([{ version: 1 + 2 * rounds }]);
});

test(`${cohort} records go in one delete, and all come back`, async () => {
  const top = await app.made("/folders", { name: name() });
  // What went before is whole; what is put there by hand is found by the verification, as it should be.
  expect(await app.findings()).toEqual([]);
  await client.query(
    `insert into app.notes (name, folder_id, seen_ids, version, created_at, updated_at)
       select 'member ' || n, $1::uuid, '{}', 1, now(), now() from generate_series(1, $2::integer) n`,
    [top, cohort],
  );
  const living = async () => {
    const { rows } = await client.query(
      "select count(*)::integer as n from app.notes where folder_id = $1 and deleted_at is null",
      [top],
    );
    return rows[0].n;
  };
  const gone = await app.call("DELETE", `/folders/${top}`);
  expect([gone.status, await living()], JSON.stringify(gone.body)).toEqual([204, 0]);
  const { rows } = await client.query(
    `select count(*)::integer as members, count(distinct e.causation_id)::integer as causes
       from gesta.events e where e.entity = 'notes' and e.type = 'NoteDeleted' and e.version = 2
        and e.causation_id = (select f.id from gesta.events f where f.stream_id = $1 and f.type = 'FolderDeleted')`,
    [top],
  );
  expect(rows).toEqual([{ members: cohort, causes: 1 }]);
  const back = await app.call("POST", `/folders/${top}/restore`);
  expect([back.status, await living()], JSON.stringify(back.body)).toEqual([200, cohort]);
  const faults = (await app.findings()).map((finding) => JSON.parse(JSON.stringify(finding)).fault);
  expect(faults.filter((fault) => fault !== "changed_by_hand")).toEqual([]);
  await client.query("delete from app.notes where name like 'member %'");
});

test("more than ten thousand records are refused as a whole", async () => {
  const top = await app.made("/folders", { name: name() });
  await client.query(
    `insert into app.notes (name, folder_id, seen_ids, version, created_at, updated_at)
       select 'many ' || n, $1::uuid, '{}', 1, now(), now() from generate_series(1, 10001) n`,
    [top],
  );
  const { status, body } = await app.call("DELETE", `/folders/${top}`);
  expect([status, body.code, String(body.detail).slice(0, 24)]).toEqual([409, "conflict", "More than 10,000 records"]);
  const impact = await app.call("GET", `/folders/${top}/impact?action=delete`);
  const [edge] = impact.body.cascades as readonly { readonly count: number; readonly ids: readonly string[] }[]; // the contract
  expect([edge?.count, edge?.ids.length]).toEqual([10_000, 100]);
  const { rows } = await client.query(
    "select count(*)::integer as n from app.notes where name like 'many %' and deleted_at is null",
  );
  expect(rows).toEqual([{ n: 10_001 }]);
  await client.query("delete from app.notes where name like 'many %'");
});
