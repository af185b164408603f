import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { walletOf } from "../../examples/delivery/wallets.ts";
import { type Application, type SeedStep, seedId } from "../../src/declare/application.ts";
import { emitOpenApi } from "../../src/emit/openapi/openapi-emitter.ts";
import { type RunningApplication, startApplication } from "../../src/gesta.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { readConfiguration } from "../../src/kernel/configuration.ts";
import { silent } from "../../src/kernel/observation.ts";
import { apiKeyInput, signInInput } from "../../src/plan/account-inputs.ts";
import { audienceName, audiencesOf } from "../../src/plan/audience.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { signToken } from "../../src/services/tokens.ts";
import { type PostgresServer, startPostgres } from "../../src/testing/postgres-server.ts";
import { type DescribedOperation, operationsOf } from "../support/described-operations.ts";
import { membersOf } from "../support/field-values.ts";
import { schemaChecker } from "../support/schema-check.ts";

/**
 * The documents are promises: every example is sent as it stands and answered as documented, every status of every
 * operation is driven for every audience, and every reply fits the schema that the document gives for its status.
 */
const { plan } = makePlan(delivery);
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const secret = "the secret of the tests, long enough";
const missing = { uuid: "01900000-0000-7000-8000-00000000dead", serial: "999999999" };
const restaurant = (number: number) => seedId("restaurants", String(number));
const sownOrder = (index: number) => seedId("orders", String(index));
const customer = seedId("users", "customer2");

/** Who speaks for an audience. */
const speakers: Readonly<Record<string, string>> = { customer: "customer1", staff: "staff1" };
const documents = audiencesOf(plan).map((role) => {
  const document = JSON.parse(JSON.stringify(emitOpenApi(plan, role)));
  const name = audienceName(role);
  const speaker = role === null ? null : seedId("users", speakers[role] ?? role);
  return { name, document, operations: operationsOf(document), speaker };
});
type Audience = (typeof documents)[number];

const ajv = schemaChecker();
for (const { name, document } of documents) ajv.addSchema(document, name, undefined, false);

/** A second user of each role, for whatever ends with the first one's deactivation; of staff there is one. */
const spare = (audience: string) => seedId("users", audience === "staff" ? "staff2" : `spare ${audience}`);
const spares: readonly SeedStep[] = documents
  .filter(({ speaker }) => speaker !== null)
  .filter(({ name }) => name !== "staff")
  .map(({ name }) => ({
    entity: "users",
    action: "register",
    id: spare(name),
    input: { name, email: `spare.${name}@example.com`, password: "" },
    decided: { role: name },
  }));

/** The users are sown with the password of the example, so that they can change it by the example. */
const registration = operationsOf(emitOpenApi(plan, null)).find(({ path }) => path === "/users")?.example;
const sown: Application = {
  ...delivery,
  seed: [...delivery.seed, ...spares].map((step) => ({
    ...step,
    input: { ...step.input, ...(step.action === "register" ? { password: passwordIn(registration) } : {}) },
  })),
};

function passwordIn(example: unknown): string {
  if (typeof example === "object" && example !== null && "password" in example) return String(example.password);
  throw new Error("the example of POST /users has a password");
}

let server: PostgresServer;
let running: RunningApplication;
let directory: string;
let count = 0;

beforeAll(async () => {
  server = await startPostgres({ fsync: "off", full_page_writes: "off" });
  directory = mkdtempSync(join(tmpdir(), "gesta-documents-"));
  const environment = {
    ...{ PORT: "0", HOST: "127.0.0.1", GESTA_DATA: directory, DATABASE_URL: server.url() },
    GESTA_TRUSTED_PROXIES: "1",
  };
  const configuration = readConfiguration({ ...environment, GESTA_JWT_SECRET: secret }, () => "");
  running = await startApplication(sown, { configuration, secret, observe: silent });
  for (const { name, speaker } of documents) {
    if (speaker === null) continue;
    const scopes = ["drinks:read", "drinks:create"];
    const [reads, creates] = await Promise.all(
      scopes.map((scope) => call("POST", "/api_keys", { who: speaker, body: { name: scope, scopes: [scope] } })),
    );
    keys.set(name, { reads: String(reads?.body.key), creates: String(creates?.body.key) });
  }
});

