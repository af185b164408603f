import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { walletOf } from "../../examples/delivery/wallets.ts";
import type { Engine } from "../../src/database/engine.ts";
import { openEngine } from "../../src/database/open-engine.ts";
import { seedId, sownActor } from "../../src/declare/application.ts";
import { explainRequest } from "../../src/operations.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import type { ActionPlan, EntityPlan } from "../../src/plan/plan.ts";
import { recordsRepository } from "../../src/repositories/records-repository.ts";
import { workflowRepository } from "../../src/repositories/workflow-repository.ts";
import { type ExplainService, type Explanation, explainService } from "../../src/services/explain-service.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";
import { repositoryRoot } from "../support/source-tree.ts";

/** What `gesta explain` says is what the API answers: every kind of user asks for every kind of record and action. */
const { plan } = makePlan(delivery);
const order = (index: number) => seedId("orders", String(index));
const restaurant = (number: number) => seedId("restaurants", String(number));
const people = [
  "visitor",
  "customer1",
  "customer2",
  "customer3",
  "staff1",
  "staff2",
  "logistician",
  "manager",
  "admin",
];
const missing = "01900000-0000-7000-8000-00000000dead";

/** In this order: what is deleted on the way shows in what follows. */
const chapters: readonly (readonly [string, string, readonly string[]])[] = [
  ["what anyone may change", "drinks", ["1", "abc"]],
  ["what is of a restaurant", "menu_items", [seedId("menu_items", "100"), seedId("menu_items", "300")]],
  ["what few may read", "promotions", [seedId("promotions", "TEN"), missing]],
  ["orders in all states", "orders", [0, 6, 24, 28].map(order)],
  ["restaurants", "restaurants", [restaurant(1)]],
  ["orders of a restaurant that is gone", "orders", [order(12)]],
  ["users", "users", [seedId("users", "customer2"), seedId("users", "admin")]],
];

let application: TestApplication;
let engine: Engine;
let explaining: ExplainService;
beforeAll(async () => {
  application = await runDelivery("postgres");
  await application.call("POST", "/drinks", null, { name: "Jack", price: 10 });
  engine = await openEngine(application.around.configuration, application.around.observe);
  explaining = explainService(plan, recordsRepository(engine, plan), workflowRepository(engine));
});
afterAll(async () => {
  await engine.close();
  await application.stop();
});

const whoIs = (name: string) => (name === "visitor" ? null : sownActor(delivery, name));
const explained = (method: string, path: string, name: string) =>
  explaining.explain({ method, path, who: whoIs(name), name });

const seen = new Map<number, number>();

/** Asks both, and holds one against the other. */
async function ask(method: string, path: string, name: string, body?: unknown): Promise<Explanation> {
  const explanation = await explained(method, path, name);
  const who = name === "visitor" ? null : name;
  const headers = { "if-match": "*", ...(method === "POST" ? { "idempotency-key": randomUUID() } : {}) };
  const reply = await application.call(method, path, who, body, method === "GET" ? {} : headers);
  const { status, otherwise, because, code } = explanation;
  const label = `${method} ${path} as ${name}: ${because} ${reply.text}`;
  // A reference to what the caller cannot read is refused as input, which an explanation does not look at.
  if (otherwise === 403 && reply.text.includes('"code":"not_found"')) {
    expect(reply.status, label).toBe(422);
    return explanation;
  }
  expect([status, otherwise], label).toContain(reply.status);
  if (reply.status >= 400 && otherwise === null) expect(reply.body.code, label).toBe(code);
  seen.set(reply.status, (seen.get(reply.status) ?? 0) + 1);
  return explanation;
}

let count = 0;
/** A body that the action takes; where the state is to be named, the one that comes next. */
async function bodyFor(entity: EntityPlan, action: ActionPlan, id: string, name: string): Promise<object> {
  switch (`${entity.name}.${action.name}`) {
    case "drinks.update":
      return { price: ++count };
    case "menu_items.update":
      return { price: ++count };
    case "promotions.update":
      return { percent: (++count % 100) + 1 };
    case "restaurants.update":
      return { city: `City ${++count}` };
    case "users.name":
      return { name: `Name ${++count}` };
    case "users.email":
      return { email: `mail${++count}@example.com` };
    case "users.avatar":
      return { avatar: `https://example.com/${++count}.png` };
    case "users.password":
      return { current_password: `${name}-password`, password: `${name}-password` };
    case "orders.status": {
      const { body } = await application.call("GET", `/orders/${id}`, "admin");
      const next = { new: "accepted", accepted: "cooking", cooking: "on_way", on_way: "delivered" };
      return { status: Object.entries(next).find(([from]) => from === body.status)?.[1] ?? "accepted" };
    }
    default:
      return {};
  }
}

