import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { postgresEngine } from "../../../src/database/engines/postgres.ts";
import { openPlainSession, type PlainSession } from "../../../src/database/plain-session.ts";
import { permits, visitor } from "../../../src/domain/permit.ts";
import { emitRecordJson } from "../../../src/emit/records/record-json.ts";
import { emitRowSecurity } from "../../../src/emit/row-security/row-security-emitter.ts";
import { emitSchema } from "../../../src/emit/schema-emitter.ts";
import * as gesta from "../../../src/index.ts";
import type { JsonObject } from "../../../src/kernel/json.ts";
import { silent } from "../../../src/kernel/observation.ts";
import type { Actor } from "../../../src/plan/behaviour.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import type { EntityPlan, Plan, Policy } from "../../../src/plan/plan.ts";
import { recordsRepository } from "../../../src/repositories/records-repository.ts";
import { prepareSchema } from "../../../src/repositories/schema-repository.ts";
import { plainEngine } from "../../../src/testing/agreement/plain-engine.ts";
import { type FreshDatabase, freshDatabase } from "../../support/fresh-database.ts";

const { anyone, application, entity, integer, list, nobody, oneOf, reference, seedId, text, workflow } = gesta;

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const roles = ["cook", "waiter", "admin"] as const;

const remove = gesta.crud({ by: nobody });

/** Notes with every kind of path: own field, own list, through a UUID reference and through a serial one. */
const declared = application("notebook", {
  entities: [
    entity(
      "users",
      {
        fields: { role: oneOf({ values: roles, setBy: "system", default: "cook" }) },
        lifecycle: workflow({
          initial: "active",
          states: { active: { on: { leave: "left" } }, left: { final: true } },
        }),
        read: anyone,
      },
      ({ moves }) => ({ leave: moves("UserLeft", { by: anyone }) }),
    ),
    entity(
      "boards",
      {
        id: "serial",
        fields: { owner_id: reference("users", { optional: true }), member_ids: list(reference("users")) },
        read: anyone,
      },
      remove,
    ),
    entity(
      "teams",
      {
        fields: {
          lead_id: reference("users", { optional: true }),
          member_ids: list(reference("users"), { optional: true }),
          board_id: reference("boards", { optional: true }),
        },
        read: anyone,
      },
      remove,
    ),
    entity(
      "notes",
      {
        fields: {
          number: integer(),
          author_id: reference("users"),
          editor_id: reference("users", { optional: true }),
          reader_ids: list(reference("users"), { optional: true }),
          team_id: reference("teams", { optional: true }),
          board_id: reference("boards", { optional: true }),
          remark: text({ readBy: anyone }),
        },
        read: anyone,
      },
      remove,
    ),
  ],
  actors: { entity: "users", role: "role", active: ["active"] },
});
const { plan } = makePlan(declared);

const users = ["a", "b", "c", "d", "e"].map((name, index) => ({
  id: seedId("users", name),
  role: roles[index % roles.length] ?? "cook",
}));
const actors: readonly Actor[] = [
  visitor,
  ...users.map(({ id, role }): Actor => ({ type: "user", id, roles: [role] })),
];

interface Stored {
  readonly entity: string;
  readonly record: JsonObject;
  readonly deleted: boolean;
}

const someone = fc.constantFrom(...users.map(({ id }) => id));
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: null, freq: 3 });
const several = fc.uniqueArray(someone, { maxLength: 3 });
const boardIds = [1, 2, 3, 4];
const teamIds = [1, 2, 3, 4].map((number) => seedId("teams", String(number)));
const noteIds = Array.from({ length: 12 }, (_, index) => seedId("notes", String(index)));

const record = <T>(name: string, id: string | number, fields: fc.Arbitrary<T>): fc.Arbitrary<Stored> =>
  fc
    .tuple(fields, fc.integer({ min: 0, max: 4 }))
    .map(([values, chance]) => ({ entity: name, record: { id, ...values }, deleted: chance === 0 }));

/** Everything that is stored, references first. */
const records: fc.Arbitrary<readonly Stored[]> = fc.tuple(
  ...boardIds.map((id) => record("boards", id, fc.record({ owner_id: maybe(someone), member_ids: several }))),
  ...teamIds.map((id) =>
    record(
      "teams",
      id,
      fc.record({ lead_id: maybe(someone), member_ids: maybe(several), board_id: maybe(fc.constantFrom(...boardIds)) }),
    ),
  ),
  ...noteIds.map((id, number) =>
    record(
      "notes",
      id,
      fc.record({
        number: fc.constant(number),
        author_id: someone,
        editor_id: maybe(someone),
        reader_ids: maybe(several),
        team_id: maybe(fc.constantFrom(...teamIds)),
        board_id: maybe(fc.constantFrom(...boardIds)),
        remark: fc.constant("hush"),
      }),
    ),
  ),
);

/** Any policy over these paths, three levels deep; empty `anyOf()` and `allOf()` included. */
function policies(is: readonly string[], among: readonly string[]): fc.Arbitrary<Policy> {
  const leaf = fc.oneof(
    fc.constantFrom<Policy>({ kind: "anyone" }, { kind: "nobody" }, { kind: "signed_in" }),
    fc.subarray([...roles]).map((some): Policy => ({ kind: "actor_has", roles: some })),
    fc.constantFrom(...is).map((path): Policy => ({ kind: "actor_is", audience: null, path })),
    fc.constantFrom(...among).map((path): Policy => ({ kind: "actor_in", path, audience: null })),
  );
  const { policy } = fc.letrec<{ readonly policy: Policy }>((tie) => ({
    policy: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      leaf,
      fc.array(tie("policy"), { maxLength: 3 }).map((parts): Policy => ({ kind: "any_of", policies: parts })),
      fc.array(tie("policy"), { maxLength: 3 }).map((parts): Policy => ({ kind: "all_of", policies: parts })),
    ),
  }));
  return policy;
}