/** For each role a key that reads drinks, and one that makes them. */
const keys = new Map<string, { readonly reads: string; readonly creates: string }>();
afterAll(async () => {
  await running.close();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function asOwner(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

interface Request {
  readonly id?: string | undefined;
  readonly query?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly who?: string | null;
}

async function call(method: string, path: string, { query = "", body, headers = {}, who = null }: Request) {
  const reply = await fetch(`${running.url}${path}${query}`, {
    method,
    headers: {
      // Attempts to sign in are counted by address; each test is somebody else.
      "x-forwarded-for": `192.0.2.${++count % 250}, 198.51.${Math.floor(count / 250) % 250}.${count % 250}`,
      ...(who === null ? {} : { authorization: `Bearer ${await signToken(secret, who, 600, systemClock)}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await reply.text();
  return { status: reply.status, headers: reply.headers, body: text === "" ? null : JSON.parse(text) };
}

/** Headers that a reply may have or not: without another page, and where no replicas answer reads. */
const sometimes = ["Link", "Consistency-Token"];

/** Audience, operation and status of every reply that was seen and found as documented. */
const driven = new Set<string>();

/** Sends a request of an operation and holds its reply against the document. */
async function drive(audience: Audience, operation: DescribedOperation, request: Request) {
  const path = operation.path.replace("{id}", request.id ?? "");
  const key = operation.demandsKey ? { "idempotency-key": randomUUID() } : {};
  const headers = { ...key, ...request.headers };
  const reply = await call(operation.method, path, {
    who: audience.speaker,
    query: operation.query,
    ...request,
    headers,
  });
  const label = `${audience.name} ${operation.method} ${operation.path} ${reply.status}`;
  expect(operation.statuses, `${label} ${JSON.stringify(reply.body)}`).toContain(reply.status);
  const pointer = operation.schemaOf(reply.status);
  if (pointer === null) expect(reply.body, label).toBeNull();
  else {
    const fits = ajv.getSchema(`${audience.name}#${pointer}`);
    if (fits === undefined) throw new Error(`no schema at ${pointer}`);
    expect(fits(reply.body), `${label} ${JSON.stringify({ body: reply.body, errors: fits.errors })}`).toBe(true);
  }
  const absent = operation
    .headersOf(reply.status)
    .filter((name) => !sometimes.includes(name) && !reply.headers.has(name));
  expect(absent, `headers of ${label}`).toEqual([]);
  driven.add(label);
  return reply;
}

async function made(method: string, path: string, who: string | null, body?: unknown): Promise<string> {
  const reply = await call(method, path, { who, body });
  expect(reply.status, `${method} ${path} ${JSON.stringify(reply.body)}`).toBeLessThan(300);
  return String(reply.body?.id);
}

const admin = seedId("users", "admin");

/** Deletes a record as the admin, with the confirmation that the delete may ask for. */
async function remove(entity: string, id: string): Promise<void> {
  const path = `/${entity}/${id}`;
  const { body } = await call("GET", `${path}/impact`, { who: admin, query: "?action=delete" });
  const query = body.confirm === null ? "" : `?confirm=${body.confirm}`;
  const { status } = await call("DELETE", path, { who: admin, query });
  expect([path, status]).toEqual([path, 204]);
}
const dish = { restaurant_id: restaurant(1), name: "Ukha", price: 6 };
const period = { starts_at: "2026-01-01T00:00:00Z", ends_at: "2026-02-01T00:00:00Z" };
const basket = { restaurant_id: restaurant(1), items: [{ menu_item_id: seedId("menu_items", "101"), quantity: 1 }] };

/** Opens a session for a user. */
async function signedIn(speaker: string | null): Promise<{ readonly id: string; readonly token: string }> {
  const { body: user } = await call("GET", `/users/${speaker}`, { who: speaker });
  const body = { email: user.email, password: passwordIn(registration) };
  const { body: session } = await call("POST", "/sessions", { body });
  const { body: list } = await call("GET", "/sessions", { headers: bearer(session.token) });
  return { id: list.sessions.find(({ current }: { readonly current: boolean }) => current).id, token: session.token };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** Makes a record that the audience may read, and act on wherever it may act at all. */
const makers: Readonly<Record<string, (speaker: string | null) => Promise<string>>> = {
  drinks: () => made("POST", "/drinks", null, { name: "Water", price: 1 }),
  users: async (speaker) => speaker ?? customer,
  restaurants: () =>
    made("POST", "/restaurants", admin, { name: "Bistro", city: "Perm", staff_ids: [seedId("users", "staff1")] }),
  menu_items: () => made("POST", "/menu_items", admin, dish),
  promotions: () => made("POST", "/promotions", admin, { code: `CODE${++count}`, percent: 5, ...period }),
  sessions: async (speaker) => (await signedIn(speaker)).id,
  api_keys: (speaker) => made("POST", "/api_keys", speaker, { name: "of the tests", scopes: ["drinks:read"] }),
  files: (speaker) => made("POST", "/files", speaker ?? admin, { name: "notes.txt", size: 1 }),
  documents: (speaker) => made("POST", "/documents", speaker ?? admin, { title: "Notes", file_ids: [] }),
  orders: (speaker) => made("POST", "/orders", speaker === seedId("users", "customer1") ? speaker : customer, basket),
  wallets: async (speaker) => walletOf(speaker === seedId("users", "customer1") ? speaker : customer),
  transfers: async () => seedId("transfers", "0"),
};

/** Somebody who can be deleted, and whom nobody needs. */
const somebody = () =>
  made("POST", "/users", null, { ...Object(registration), email: `somebody${++count}@example.com` });

const changesMany = ({ isBulk, method }: DescribedOperation): boolean => isBulk && method === "PATCH";

/** The example of an operation; where its items name records, they name this one. */
function exampleFor(operation: DescribedOperation, id: string | undefined): unknown {
  if (!changesMany(operation)) return operation.example;
  const { items, ...rest } = operation.example as { readonly items: readonly object[] }; // as all bulk examples
  return { ...rest, items: items.map((item) => ({ ...item, id: operation.entity === "drinks" ? Number(id) : id })) };
}

/** Orders that wait for their restaurant's answer: those that `status` can accept. */
const waiting = { staff: [6, 8].map(sownOrder), admin: [5, 7, 9].map(sownOrder) };

async function targetOf(operation: DescribedOperation, speaker: string | null): Promise<string | undefined> {
  const { path, entity } = operation;
  if (!path.includes("{id}") && !changesMany(operation)) return undefined;
  if (path === "/orders/{id}/status") return waiting[speaker === admin ? "admin" : "staff"][0];
  const isEnd = entity === "users" && (operation.method === "DELETE" || path.endsWith("/restore"));
  const id = isEnd ? await somebody() : await makers[entity]?.(speaker);
  if (path.endsWith("/restore") && id !== undefined) await remove(entity, id);
  return id;
}

const idOf = (entity: string) => missing[plan.entities.find(({ name }) => name === entity)?.id ?? "uuid"];
const anyVersion = { "if-match": "*" };

/** How a status is driven, wherever the operation documents it. Nothing here changes a record. */
const stimuli: Readonly<
  Record<number, (audience: Audience, operation: DescribedOperation, id: string | undefined) => Promise<unknown>>
> = {
  304: async (audience, operation, id) => {
    const { headers } = await drive(audience, operation, { id });
    return drive(audience, operation, { id, headers: { "if-none-match": headers.get("etag") ?? "" } });
  },
  400: (audience, operation, id) => drive(audience, operation, { id, query: "?colour=red" }),
  401: (audience, operation, id) => drive(audience, operation, { id, headers: { authorization: "Bearer nonsense" } }),
  403: async (audience, operation, id) => {
    const body = operation.example === undefined ? undefined : { ...operation.example };
    if (operation.path === "/sessions" && operation.method === "POST") {
      return drive(audience, operation, { body, headers: { "sec-fetch-site": "cross-site" } });
    }
    if (operation.path === "/sessions/current") {
      return drive(audience, operation, { who: null, headers: { cookie: "gesta_session=gs_x" } });
    }
    const { reads, creates } = keys.get(audience.name) ?? { reads: "", creates: "" };
    const key = operation.method === "GET" && operation.entity === "drinks" ? creates : reads;
    await drive(audience, operation, { id, body, headers: bearer(key) });
    if (operation.path === "/menu_items" && operation.method === "POST") {
      return drive(audience, operation, { body: { ...body, restaurant_id: restaurant(2) } });
    }
    if (!operation.path.includes("{id}")) return undefined;
    // Of others, or of another restaurant; a version that is none keeps what may be done after all from happening.
    const foreign: Readonly<Record<string, readonly string[]>> = {
      users: [customer],
      restaurants: [restaurant(2)],
      menu_items: [seedId("menu_items", "200")],
      orders: [0, 1, 2].map(sownOrder),
      files: [1, 2].map((number) => seedId("files", String(number))),
      documents: [1, 2].map((number) => seedId("documents", String(number))),
    };
    for (const id of foreign[operation.entity] ?? []) {
      await drive(audience, operation, { id, body, headers: { "if-match": '"999"' } });
    }
    return undefined;
  },
  404: (audience, operation) =>
    drive(audience, operation, { id: idOf(operation.entity), body: operation.example, headers: anyVersion }),
  410: async (audience, operation) => {
    const isUser = operation.entity === "users";
    const id = isUser ? await somebody() : ((await makers[operation.entity]?.(audience.speaker)) ?? "");
    await remove(operation.entity, id);
    return drive(audience, operation, { id, body: operation.example, headers: anyVersion });
  },
  412: (audience, operation, id) =>
    drive(audience, operation, { id, body: operation.example, headers: { "if-match": '"999"' } }),
  413: (audience, operation, id) => drive(audience, operation, { id, body: `"${"x".repeat(1_100_000)}"` }),
  415: (audience, operation, id) =>
    drive(audience, operation, { id, body: "x", headers: { "content-type": "text/plain" } }),
  422: (audience, operation, id) => drive(audience, operation, { id, body: { nobody_knows: 1 }, headers: anyVersion }),
  429: async (audience, operation) => {
    const body = { email: `nobody.${++count}@example.com`, password: "not this one" };
    for (let tries = 0; tries < 10; tries++) await drive(audience, operation, { body });
    expect((await drive(audience, operation, { body })).status).toBe(429);
  },
  428: (audience, operation, id) => drive(audience, operation, { id, body: operation.example }),
  431: (audience, operation, id) => drive(audience, operation, { id, headers: { "x-long": "x".repeat(17_000) } }),
};

/** Who registers by the example, and can then sign in by the other one. */
let kim = "";

/** What must be so before an example can be sent, and what must be undone so that others can send it too. */
const before: Readonly<Record<string, (id: string) => Promise<unknown>>> = {
  "POST /sessions": async () => {
    kim = await made("POST", "/users", null, registration);
  },
  "POST /users/{id}/undo": (id) => made("PATCH", `/users/${id}/name`, id, { name: `Somebody ${++count}` }),
  "POST /restaurants/{id}/undo": (id) => made("POST", `/restaurants/${id}/open`, seedId("users", "staff1"), {}),
  "POST /restaurants/{id}/close": (id) => made("POST", `/restaurants/${id}/open`, seedId("users", "staff1"), {}),
};
const after: Readonly<Record<string, (id: string) => Promise<unknown>>> = {
  "POST /orders/{id}/status": async (id) => {
    for (const ids of Object.values(waiting)) if (ids[0] === id) ids.shift();
  },
  "POST /sessions": () => made("PATCH", `/users/${kim}/email`, kim, { email: `kim${++count}@example.com` }),
  "POST /users": (id) => made("PATCH", `/users/${id}/email`, id, { email: `someone${++count}@example.com` }),
  "POST /users/{id}/restore": (id) => made("PATCH", `/users/${id}/email`, id, { email: `back${++count}@example.com` }),
  "PATCH /users/{id}/email": (id) => made("PATCH", `/users/${id}/email`, id, { email: `other${++count}@example.com` }),
  "POST /promotions": (id) => made("DELETE", `/promotions/${id}`, admin),
  "POST /promotions/{id}/restore": (id) => made("DELETE", `/promotions/${id}`, admin),
  "PATCH /promotions/{id}": (id) => made("DELETE", `/promotions/${id}`, admin),
  "PUT /promotions/{id}": (id) => made("DELETE", `/promotions/${id}`, admin),
};

/** A delete that asks for it is sent with the token of its impact. */
async function confirmation({ entity }: DescribedOperation, id: string, who: string | null) {
  const { body } = await call("GET", `/${entity}/${id}/impact`, { who, query: "?action=delete" });
  return { query: `?confirm=${body.confirm}` };
}

const isFarewell = ({ path }: DescribedOperation): boolean => path.endsWith("/deactivate");
/** Who is deactivated can do nothing after it. */
const farewellLast = (operations: readonly DescribedOperation[]): readonly DescribedOperation[] => [
  ...operations.filter((operation) => !isFarewell(operation)),
  ...operations.filter(isFarewell),
];

const tables = plan.entities.map(({ name }) => `app.${name}`);
const success = (operation: DescribedOperation) => operation.statuses.filter((status) => status < 300);

test("409: when others are always faster, every operation says so", async () => {
  const targets = new Map<DescribedOperation, string | undefined>();
  const writing = documents.map((audience) => ({
    audience,
    operations: audience.operations.filter(({ statuses }) => statuses.includes(409)),
  }));
  for (const { audience, operations } of writing) {
    for (const operation of operations) targets.set(operation, await targetOf(operation, audience.speaker));
  }
  await asOwner(`
    create function public.lose() returns trigger language plpgsql as
      $$ begin raise exception using errcode = 'serialization_failure'; end $$;
    ${tables.map((table) => `create trigger lose before insert or update on ${table} execute function public.lose()`).join(";")}`);
  try {
    for (const { audience, operations } of writing) {
      for (const operation of operations) {
        const id = targets.get(operation);
        const request = { id, body: exampleFor(operation, id), headers: anyVersion };
        expect((await drive(audience, operation, request)).status, `${operation.method} ${operation.path}`).toBe(409);
      }
    }
  } finally {
    await asOwner(tables.map((table) => `drop trigger lose on ${table}`).join(";"));
  }
});

describe.each(documents)("the document for a $name", (audience) => {
  const { operations, speaker } = audience;

  test("is what the server gives to that audience", async () => {
    const reply = await call("GET", "/openapi.json", { who: speaker });
    expect(reply.body).toEqual(audience.document);
  });

  test.each(operations)("$method $path refuses as documented", async (operation) => {
    const id = await targetOf(operation, speaker);
    for (const status of operation.statuses) await stimuli[status]?.(audience, operation, id);
  });

  async function takesExample(operation: DescribedOperation, body: unknown, type: string): Promise<void> {
    const name = `${operation.method} ${operation.path}`;
    const id = isFarewell(operation) && speaker === admin ? customer : await targetOf(operation, speaker);
    const sent = changesMany(operation) ? exampleFor(operation, id) : body;
    await before[name]?.(id ?? "");
    const headers = {
      ...(operation.path === "/sessions/current" ? bearer((await signedIn(speaker)).token) : {}),
      ...(body === undefined ? {} : { "content-type": type }),
      ...(operation.demandsVersion ? anyVersion : {}),
    };
    const confirmed = operation.parameters.includes("confirm") ? await confirmation(operation, id ?? "", speaker) : {};
    const reply = await drive(audience, operation, { id, body: sent, headers, ...confirmed });
    expect([reply.status], `${type} ${JSON.stringify(reply.body)}`).toEqual(success(operation));
    await after[name]?.(String(reply.body?.id ?? id));
  }

  test.each(farewellLast(operations))("$method $path takes its example", async (operation) => {
    await takesExample(operation, operation.example, "application/json");
    const form = operation.formExample;
    if (form !== undefined) await takesExample(operation, form, "application/x-www-form-urlencoded");
  });
});

/** What an operation takes, by its place in the plan. */
const inputOf = ({ method, path, entity }: DescribedOperation) =>
  ({ sessions: signInInput(plan), api_keys: apiKeyInput(["drinks:read"]) })[entity]?.fields ??
  plan.entities
    .find(({ name }) => name === entity)
    ?.actions.find((action) => `/${entity}${action.path}` === path && [action.method, "PUT"].includes(method))?.input ??
  [];

const someIds = fc.constantFrom(
  ...[1, 2, 3].map(String),
  ...[sownOrder(0), sownOrder(1), restaurant(1), customer, admin, seedId("menu_items", "200"), "me", "abc"],
);
const someHeaders = fc.constantFrom<Readonly<Record<string, string>>[]>(
  {},
  { "if-match": "*" },
  { "if-match": '"1"' },
  { "if-none-match": "*" },
  { "content-type": "application/x-www-form-urlencoded" },
);

test.each(documents)(`whatever a $name sends, the status is documented (SEED=${seed})`, async (audience) => {
  const who = audience.speaker === null ? null : spare(audience.name);
  for (const operation of farewellLast(audience.operations)) {
    const bodies = operation.method === "GET" ? fc.constant(undefined) : fc.option(membersOf(inputOf(operation)));
    await fc.assert(
      fc.asyncProperty(someIds, bodies, someHeaders, async (id, body, headers) => {
        await drive(audience, operation, { id, body: body ?? undefined, headers, who });
      }),
      { seed, numRuns: 12 },
    );
  }
});

describe("500 and 503", () => {
  const everywhere = async (status: number) => {
    for (const audience of documents) {
      for (const operation of audience.operations) {
        const id = operation.path.includes("{id}") ? idOf(operation.entity) : undefined;
        const reply = await drive(audience, operation, { id, body: operation.example, headers: anyVersion });
        expect(reply.status, `${audience.name} ${operation.method} ${operation.path}`).toBe(status);
      }
    }
  };

  test("when the database no longer knows Gesta's functions", async () => {
    await asOwner("alter schema gesta rename to elsewhere; alter schema app rename to nowhere");
    await everywhere(500);
    await asOwner("alter schema elsewhere rename to gesta; alter schema nowhere rename to app");
  });

  test("when there is no database", async () => {
    await server.stop();
    await everywhere(503);
  });
});

test("no documented status was left out", () => {
  const promised = documents.flatMap(({ name, operations }) =>
    operations.flatMap(({ method, path, statuses }) => statuses.map((status) => `${name} ${method} ${path} ${status}`)),
  );
  expect(promised.filter((label) => !driven.has(label))).toEqual([]);
  expect(promised.length).toBeGreaterThan(1000);
});