/** What the action would touch, and what the API answers to that. */
async function askImpact(entity: EntityPlan, action: ActionPlan, id: string, name: string): Promise<string | null> {
  const path = `/${entity.name}/${id}/impact?action=${action.name}`;
  await ask("GET", path, name);
  const { confirm } = (await application.call("GET", path, name === "visitor" ? null : name)).body;
  return typeof confirm === "string" ? confirm : null;
}

/** A delete is confirmed, a restore only tried: the chapters to come need what is gone. */
function queryOf({ kind }: ActionPlan, confirm: string | null): string {
  if (kind === "restore") return "?dry_run=true";
  return confirm === null ? "" : `?confirm=${confirm}`;
}

/** What cannot be undone: with it, the record is lost for those behind. */
const isLast = ({ kind, name }: ActionPlan) => kind === "delete" || name === "deactivate";
const onRecords = ({ actions }: EntityPlan, last: boolean) =>
  actions.filter((action) => action.kind !== "create" && isLast(action) === last);

describe("an explanation agrees with the API", () => {
  test("about lists and creations", async () => {
    const dish = { restaurant_id: restaurant(1), name: "Ukha", price: 6 };
    const bodies: Readonly<Record<string, () => object>> = {
      drinks: () => ({ name: "Water", price: 1 }),
      users: () => ({ name: "New", email: `new${++count}@example.com`, password: "a long password" }),
      restaurants: () => ({ name: "Bistro", city: "Perm", staff_ids: [] }),
      menu_items: () => dish,
      promotions: () => ({
        code: `CODE${++count}`,
        percent: 5,
        starts_at: "2026-01-01T00:00:00Z",
        ends_at: "2026-02-01T00:00:00Z",
      }),
      orders: () => ({
        restaurant_id: restaurant(1),
        items: [{ menu_item_id: seedId("menu_items", "101"), quantity: 1 }],
      }),
      files: () => ({ name: "notes.txt", size: 1 }),
      documents: () => ({ title: "Notes", file_ids: [] }),
      transfers: () => ({
        from_wallet_id: walletOf(seedId("users", "customer1")),
        to_wallet_id: walletOf(seedId("users", "customer2")),
        amount: 1,
      }),
    };
    for (const { name: entity } of plan.entities) {
      for (const name of people) {
        await ask("GET", `/${entity}`, name);
        // What no client may make has no address, and nothing to explain.
        if (bodies[entity] !== undefined) await ask("POST", `/${entity}`, name, bodies[entity]());
      }
    }
  });

  test.each(chapters)("about %s", async (_title, name, ids) => {
    const entity = plan.entities.find((candidate) => candidate.name === name);
    if (entity === undefined) throw new Error(`${name} is an entity of delivery`);
    for (const id of ids) {
      const read = async (who: string) => {
        await ask("GET", `/${name}/${id}`, who);
        await ask("GET", `/${name}/${id}/actions`, who);
        await ask("GET", `/${name}/${id}/history`, who);
      };
      const act = async (who: string, last: boolean) => {
        for (const action of onRecords(entity, last)) {
          const body = await bodyFor(entity, action, id, who);
          const impact = await askImpact(entity, action, id, who);
          await ask(action.method, `/${name}${action.path.replace("{id}", id)}${queryOf(action, impact)}`, who, body);
        }
      };
      for (const who of people) await read(who);
      for (const who of people) await act(who, false);
      for (const who of people) await act(who, true);
      for (const who of people) await read(who);
      await act("admin", false);
    }
  });

  test("names a record that gives no rights because it is deleted", async () => {
    const { status, because } = await ask("GET", `/orders/${order(10)}`, "staff1");
    expect([status, because]).toEqual([
      404,
      expect.stringContaining(`restaurants/${restaurant(1)} gives no rights: it is deleted`),
    ]);
  });

  test("with all its answers", () => {
    const least = { 200: 100, 201: 10, 204: 5, 401: 50, 403: 30, 404: 50, 409: 5, 410: 20 };
    for (const [status, times] of Object.entries(least)) {
      expect(seen.get(Number(status)) ?? 0, `${status} of ${JSON.stringify([...seen])}`).toBeGreaterThanOrEqual(times);
    }
  });
});