const boardPolicy = policies(["owner_id"], ["member_ids"]);
const teamPolicy = policies(["lead_id", "board_id.owner_id"], ["member_ids", "board_id.member_ids"]);
const notePolicy = policies(
  ["author_id", "editor_id", "team_id.lead_id", "board_id.owner_id"],
  ["reader_ids", "team_id.member_ids", "board_id.member_ids"],
);

let database: FreshDatabase;
let superuser: pg.Client;
let session: PlainSession;
beforeAll(async () => {
  database = await freshDatabase();
  const engine = postgresEngine({ url: database.url, poolSize: 1, observe: silent });
  await prepareSchema(engine, emitSchema(plan));
  await engine.close();
  superuser = new pg.Client({ connectionString: database.url });
  await superuser.connect();
  await superuser.query("set session_replication_role = replica");
  session = await openPlainSession(database.url);
  await store(
    users.map(({ id, role }) => ({ entity: "users", record: { id, role, status: "active" }, deleted: false })),
  );
});
afterAll(async () => {
  await session.close();
  await superuser.end();
  await database.drop();
});

async function store(stored: readonly Stored[]): Promise<void> {
  for (const { entity: name, record: values, deleted } of stored) {
    await superuser.query(`insert into app.${name} select (jsonb_populate_record(null::app.${name}, $1::jsonb)).*`, [
      JSON.stringify({
        ...values,
        version: 1,
        created_at: "2026-01-01T00:00:00Z",
        updated_at: "2026-01-01T00:00:00Z",
        deleted_at: deleted ? "2026-01-02T00:00:00Z" : null,
      }),
    ]);
  }
}

const find = (from: Plan, name: string): EntityPlan => {
  const found = from.entities.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`the notebook has no ${name}`);
  return found;
};

/** The policy check of the API, with a look-up that shows what the actor can read, as services have it. */
function typescriptSays(from: Plan, stored: readonly Stored[], actor: Actor): readonly string[] {
  const visible = (name: string, id: string): JsonObject | null => {
    const found = stored.find((each) => each.entity === name && String(each.record.id) === id);
    if (found === undefined || found.deleted) return null;
    const of = find(from, name);
    return permits(of.read, actor, of, found.record, visible) === "yes" ? found.record : null;
  };
  const notes = find(from, "notes");
  const mask = notes.fields.find(({ name }) => name === "remark")?.readBy ?? anyone;
  const said = (policy: Policy, note: JsonObject) => permits(policy, actor, notes, note, visible);
  return stored
    .filter(({ entity: name, record: note }) => name === "notes" && said(notes.read, note) === "yes")
    .map(({ record: note, deleted }) => `${note.number} ${deleted ? "deleted" : said(mask, note)}`);
}

/** Plain SQL says which rows there are, the read function which of them show the remark. */
async function databaseSays(actor: Actor, stored: readonly Stored[]): Promise<readonly string[]> {
  const answer = await session.ask(actor.id, "select number, id from app.notes order by number");
  if (answer.kind === "refused") return [answer.message];
  const read = recordsRepository(plainEngine(session), plan);
  const shown = await Promise.all(
    stored
      .filter(({ entity: name, deleted }) => name === "notes" && !deleted)
      .map(async ({ record: note }) => ({ note, answer: await read.read("notes", actor.id, String(note.id)) })),
  );
  return answer.rows.map(([number, id]) => {
    const found = shown.find(({ note }) => note.id === id);
    if (found === undefined) return `${number} deleted`;
    return `${number} ${found.answer.outcome === "found" && "remark" in JSON.parse(found.answer.body) ? "yes" : "no"}`;
  });
}

test(`row-level security and the check in TypeScript are the same for every policy (SEED=${seed})`, async () => {
  let compared = 0;
  let allowed = 0;
  const policy = fc.record({ boards: boardPolicy, teams: teamPolicy, notes: notePolicy, remark: notePolicy });
  await fc.assert(
    fc.asyncProperty(records, fc.array(policy, { minLength: 4, maxLength: 4 }), async (stored, generated) => {
      await superuser.query("truncate app.notes, app.teams, app.boards");
      await store(stored);
      for (const reads of generated) {
        const changed: Plan = {
          ...plan,
          entities: plan.entities.map((each) => ({
            ...each,
            read: each.name === "users" ? each.read : reads[each.name as "boards" | "teams" | "notes"], // the other three
            fields: each.fields.map((field) => (field.name === "remark" ? { ...field, readBy: reads.remark } : field)),
          })),
        };
        const emitted = ["boards", "teams", "notes"].map((name) => emitRowSecurity(changed, find(changed, name)));
        await superuser.query([...emitted, emitRecordJson(changed, find(changed, "notes"))].join("\n"));
        for (const actor of actors) {
          const said = typescriptSays(changed, stored, actor);
          expect(await databaseSays(actor, stored)).toEqual(said);
          compared += noteIds.length;
          allowed += said.length;
        }
      }
    }),
    { seed, numRuns: 100 },
  );
  // A generator that only ever forbids, or only ever allows, would prove nothing.
  expect(compared).toBe(100 * 4 * actors.length * noteIds.length);
  expect(allowed).toBeGreaterThan(compared / 20);
  expect(allowed).toBeLessThan((compared * 19) / 20);
}, 300_000);
