import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import delivery from "../../../examples/delivery/application.ts";
import drinks from "../../../examples/drinks/application.ts";
import { lintRules } from "../../../src/declare/lint.ts";
import { lint } from "../../../src/emit/lint/lint.ts";
import { spokenTo } from "../../../src/emit/lint/spoken-words.ts";
import { emitOpenApi } from "../../../src/emit/openapi/openapi-emitter.ts";
import {
  actorHas,
  actorIn,
  actorIs,
  anyOf,
  anyone,
  application,
  crud,
  type EntityDeclaration,
  email,
  entity,
  integer,
  list,
  object,
  oneOf,
  reference,
  signedIn,
  text,
  workflow,
} from "../../../src/index.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { tableRows } from "../../support/markdown-table.ts";

const users = entity(
  "users",
  {
    fields: { role: oneOf({ values: ["guest", "cook"], setBy: "system", default: "guest" }) },
    lifecycle: workflow({ initial: "active", states: { active: { on: { leave: "left" } }, left: { final: true } } }),
    read: actorIs("id"),
  },
  ({ creates, moves }) => ({
    register: creates("UserRegistered", { by: anyone }),
    leave: moves("UserLeft", { by: actorIs("id") }),
  }),
);

const reportOf = (...entities: readonly EntityDeclaration[]) =>
  lint(
    makePlan(
      application("shop", {
        entities: [users, ...entities],
        actors: { entity: "users", role: "role", active: ["active"] },
      }),
    ).plan,
  );

/** `rule path` of each finding. */
const found = (...entities: readonly EntityDeclaration[]): readonly string[] =>
  reportOf(...entities).findings.map(({ rule, path }) => `${rule} ${path}`);

const name = text({ max: 100 });
const owned = { owner_id: reference("users", { setBy: "actor" }), name };
const cook = actorHas("cook");
const kitchen = workflow({
  initial: "new",
  states: { new: { on: { state: "cooking" } }, cooking: { on: { state: "done" } }, done: { final: true } },
});

/** For each rule, a declaration that breaks it and nothing else, and one beside it that does not. */
const breaches: Readonly<
  Record<
    (typeof lintRules)[number],
    { readonly bad: EntityDeclaration; readonly paths: string[]; readonly good: EntityDeclaration }
  >