/** The built program, as users run it. `npm test` builds first. */
function gesta(words: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["bin/gesta.js", "explain", ...words], {
    cwd: repositoryRoot,
    encoding: "utf8",
    env: { ...process.env, DATABASE_URL: application.databaseUrl ?? "", LOG_LEVEL: "silent", ...environment },
  });
  return { status, stdout, stderr };
}

test("the embedded database is explained when nobody serves it", { timeout: 180_000 }, async () => {
  const embedded = await runDelivery("pglite");
  try {
    const questions = [0, 6, 30].flatMap((index) => people.map((name) => ({ path: `/orders/${order(index)}`, name })));
    const answers: number[] = [];
    for (const { path, name } of questions) {
      answers.push((await embedded.call("GET", path, name === "visitor" ? null : name)).status);
    }
    const GESTA_DATA = embedded.around.configuration.dataDirectory;
    const locked = gesta(["--as", "admin", "GET", "/orders"], { DATABASE_URL: "", GESTA_DATA });
    expect([locked.status, locked.stderr]).toEqual([2, expect.stringContaining("is in use by process")]);
    await embedded.running.close();
    const engine = await openEngine(embedded.around.configuration, embedded.around.observe);
    const explaining = explainService(plan, recordsRepository(engine, plan), workflowRepository(engine));
    const explained: number[] = [];
    for (const { path, name } of questions) {
      explained.push((await explaining.explain({ method: "GET", path, who: whoIs(name), name })).status);
    }
    await engine.close();
    expect(explained).toEqual(answers);
    expect(new Set(answers)).toEqual(new Set([200, 401, 404]));
  } finally {
    await embedded.stop();
  }
});

describe("gesta explain", () => {
  test("prints what docs/policies.md shows", () => {
    const page = readFileSync(join(repositoryRoot, "docs/policies.md"), "utf8");
    const [, command = "", shown = ""] =
      /^```sh\nnpx gesta explain (.*)\n```\n\n```text\n([\s\S]*?)^```$/m.exec(page) ?? [];
    expect(command).toContain("--as customer1");
    expect(gesta(command.split(" "))).toEqual({ status: 0, stdout: shown, stderr: "" });
  });

  test("--json is the explanation as one line", async () => {
    const path = `/orders/${order(1)}`;
    const { status, stdout } = gesta(["--json", "--as", "customer1", "GET", path]);
    expect([status, stdout.trimEnd().split("\n").length]).toEqual([0, 1]);
    expect(JSON.parse(stdout)).toEqual(await explainRequest(delivery, application.around, "GET", path, "customer1"));
    expect(JSON.parse(stdout)).toMatchObject({ status: 404, code: "not_found", policies: [{ name: "orders.read" }] });
  });

  test("ends with 1 in production, and with 2 when it cannot run", () => {
    const production = {
      GESTA_ENV: "production",
      GESTA_JWT_SECRET: "a secret that is long enough for production",
      GESTA_OWNER_URL: application.databaseUrl ?? "",
    };
    const refused = gesta(["--as", "customer1", "GET", "/orders"], production);
    expect([refused.status, refused.stdout, refused.stderr]).toEqual([
      ...[1, "", "gesta: gesta explain works in development only: it tells what policies hide.\n"],
    ]);
    for (const [words, said] of [
      [["--as", "nobody", "GET", "/orders"], "No user 'nobody' is sown"],
      [["--as", "customer1"], "takes a method and a path"],
      [["--as", "customer1", "GET", "/order"], "a path starts with one of: /drinks, /users"],
      [["--as", "customer1", "PATCH", `/orders/${missing}`], "POST /orders/{id}/cancel"],
    ] as const) {
      const failed = gesta(words);
      expect([failed.status, failed.stdout, failed.stderr]).toEqual([2, "", expect.stringContaining(said)]);
    }
  });
});
