import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { postgresEngine } from "../../src/database/engines/postgres.ts";
import { openPlainSession, type PlainSession } from "../../src/database/plain-session.ts";
import { seedId } from "../../src/declare/application.ts";
import { silent } from "../../src/kernel/observation.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import type { ActionPlan, EntityPlan } from "../../src/plan/plan.ts";
import { writtenActions } from "../../src/plan/undo-rules.ts";
import { type RecordsRepository, recordsRepository } from "../../src/repositories/records-repository.ts";
import { plainEngine } from "../../src/testing/agreement/plain-engine.ts";
import { type Reply, runDelivery, type TestApplication } from "../support/running-application.ts";

const { plan } = makePlan(delivery);
const audiences = [null, "customer1", "customer2", "staff1", "staff2", "logistician", "manager", "admin"] as const;
type Audience = (typeof audiences)[number];

const missing = (entity: EntityPlan): string =>
  entity.id === "serial" ? "4711" : "01900000-dead-7000-8000-00000000beef";

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly action: ActionPlan | null;
}

/** Everything that can be asked of one record; derived, so that a new action is in the matrix at once. */
const operationsOn = (entity: EntityPlan): readonly Operation[] => [
  { method: "GET", path: "/{id}", action: null },
  ...entity.actions
    .filter(({ kind }) => kind !== "create")
    .flatMap((action) =>
      (action.kind === "update" ? ["PATCH", "PUT"] : [action.method]).map((method) => ({
        method,
        path: action.path,
        action,
      })),
    ),
];

/** What a caller can tell two answers apart by. */
const visible = ({ status, headers, body, text }: Reply) => {
  const { request_id: _, ...rest } = body as Readonly<Record<string, unknown>>;
  const kept = [...headers].filter(([name]) => !["request-id", "date"].includes(name));
  return { status, headers: kept, body: text === "" ? "" : rest };
};