> = {
  state_list: {
    bad: entity("orders", { fields: { name }, lifecycle: kitchen, read: signedIn }, ({ movesTo }) => ({
      state: movesTo({ cooking: "OrderCooked", done: "OrderDone" }, { by: signedIn }),
    })),
    paths: ["orders.actions.state.input.status"],
    good: entity("orders", { fields: { name }, lifecycle: kitchen, read: signedIn }, ({ movesTo }) => ({
      state: movesTo({ cooking: "OrderCooked", done: "OrderDone" }, { by: cook }),
    })),
  },
  server_owned_input: {
    bad: entity(
      "orders",
      { fields: { name, total: integer({ setBy: "system", default: 0 }) }, read: signedIn },
      ({ creates }) => ({
        place: creates("OrderPlaced", { by: signedIn, input: { name: true, total: true } }),
      }),
    ),
    paths: ["orders.actions.place.input.total"],
    good: entity(
      "orders",
      { fields: { name, total: integer({ setBy: "system", default: 0 }) }, read: signedIn },
      ({ creates }) => ({
        place: creates("OrderPlaced", { by: signedIn }),
      }),
    ),
  },
  sequential_id: {
    bad: entity("orders", { id: "serial", fields: { name }, read: anyone }, crud({ by: cook })),
    paths: ["orders.id"],
    good: entity("orders", { id: "serial", fields: { name }, read: cook }, crud({ by: cook })),
  },
  internal_name: {
    bad: entity("orders", { fields: { name, legacy_code: integer() }, read: anyone }, crud({ by: cook })),
    paths: ["orders.fields.legacy_code"],
    good: entity(
      "orders",
      { fields: { name, legacy_code: integer({ readBy: cook }) }, read: anyone },
      crud({ by: cook }),
    ),
  },
  foreign_word: {
    bad: entity(
      "orders",
      {
        fields: {
          name,
          cook_ids: list(reference("users"), { max: 9 }),
          next: oneOf({ values: ["none", "burn_down"] }),
        },
        read: anyone,
      },
      ({ creates, changes }) => ({
        place: creates("OrderPlaced", { by: cook }),
        burn_down: changes("OrderBurnt", { by: cook, fields: ["name"] }),
      }),
    ),
    paths: ["orders.fields.cook_ids", "orders.fields.next"],
    good: entity(
      "orders",
      { fields: { name, cook_ids: list(reference("users"), { max: 9, readBy: cook }) }, read: anyone },
      crud({ by: cook }),
    ),
  },
  unnamed_audience: {
    bad: entity(
      "orders",
      { fields: { ...owned, helper_ids: list(reference("users"), { max: 9 }) }, read: signedIn },
      ({ creates, changes, deletes }) => ({
        place: creates("OrderPlaced", { by: actorHas("guest") }),
        name: changes("OrderNamed", { by: actorIn("helper_ids"), fields: ["name"] }),
        rename: changes("OrderNamed", { by: actorIn("helper_ids", { audience: "helper" }), fields: ["name"] }),
        delete: deletes("OrderDeleted", { by: anyOf(cook, actorIs("owner_id")) }),
      }),
    ),
    paths: ["orders.actions.name.by", "orders.actions.rename.by", "orders.actions.delete.by"],
    good: entity(
      "orders",
      { fields: { ...owned, helper_ids: list(reference("users"), { max: 9 }) }, read: signedIn },
      ({ creates, changes, deletes }) => ({
        place: creates("OrderPlaced", { by: actorHas("guest") }),
        name: changes("OrderNamed", { by: actorIn("helper_ids", { audience: "cook" }), fields: ["name"] }),
        delete: deletes("OrderDeleted", { by: anyOf(cook, actorIs("owner_id", { audience: "guest" })) }),
      }),
    ),
  },
  unbounded_input: {
    bad: entity(
      "orders",
      {
        fields: {
          title: text(),
          lines: list(object({ note: text(), price: integer({ setBy: "system" }) })),
          seen: text({ setBy: "system", optional: true }),
        },
        read: signedIn,
      },
      ({ creates, changes }) => ({
        place: creates("OrderPlaced", { by: signedIn, decide: () => ({ lines: [] }) }),
        title: changes("OrderTitled", { by: signedIn, fields: ["title"] }),
      }),
    ),
    paths: ["orders.fields.title", "orders.fields.lines", "orders.fields.lines.element.note"],
    good: entity(
      "orders",
      { fields: { title: text({ max: 9 }), lines: list(text({ max: 9 }), { max: 9 }) }, read: signedIn },
      crud({ by: signedIn }),
    ),
  },
  personal_open: {
    bad: entity(
      "orders",
      { fields: { phone: text({ max: 20, personal: true }), contact: email() }, read: signedIn },
      crud({ by: cook }),
    ),
    paths: ["orders.fields.phone", "orders.fields.contact"],
    good: entity(
      "orders",
      { fields: { phone: text({ max: 20, personal: true, readBy: cook }) }, read: anyone },
      crud({ by: cook }),
    ),
  },
  plain_secret: {
    bad: entity("orders", { fields: { door_pin: text({ max: 9 }) }, read: cook }, ({ creates }) => ({
      place: creates("OrderPlaced", { by: cook, input: { door_pin: true, api_token: text({ max: 9 }) } }),
    })),
    paths: ["orders.fields.door_pin", "orders.actions.place.input.api_token"],
    good: entity("orders", { fields: { pinned: text({ max: 9 }) }, read: cook }, crud({ by: cook })),
  },
  hidden_filter: {
    bad: entity(
      "orders",
      { fields: { name, margin: integer({ readBy: cook, filter: true, sort: true }) }, read: signedIn },
      crud({ by: cook }),
    ),
    paths: ["orders.fields.margin"],
    good: entity(
      "orders",
      { fields: { name, margin: integer({ readBy: cook, sort: true }) }, read: cook },
      crud({ by: cook }),
    ),
  },
  existence_oracle: {
    bad: entity(
      "orders",
      { fields: { ...owned, code: text({ max: 9, unique: true }) }, read: actorIs("owner_id") },
      crud({ by: signedIn }),
    ),
    paths: ["orders.fields.code"],
    good: entity(
      "orders",
      { fields: { ...owned, code: text({ max: 9, unique: true }) }, read: signedIn },
      crud({ by: cook }),
    ),
  },
  open_write: {
    bad: entity("orders", { fields: { name }, read: anyone }, crud({ by: anyone })),
    paths: ["orders.actions.update.by", "orders.actions.delete.by"],
    good: entity("orders", { fields: { name }, read: anyone }, ({ creates }) => ({
      place: creates("OrderPlaced", { by: anyone }),
    })),
  },
};

describe.each(Object.entries(breaches))("the rule %s", (rule, { bad, paths, good }) => {
  test("finds what breaks it, and says why and what to do", () => {
    const { findings } = reportOf(bad);
    expect(findings.map((finding) => `${finding.rule} ${finding.path}`)).toEqual(
      paths.map((path) => `${rule} ${path}`),
    );
    for (const { reason, remedy } of findings) expect([reason.length > 20, remedy.length > 5]).toEqual([true, true]);
  });

  test("leaves alone what keeps it", () => expect(found(good)).toEqual([]));

  test("can be accepted with a reason, as a whole or in one place", () => {
    const accepting = (accepted: EntityDeclaration["accepted"]) => reportOf({ ...bad, accepted });
    const because = "it is meant to be so";
    const whole = accepting({ [rule]: because });
    expect([whole.findings, whole.accepted.map((finding) => finding.because)]).toEqual([[], paths.map(() => because)]);
    const [first = "", ...others] = paths;
    const one = accepting({ [`${rule} ${first.replace("orders.", "")}`]: because });
    expect(one.findings.map(({ path }) => path)).toEqual(others);
  });
});

