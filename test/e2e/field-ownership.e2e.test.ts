import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { seedId } from "../../src/declare/application.ts";
import { emitOpenApi } from "../../src/emit/openapi/openapi-emitter.ts";
import { audiencesOf } from "../../src/plan/audience.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import type { EntityPlan, FieldPlan } from "../../src/plan/plan.ts";
import { type DescribedOperation, operationsOf } from "../support/described-operations.ts";
import { type Reply, runDelivery, type TestApplication } from "../support/running-application.ts";

/** What the system decides cannot be sent: every such field, on every way to write, smuggled in every form. */
const { plan } = makePlan(delivery);
/** A release is tested with GESTA_TEST_SMUGGLING=all: with every name that looks like the field's. */
const all = process.env.GESTA_TEST_SMUGGLING === "all";
const stamps = ["id", "version", "created_at", "updated_at", "deleted_at"];
const speakers = [null, "customer1", "staff1", "manager", "logistician", "admin"] as const;
type Speaker = (typeof speakers)[number];

/** Every operation that writes, of every audience's document, once. */
const writes: readonly DescribedOperation[] = [
  ...new Map(
    audiencesOf(plan)
      .flatMap((role) => operationsOf(JSON.parse(JSON.stringify(emitOpenApi(plan, role)))))
      .filter(({ method, entity }) => method !== "GET" && plan.entities.some(({ name }) => name === entity))
      .map((operation) => [`${operation.method} ${operation.path}`, operation]),
  ).values(),
];

const entityOf = ({ entity }: DescribedOperation): EntityPlan => {
  const found = plan.entities.find(({ name }) => name === entity);
  if (found === undefined) throw new Error(`the plan has no ${entity}`);
  return found;
};
const isOwned = ({ setBy, kind }: FieldPlan): boolean =>
  (setBy === "system" || setBy === "actor") && kind !== "password";

/** Values that the field would take, were it the caller's: what is refused is the field, not its value. */
function valueFor(entity: EntityPlan, name: string, status: string | null): unknown {
  const field = entity.fields.find((each) => each.name === name);
  if (name === "version") return 99;
  if (name === "status") return entity.lifecycle?.states.findLast((state) => state !== status) ?? "active";
  if (name === "id") return entity.id === "serial" ? 4711 : "01900000-dead-7000-8000-00000000beef";
  if (name.endsWith("_at")) return "2020-01-01T00:00:00.000Z";
  switch (field?.kind) {
    case "money":
    case "decimal":
    case "integer":
      return 1;
    case "enum":
      return field.values.at(-1);
    case "reference":
      return seedId(field.target ?? "", "customer2");
    default:
      return "smuggled";
  }
}

/** The fields that an operation on this entity must not take. */
const ownedBy = (operation: DescribedOperation): readonly string[] => {
  const entity = entityOf(operation);
  const names = [...stamps, ...(entity.lifecycle === null ? [] : ["status"])];
  const owned = entity.fields.filter(isOwned).map(({ name }) => name);
  return [...names, ...owned].filter((name) => !operation.takes.includes(name));
};

interface Smuggling {
  readonly form: string;
  readonly body: string;
  readonly type?: string;
  readonly query?: string;
  readonly status: 400 | 422;
  /** The pointer, or the parameter, and the code of the failure that the reply must name. */
  readonly names?: readonly [where: string, code: "server_owned" | "unknown_field" | "unknown_parameter"];
}

type Members = Readonly<Record<string, unknown>>;
// A document's example is an object, or there is none; that of many items has a list of objects.
const exampleOf = ({ example, isBulk }: DescribedOperation): Members =>
  (isBulk ? (example as { readonly items: readonly Members[] }).items[0] : (example ?? {})) as Members;
