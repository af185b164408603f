import pg from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { seedId } from "../../src/declare/application.ts";
import { emitOpenApi } from "../../src/emit/openapi/openapi-emitter.ts";
import { audiencesOf } from "../../src/plan/audience.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { type DescribedOperation, operationsOf } from "../support/described-operations.ts";
import { type Reply, runDelivery, type TestApplication } from "../support/running-application.ts";

/** Whether the application's own checks of who may what are switched off: a build that has lost them all. */
const checks = vi.hoisted(() => ({ off: false }));

vi.mock(import("../../src/domain/permit.ts"), async (original) => {
  const real = await original();
  return {
    ...real,
    permits: (...asked) => (checks.off ? "yes" : real.permits(...asked)),
    visitorsMay: (...asked) => checks.off || real.visitorsMay(...asked),
  };
});
vi.mock(import("../../src/services/known-records.ts"), async (original) => {
  const real = await original();
  class CarelessRecords extends real.KnownRecords {
    override async load(...asked: Parameters<InstanceType<typeof real.KnownRecords>["load"]>) {
      const loaded = await super.load(...asked);
      // What the database says is hidden from the caller is taken for theirs.
      return checks.off && loaded.outcome === "hidden" ? { ...loaded, outcome: "visible" as const } : loaded;
    }
  }
  return { ...real, KnownRecords: CarelessRecords };
});

const { plan } = makePlan(delivery);
const audiences = [null, "customer1", "customer2", "staff1", "staff2", "logistician", "manager", "admin"] as const;
const described = audiencesOf(plan).flatMap((role) =>
  operationsOf(JSON.parse(JSON.stringify(emitOpenApi(plan, role)))),
);
const writes: readonly DescribedOperation[] = [
  ...new Map(
    described
      .filter(({ method, entity }) => method !== "GET" && plan.entities.some(({ name }) => name === entity))
      .map((operation) => [`${operation.method} ${operation.path}`, operation]),
  ).values(),
];

let app: TestApplication;
let sql: pg.Client;
beforeAll(async () => {
  app = await runDelivery("postgres");
  for (const name of ["Jack", "Gin"]) await app.call("POST", "/drinks", null, { name, price: 10 });
  // So that there is something to undo.
  for (const who of audiences) {
    if (who === null) continue;
    const { status } = await app.call("PATCH", "/users/me/name", who, { name: `${who} the Second` });
    expect([who, status]).toEqual([who, 200]);
  }
  sql = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await sql.connect();
  for (const { name, actions } of plan.entities) {
    if (!actions.some(({ kind }) => kind === "delete")) continue;
    const { rows } = await sql.query<{ id: string }>(`select id::text from app.${name} r order by r.id desc limit 1`);
    const id = spare[name] ?? rows[0]?.id;
    expect((await app.remove(`/${name}/${id}`, "admin")).status, name).toBe(204);
  }
});
afterAll(async () => {
  await sql?.end();
  await app?.stop();
});

/** What may be deleted where the last one is needed: an order's code, the only restaurant that can be opened. */
const spare: Readonly<Record<string, string>> = {
  promotions: seedId("promotions", "OLD"),
  restaurants: seedId("restaurants", "2"),
};

const stored = async (): Promise<string> => {
  const tables = plan.entities.map(({ name }) => `select md5(string_agg(r::text, ',' order by id)) from app.${name} r`);
  const text = `${tables.join(" union all ")} union all select count(*)::text from gesta.events`;
  return JSON.stringify((await sql.query(text)).rows);
};

/** The records that an operation is tried on, deleted ones for a restore: for those with a lifecycle, some in each state. */
async function targetsOf({ path, entity }: DescribedOperation): Promise<readonly string[]> {
  if (!path.includes("{id}")) return [""];
  const state = plan.entities.find(({ name }) => name === entity)?.lifecycle === null ? "''" : "r.status";
  const { rows } = await sql.query<{ id: string }>(
    `select id from (
       select r.id::text, row_number() over (partition by ${state} order by r.id) as nth from app.${entity} r
         where (r.deleted_at is not null) = ${path.endsWith("/restore")}
     ) q where nth <= 3`,
  );
  return rows.map(({ id }) => id);
}

const call = (
  { method, path, demandsVersion }: DescribedOperation,
  id: string,
  who: string | null,
  body: unknown,
): Promise<Reply> => app.call(method, path.replace("{id}", id), who, body, demandsVersion ? { "if-match": "*" } : {});

test("with the application's checks switched off the database alone refuses whatever the policies refuse", async () => {
  const before = await stored();
  const counts: Record<string, number> = {};
  const count = (what: string, more: number) => {
    counts[what] = (counts[what] ?? 0) + more;
  };
  const letIn: string[] = [];
  const untried: string[] = [];
  for (const operation of writes) {
    const targets = await targetsOf(operation);
    const asked = audiences.flatMap((who) => targets.map((id) => ({ who, id })));
    // Whoever is let in is told what is wrong with the body; nobody else gets so far.
    checks.off = false;
    const policy = await Promise.all(asked.map(({ who, id }) => call(operation, id, who, { nothing: 1 })));
    const refused = asked.filter((_, index) => [401, 403, 404].includes(policy[index]?.status ?? 0));
    count("allowed by the policy", asked.length - refused.length);
    checks.off = true;
    const answers = await Promise.all(refused.map(({ who, id }) => call(operation, id, who, operation.example)));
    let byDatabase = 0;
    for (const [index, { status, text, body }] of answers.entries()) {
      const where = `${operation.method} ${operation.path} ${JSON.stringify(refused[index])}: ${status} ${text}`;
      if (status < 400 || status >= 500) letIn.push(where);
      const wrongPassword = JSON.stringify(body.errors ?? null).includes("wrong_password");
      if ([401, 403, 404].includes(status) || wrongPassword) byDatabase++;
    }
    count("refused by the database", byDatabase);
    count("refused before it, to anybody: the state or the data forbid it", refused.length - byDatabase);
    // A visitor's record has no owner to be filled in: that is refused before anything is written.
    const signedIn = refused.some(({ who }) => who !== null);
    if (signedIn && byDatabase === 0) untried.push(`${operation.method} ${operation.path}`);
  }
  process.stdout.write(`${writes.length} operations: ${JSON.stringify(counts)}\n`);
  expect(letIn).toEqual([]);
  expect(untried).toEqual([]);
  expect(await stored()).toBe(before);
  expect(counts["refused by the database"]).toBeGreaterThan(400);
}, 300_000);