describe("an acceptance", () => {
  const orders = (accept: EntityDeclaration["accepted"]) =>
    entity("orders", { id: "serial", fields: { name }, read: anyone, lint: { accept } }, crud({ by: cook }));

  test("without a reason is a finding", () => {
    expect(found(orders({ sequential_id: "ok" }))).toEqual(['acceptance orders.lint.accept["sequential_id"]']);
  });

  test("of what is not there is a finding", () => {
    const accept = { sequential_id: "orders are no secret", open_write: "nothing is written by strangers" };
    expect(found(orders(accept))).toEqual(['acceptance orders.lint.accept["open_write"]']);
  });

  test("of a rule that does not exist does not compile", () => {
    // @ts-expect-error no such rule
    orders({ sequential: "orders are no secret" });
  });
});

test("docs/lint.md explains every rule", () => {
  const rows = tableRows(readFileSync("docs/lint.md", "utf8"), ["rule", "what it finds", "what to do"]);
  expect(rows.map(([rule = ""]) => rule.replaceAll("`", ""))).toEqual([...lintRules]);
});

test.each([delivery, drinks])("$name is clean, and every acceptance has its reason", (declared) => {
  const { findings, accepted } = lint(makePlan(declared).plan);
  expect(findings).toEqual([]);
  expect(accepted.length).toBeGreaterThan(0);
});

/** Sessions and API keys are spelt alike in every application; scopes are names that stand elsewhere as well. */
const isOurs = (path: string): boolean => /^\/(sessions|api_keys)(\/|$)/.test(path);

/** The names and values that a schema of the document spells out. */
function wordsOf(node: unknown): readonly string[] {
  if (Array.isArray(node)) return node.flatMap(wordsOf);
  if (typeof node !== "object" || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) => {
    if (["example", "examples", "Problem", "Session", "ApiKey"].includes(key) || isOurs(key)) return [];
    // Filters and orders are named by fields, which stand among the properties; the rest is Gesta's own.
    if (key === "parameters") return [];
    if (key === "properties") return [...Object.keys(value), ...wordsOf(value)];
    if (key === "enum") return value;
    if (key === "operationId") return String(value).split("_");
    return wordsOf(value);
  });
}

/** What every history says, whatever was declared. */
const historyWords =
  "history of asc desc events type actor action changes correlation causation request visitor system operator from to".split(
    " ",
  );

/** What every aggregate says: it names fields, and tells no value of theirs in the document. */
const aggregateWords = "aggregate groups group count sum avg min max".split(" ");

test.each([null, "customer", "staff", "admin"])(
  "the words that are looked at are those of the document for %s",
  (audience) => {
    const { plan } = makePlan(delivery);
    const document = emitOpenApi(plan, audience);
    const paths = "paths" in document && typeof document.paths === "object" ? Object.keys(document.paths ?? {}) : [];
    const segments = paths
      .filter((path) => !isOurs(path))
      .flatMap((path) => path.split("/"))
      .filter((part) => part !== "" && part !== "{id}");
    const spoken = new Set(plan.entities.flatMap((each) => spokenTo(each, audience)).map(({ word }) => word));
    const ours = [
      ...aggregateWords,
      "id",
      "status",
      "version",
      "created_at",
      "updated_at",
      "deleted_at",
      "purge_at",
      "page",
      "limit",
      "skip",
      "next",
      "total",
      "list",
      "read",
      "replace",
      "own",
      "me",
      ...(audience === null ? [] : historyWords),
      ...["actions", "of", "allowed", "reason", "input"],
      ...["impact", "blocked_by", "cascades", "detaches", "reactions", "notifies", "confirm"],
      ...["bulk", "many", "mode", "items", "results", "index", "problem", "atomic", "partial"],
      ...["entity", "field", "count", "ids", "more", "who", "after_seconds"],
    ];
    const parts = (words: readonly string[]) => words.flatMap((word) => word.split("_"));
    const written = new Set(parts([...wordsOf(document), ...segments.map((part) => part.replaceAll("-", "_"))]));
    const known = new Set(parts([...spoken, ...ours]));
    expect([...written].filter((word) => !known.has(word))).toEqual([]);
    expect(parts([...spoken]).filter((word) => !written.has(word))).toEqual([]);
  },
);