describe("a record of others cannot be told from one that is not there", () => {
  let app: TestApplication;
  let session: PlainSession;
  let forged: RecordsRepository;
  let ids: ReadonlyMap<string, readonly string[]>;
  beforeAll(async () => {
    app = await runDelivery("postgres");
    await app.call("POST", "/drinks", null, { name: "Jack", price: 10 });
    // A deleted one is hidden from others like any other.
    const path = `/orders/${seedId("orders", "0")}`;
    const { confirm } = (await app.call("GET", `${path}/impact?action=delete`, "admin")).body;
    expect((await app.call("DELETE", `${path}?confirm=${confirm}`, "admin")).status).toBe(204);
    session = await openPlainSession(app.databaseUrl ?? "");
    forged = recordsRepository(plainEngine(session), plan);
    const owner = postgresEngine({ url: app.databaseUrl ?? "", poolSize: 1, observe: silent });
    const found = plan.entities.map(async ({ name }): Promise<[string, readonly string[]]> => {
      const rows = await owner.inspect(`select r.id::text from app.${name} r order by r.id limit 12`);
      return [name, rows.map(([id]) => String(id))];
    });
    ids = new Map(await Promise.all(found));
    await owner.close();
  });
  afterAll(async () => {
    await session.close();
    await app.stop();
  });

  const who = (audience: Audience): string | null => (audience === null ? null : seedId("users", audience));
  const ask = (audience: Audience, entity: EntityPlan, { method, path }: Operation, id: string, body?: unknown) =>
    app.call(method, `/${entity.name}${path.replace("{id}", id)}`, audience, method === "GET" ? undefined : body);
  const readable = async (audience: Audience, entity: EntityPlan, id: string): Promise<boolean> =>
    (await forged.read(entity.name, who(audience), id)).outcome !== "not_found";

  test.each(audiences)("over HTTP and in the database, as %s", async (audience) => {
    let foreign = 0;
    for (const entity of plan.entities) {
      for (const id of ids.get(entity.name) ?? []) {
        if (await readable(audience, entity, id)) continue;
        foreign++;
        for (const operation of operationsOn(entity)) {
          for (const body of [undefined, {}, { status: "delivered", nonsense: 1 }]) {
            const [theirs, none] = [
              await ask(audience, entity, operation, id, body),
              await ask(audience, entity, operation, missing(entity), body),
            ];
            expect([401, 404]).toContain(theirs.status);
            expect(visible(theirs)).toEqual(visible(none));
          }
          // To undo is to do another action: the database knows no command of that name.
          if (operation.action === null || operation.action.kind === "undo") continue;
          const command = (target: string) =>
            forged.write(entity.name, {
              actor: who(audience),
              event: "01900000-0000-7000-8000-000000000000",
              action: operation.action?.name ?? "",
              id: target,
              version: 1,
              to: entity.lifecycle?.transitions.find(({ action }) => action === operation.action?.name)?.to ?? null,
              type: "Forged",
              set: {},
              secrets: {},
              request: null,
            });
          expect(await command(id)).toEqual({ outcome: "not_found" });
          expect(await command(missing(entity))).toEqual({ outcome: "not_found" });
        }
      }
    }
    // Managers and logisticians read every order, but no user's account but their own.
    expect(foreign).toBeGreaterThan(audience === "admin" ? -1 : 5);
  });

  test("what may be seen but not done is forbidden, and the database alone refuses it as well", async () => {
    const rights: Record<string, number> = {};
    for (const audience of audiences) {
      for (const entity of plan.entities) {
        for (const action of writtenActions(entity.actions).filter(({ kind }) => kind !== "create")) {
          for (const id of (ids.get(entity.name) ?? []).slice(0, 6)) {
            if (!(await readable(audience, entity, id)) || id === seedId("orders", "0")) continue;
            const [version, status] = await versionOf(entity, id);
            const steps = entity.lifecycle?.transitions.filter((step) => step.action === action.name) ?? [];
            const to = steps.find(({ from }) => from === status)?.to ?? null;
            if (action.kind === "move" && to === null) continue; // the workflow refuses everybody
            if (action.kind === "restore") continue; // what is not deleted is restored by nobody
            // A confirmation is no right: whoever has it needs the right as well.
            const seen = action.kind === "delete" ? await forged.impact(entity.name, who(audience), id) : null;
            const written = await forged.write(entity.name, {
              actor: who(audience),
              event: "01900000-0000-7000-8000-000000000000",
              action: action.name,
              id,
              version,
              to,
              type: "Forged",
              set: {},
              secrets: {},
              request: null,
              ...(seen?.outcome === "told" ? { agreed: seen.digest } : {}),
            });
            const reply = await app.call(action.method, `/${entity.name}${action.path.replace("{id}", id)}`, audience, {
              no_such_field: 1,
            });
            // The record can be read, so 404 says that the action has no address: it is nobody's.
            const allowed = ![401, 403, 404].includes(reply.status);
            const line = `${entity.name}.${action.name} by ${audience} on ${id}: ${reply.status} ${written.outcome}`;
            expect([line, written.outcome]).toEqual([line, allowed ? "done" : "forbidden"]);
            rights[allowed ? "allowed" : "refused"] = (rights[allowed ? "allowed" : "refused"] ?? 0) + 1;
          }
        }
      }
    }
    expect(rights.allowed).toBeGreaterThan(50);
    expect(rights.refused).toBeGreaterThan(100);
  });

  test("creating: the database alone refuses whoever may not", async () => {
    const outcomes: Record<string, string> = {};
    for (const audience of audiences) {
      for (const entity of plan.entities) {
        const action = entity.actions.find(({ kind }) => kind === "create");
        const model = ids.get(entity.name)?.[0];
        if (action === undefined || model === undefined) continue;
        const loaded = await forged.load(entity.name, "system", model);
        if (!("record" in loaded)) throw new Error(`${entity.name} ${model} is ${loaded.outcome}`);
        const set = Object.fromEntries(
          action.sets
            .filter((name) => name in loaded.record)
            .map((name) => {
              const field = entity.fields.find((each) => each.name === name);
              if (field?.setBy === "actor") return [name, who(audience)];
              const isOther = field?.unique && field.kind !== "reference";
              return [name, isOther ? "X@example.com" : (loaded.record[name] ?? null)];
            }),
        );
        const { outcome } = await forged.write(entity.name, {
          actor: who(audience),
          event: "01900000-0000-7000-8000-000000000000",
          action: action.name,
          id: entity.id === "serial" ? null : missing(entity),
          version: null,
          to: null,
          type: "Forged",
          set,
          secrets: {},
          request: null,
        });
        outcomes[`${entity.name} ${audience}`] = outcome;
      }
    }
    const allowed = Object.entries(outcomes).filter(([, outcome]) => outcome === "done");
    expect(Object.values(outcomes).filter((outcome) => !["done", "forbidden"].includes(outcome))).toEqual([]);
    expect(allowed.map(([name]) => name).filter((name) => !/^(drinks|users|files|documents) /.test(name))).toEqual([
      "orders customer1",
      "transfers customer1",
      "orders customer2",
      "menu_items staff1",
      "promotions manager",
      "restaurants admin",
      "menu_items admin",
      "promotions admin",
    ]);
  });

  async function versionOf(entity: EntityPlan, id: string): Promise<readonly [number, string]> {
    const loaded = await forged.load(entity.name, "system", id);
    if (!("record" in loaded)) throw new Error(`${entity.name} ${id} is ${loaded.outcome}`);
    return [Number(loaded.record.version), String(loaded.record.status)];
  }

  test("no order of others is in a list, its count or its pages", async () => {
    const client = new pg.Client({ connectionString: app.databaseUrl ?? "" });
    await client.connect();
    const { rows } = await client.query("select id::text from app.orders where user_id <> $1", [who("customer2")]);
    await client.end();
    let next: string | null = "";
    while (next !== null) {
      const page: Reply = await app.call("GET", `/orders?limit=3${next === "" ? "" : `&cursor=${next}`}`, "customer2");
      for (const { id } of rows) expect(page.text).not.toContain(id);
      // The contract of a list.
      next = (page.body.page as { readonly next: string | null }).next;
    }
  });
});