const camel = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
const pointer = (name: string) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
const with_ = (members: Members, name: string, json: string): string =>
  `{${[...Object.entries(members).map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`), `${JSON.stringify(name)}:${json}`].join(",")}}`;

/** Names that another reader may take for the field's. */
const alike = (name: string): readonly string[] => [
  ...new Set([name.toUpperCase(), `${name[0]?.toUpperCase()}${name.slice(1)}`, camel(name), camel(`_${name}`)]),
  ...[`data[${name}]`, `[${name}]`, `${name}[]`, `${name}[eq]`, `data.${name}`, `.${name}`, `${name}.`, `$.${name}`],
  ...[` ${name}`, `${name} `, `${name}\u0000`, `${name}\u200b`, `\ufeff${name}`, `${name}\t`],
  ...[
    name.replaceAll("e", "\u0435").replaceAll("a", "\u0430").replaceAll("i", "\u0456"),
    `${name.slice(0, -1)}${fullWidth(name.at(-1))}`,
  ],
];
const fullWidth = (letter = "x") => String.fromCodePoint((letter.codePointAt(0) ?? 0) + 0xfee0);

function smugglings(operation: DescribedOperation, name: string, now: string | null): readonly Smuggling[] {
  const entity = entityOf(operation);
  const value = valueFor(entity, name, now);
  const example = exampleOf(operation);
  const json = JSON.stringify(value);
  const escaped = `"\\u${name.charCodeAt(0).toString(16).padStart(4, "0")}${name.slice(1)}"`;
  const others = alike(name).filter((each, index) => each !== name && (all || index % 4 === name.length % 4));
  const forms = operation.formExample ?? "";
  const form = (text: string) => ({
    body: forms === "" ? text : `${forms}&${text}`,
    type: "application/x-www-form-urlencoded",
  });
  const encoded = encodeURIComponent(String(value));
  const owned = { status: 422, names: [pointer(name), "server_owned"] } as const;
  const unknown = (key: string) => ({ status: 422, names: [pointer(key), "unknown_field"] }) as const;
  const nested = ["data", entity.singular, "set", "$set", "__proto__", "constructor", "prototype", "toString"];
  return [
    { form: "a member", body: with_(example, name, json), ...owned },
    { form: "a member, first", body: with_({ [name]: value }, "nothing", "1"), ...owned },
    { form: "a member of null", body: with_(example, name, "null"), ...owned },
    {
      form: "a member with an escaped name",
      body: with_(example, "x", "1").replace('"x"', escaped).replace(":1}", `:${json}}`),
      ...owned,
    },
    { form: "a member twice", body: with_({ ...example, [name]: null }, name, json), status: 400 },
    { form: "a member twice, once escaped", body: `{"${name}":${json},${escaped}:${json}}`, status: 400 },
    ...others.map(
      (key): Smuggling => ({
        form: `the name ${JSON.stringify(key)}`,
        body: with_(example, key, json),
        ...unknown(key),
      }),
    ),
    ...nested.map(
      (key): Smuggling => ({
        form: `in an object ${key}`,
        body: with_(example, key, `{"${name}":${json}}`),
        ...unknown(key),
      }),
    ),
    {
      form: "in a prototype",
      body: with_(example, "constructor", `{"prototype":{"${name}":${json}}}`),
      ...unknown("constructor"),
    },
    { form: "in a list around the body", body: `[${with_(example, name, json)}]`, status: 422 },
    { form: "a form's pair", ...form(`${name}=${encoded}`), ...owned },
    { form: "an empty pair", ...form(`${name}=`), ...owned },
    {
      form: "a pair with an escaped name",
      ...form(`%${name.charCodeAt(0).toString(16)}${name.slice(1)}=${encoded}`),
      ...owned,
    },
    { form: "a pair twice", ...form(`${name}=${encoded}&${name}=${encoded}`), status: 400 },
    ...others.map(
      (key): Smuggling => ({
        form: `a pair ${JSON.stringify(key)}`,
        ...form(`${encodeURIComponent(key)}=${encoded}`),
        ...unknown(key),
      }),
    ),
    { form: "a pair in a prototype", ...form(`__proto__[${name}]=${encoded}`), ...unknown(`__proto__[${name}]`) },
    {
      form: "JSON as a form",
      body: with_(example, name, json),
      type: "application/x-www-form-urlencoded",
      status: 422,
    },
    {
      form: "a parameter",
      body: JSON.stringify(example),
      query: `?${name}=${encoded}`,
      status: 400,
      names: [name, "unknown_parameter"],
    },
    {
      form: "a parameter of another method",
      body: JSON.stringify(example),
      query: "?_method=DELETE",
      status: 400,
      names: ["_method", "unknown_parameter"],
    },
    { form: "a member of another method", body: with_(example, "_method", '"DELETE"'), ...unknown("_method") },
  ];
}

/** The fields of nested objects that the system decides, with where they would stand in the example. */
function nestedSmugglings(operation: DescribedOperation): readonly Smuggling[] {
  const example = exampleOf(operation);
  return entityOf(operation).fields.flatMap((field): Smuggling[] => {
    const { element, name } = field;
    const list: unknown = example[name];
    if (element?.kind !== "object" || !Array.isArray(list)) return [];
    // The example of a list of objects holds objects.
    const first = list[0] as Members;
    const owned = element.fields.filter(isOwned).map((each) => each.name);
    const smuggled = [
      ...owned.map((each) => [each, "server_owned"] as const),
      ...[...owned.flatMap(alike), "id", "status", "__proto__"].map((each) => [each, "unknown_field"] as const),
    ];
    return smuggled.flatMap(([key, code]) => {
      const entry = with_(first, key, "0");
      const names = [`/${name}/${list.length}${pointer(key)}`, code] as const;
      const body = JSON.stringify({ ...example, [name]: [...list, "HERE"] }).replace('"HERE"', entry);
      return [
        { form: `${JSON.stringify(key)} in an entry of ${name}`, body, status: 422, names },
        ...(code === "server_owned"
          ? [
              {
                form: `${key} twice in an entry of ${name}`,
                body: body.replace(entry, with_({ ...first, [key]: 1 }, key, "0")),
                status: 400,
              } as const,
            ]
          : []),
      ];
    });
  });
}

/** Every failure that a reply names, wherever it stands. */
function failuresIn(value: unknown): readonly Members[] {
  if (Array.isArray(value)) return value.flatMap(failuresIn);
  if (typeof value !== "object" || value === null) return [];
  const own = "code" in value && ("pointer" in value || "parameter" in value) ? [{ ...value }] : [];
  return [...own, ...Object.values(value).flatMap(failuresIn)];
}

describe("fields of the system", () => {
  let app: TestApplication;
  let sql: pg.Client;
  /** Who is let in to each operation, and on which record. */
  const admitted = new Map<DescribedOperation, readonly [Speaker, string]>();
  const statusOf = new Map<string, string>();
  let sent = 0;

  const stored = async (): Promise<string> => {
    const tables = plan.entities.map(
      ({ name }) => `select '${name}', md5(string_agg(r::text, ',' order by id)) from app.${name} r`,
    );
    const { rows } = await sql.query(
      `${tables.join(" union all ")} union all select 'events', count(*)::text from gesta.events`,
    );
    return JSON.stringify(rows);
  };
  /** A body as the only item of a call for many, with the record that it is about. */
  const asItem = (operation: DescribedOperation, body: string, id: string): string => {
    const { id: kind } = entityOf(operation);
    const about = kind === "serial" ? id : JSON.stringify(id);
    const changes = operation.method === "PATCH" && /^\{(?!.*"id":)/.test(body);
    return `{"items":[${changes ? body.replace("{", `{"id":${about},`) : body}]}`;
  };
  const send = (
    operation: DescribedOperation,
    { body: plain, type = "application/json", query = "" }: Pick<Smuggling, "body" | "type" | "query">,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Reply> => {
    const [who, id] = admitted.get(operation) ?? [null, ""];
    sent++;
    const body = operation.isBulk && type === "application/json" ? asItem(operation, plain, id) : plain;
    return app.call(operation.method, `${operation.path.replace("{id}", id)}${query}`, who, body, {
      "content-type": type,
      ...(operation.demandsKey ? { "idempotency-key": randomUUID() } : {}),
      ...headers,
    });
  };

  beforeAll(async () => {
    app = await runDelivery("postgres");
    await app.call("POST", "/drinks", null, { name: "Jack", price: 10 });
    sql = new pg.Client({ connectionString: app.databaseUrl ?? "" });
    await sql.connect();
    for (const operation of writes) {
      const { rows } = await sql.query<{ id: string }>(
        `select id::text from app.${operation.entity} order by id limit 12`,
      );
      if (entityOf(operation).lifecycle !== null) {
        const states = await sql.query<Record<"id" | "status", string>>(
          `select id, status from app.${operation.entity}`,
        );
        for (const { id, status } of states.rows) statusOf.set(id, status);
      }
      search: for (const who of speakers) {
        const changes = operation.path.includes("{id}") || (operation.isBulk && operation.method === "PATCH");
        for (const id of changes ? rows.map(({ id }) => id) : [""]) {
          admitted.set(operation, [who, id]);
          // Whoever is let in is told what is wrong with the body.
          const reply = await send(operation, { body: '{"nothing":1}' });
          if (reply.status === 422 && failuresIn(reply.body).length > 0) break search;
          admitted.delete(operation);
        }
      }
    }
  });
  afterAll(async () => {
    await sql?.end();
    await app?.stop();
  });

  test("somebody is let in to every operation that writes", () => {
    const nobody = writes
      .filter((operation) => !admitted.has(operation))
      .map(({ method, path }) => `${method} ${path}`);
    expect(nobody).toEqual([]);
    expect(writes.length).toBeGreaterThan(20);
    for (const method of ["POST", "PATCH", "PUT", "DELETE"])
      expect(writes.map((each) => each.method)).toContain(method);
  });

  test.each(writes.map((operation) => [`${operation.method} ${operation.path}`, operation] as const))(
    "%s takes none of them, in no form",
    async (where, operation) => {
      const before = await stored();
      const faults: string[] = [];
      const now = statusOf.get(admitted.get(operation)?.[1] ?? "") ?? null;
      const tries = [
        ...ownedBy(operation).flatMap((name) => smugglings(operation, name, now)),
        ...nestedSmugglings(operation),
      ];
      for (let at = 0; at < tries.length; at += 16) {
        await Promise.all(
          tries.slice(at, at + 16).map(async (smuggling) => {
            const { status, body, text } = await send(operation, smuggling);
            const failures = failuresIn(body);
            const [place, wanted] = smuggling.names ?? [];
            const named =
              place === undefined ||
              failures.some(({ pointer, parameter, code }) => (pointer ?? parameter) === place && code === wanted);
            // Items are JSON alone.
            const form = operation.isBulk && smuggling.type !== undefined;
            if (form ? status !== 415 : status !== smuggling.status || !named)
              faults.push(`${where}, ${smuggling.form}: ${smuggling.body.slice(0, 300)} ${status} ${text}`);
          }),
        );
      }
      expect(faults).toEqual([]);
      expect(await stored()).toBe(before);
    },
  );

  test("a header makes no other method of it", async () => {
    const before = await stored();
    for (const operation of writes) {
      const body = '{"status":"delivered","nothing":1}';
      const plain = await send(operation, { body });
      for (const name of ["x-http-method-override", "x-http-method", "x-method-override", "_method"]) {
        for (const method of ["DELETE", "PUT", "PATCH", "POST", "GET"]) {
          const reply = await send(operation, { body }, { [name]: method });
          expect([operation.path, reply.status, reply.body.errors]).toEqual([
            operation.path,
            plain.status,
            plain.body.errors,
          ]);
        }
      }
    }
    expect(await stored()).toBe(before);
  });

  test("PUT and PATCH of a record take back what was read, and nothing else", async () => {
    const updates = writes.filter(({ method, path }) => ["PUT", "PATCH"].includes(method) && path.endsWith("/{id}"));
    expect(updates.length).toBeGreaterThan(5);
    for (const operation of updates) {
      const [who, id] = admitted.get(operation) ?? [null, ""];
      const path = operation.path.replace("{id}", id);
      const read = await app.call("GET", path, who);
      const match = { "if-match": read.headers.get("etag") ?? "" };
      const before = await stored();
      const whole = await send(operation, { body: read.text }, match);
      expect([path, whole.status, whole.text]).toEqual([path, 200, read.text]);
      for (const name of ownedBy(operation).filter((each) => each in read.body)) {
        const other = { ...read.body, [name]: valueFor(entityOf(operation), name, statusOf.get(id) ?? null) };
        const refused = await send(operation, { body: JSON.stringify(other) }, match);
        expect([name, refused.status, refused.body.errors]).toMatchObject([
          name,
          422,
          [{ pointer: `/${name}`, code: "server_owned" }],
        ]);
        if (operation.method === "PUT") continue;
        const same = await send(operation, { body: JSON.stringify({ [name]: read.body[name] }) }, match);
        expect([name, same.status, same.text]).toEqual([name, 200, read.text]);
      }
      expect(await stored()).toBe(before);
    }
    process.stdout.write(`${sent} requests to ${writes.length} operations\n`);
  });

  test("a narrow intent does not even take back what was read", async () => {
    const narrow = writes.filter(({ path }) => /\{id\}\/./.test(path));
    for (const operation of narrow) {
      const [who, id] = admitted.get(operation) ?? [null, ""];
      const read = await app.call("GET", `/${operation.entity}/${id}`, who);
      for (const name of ownedBy(operation).filter((each) => each in read.body)) {
        const reply = await send(operation, {
          body: JSON.stringify({ ...exampleOf(operation), [name]: read.body[name] }),
        });
        expect([operation.path, reply.status, reply.body.errors]).toMatchObject([
          operation.path,
          422,
          [{ pointer: `/${name}`, code: "server_owned" }],
        ]);
      }
    }
    expect(narrow.length).toBeGreaterThan(8);
  });

  test("a field of the client's own is unknown where another intent takes it", async () => {
    const path = `/users/${seedId("users", "customer1")}/name`;
    const reply = await app.call("PATCH", path, "customer1", { name: "Kim", email: "kim@example.com", role: "admin" });
    expect([reply.status, reply.body.errors]).toMatchObject([
      422,
      [
        { pointer: "/email", code: "unknown_field" },
        { pointer: "/role", code: "server_owned" },
      ],
    ]);
  });
});
