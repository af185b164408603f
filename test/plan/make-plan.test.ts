import { expect, test } from "vitest";
import {
  actorHas,
  actorIn,
  actorIs,
  anyOf,
  anyone,
  application,
  crud,
  email,
  entity,
  oneOf,
  password,
  reference,
  signedIn,
  text,
  workflow,
} from "../../src/index.ts";
import { DeclarationError } from "../../src/plan/finding.ts";
import { makePlan } from "../../src/plan/make-plan.ts";

function refusals(entities: Parameters<typeof application>[1]["entities"]): readonly string[] {
  try {
    makePlan(application("shop", { entities, actors: { entity: "users", role: "role", active: ["active"] } }));
    return [];
  } catch (error) {
    if (!(error instanceof DeclarationError)) throw error;
    return error.findings.map(({ path, fault, remedy }) => `${path}: ${fault}; ${remedy}`);
  }
}

const role = oneOf({ values: ["cook", "admin"], setBy: "system", default: "cook" });
const users = entity(
  "users",
  {
    fields: { role },
    lifecycle: workflow({ initial: "active", states: { active: { on: { leave: "left" } }, left: { final: true } } }),
    read: actorIs("id"),
  },
  ({ moves }) => ({ leave: moves("UserLeft", { by: actorIs("id") }) }),
);

test("a sound declaration has no refusals", () => {
  expect(refusals([users])).toEqual([]);
});

test("every mistake is refused at once, each with its path and a remedy", () => {
  const orders = entity(
    "orders",
    {
      fields: {
        Bad: text(),
        version: text(),
        cook_id: reference("user"),
        note: text({ min: 9, max: 3, pattern: "(" }),
        size: oneOf({ values: ["s", "m"], default: "xl" }),
        code: text({ max: 3, example: "SPRING" }),
      },
      lifecycle: workflow({
        initial: "nwe",
        states: {
          new: { on: { cook: ["cookin", "done"] } },
          cooking: { on: { finish: "done" } },
          done: { final: true, on: { cook: "new" } },
          lost: {},
        },
      }),
      read: actorHas("admn"),
    },
    ({ moves, changes }) => ({
      cook: moves("OrderCooked", { by: actorIn("cook_id.friends") }),
      renote: changes("OrderNoted", { by: anyone, fields: ["note"] }),
    }),
  );
  expect(refusals([users, orders])).toEqual([
    "orders.fields.Bad: 'Bad' is not snake_case; write small letters, digits and _",
    "orders.fields.version: 'version' is a name that Gesta uses itself; choose another name",
    "orders.fields.cook_id: no entity 'user'; did you mean 'users'?",
    "orders.read: no role 'admn'; did you mean 'admin'?",
    "orders.actions.cook.by: 'cook_id' is no reference; start the path with a reference field",
    "orders.lifecycle.initial: no state 'nwe'; did you mean 'new'?",
    "orders.lifecycle.states.new.on.cook[0]: no state 'cookin'; did you mean 'cooking'?",
    "orders.lifecycle.states.cooking.on.finish: no action 'finish' that moves orders; declare it with `moves`, or use one of: cook",
    "orders.lifecycle.states.done: a final state has a way out; remove `final` or `on`",
    'orders.lifecycle.states.lost: no way leads out; add transitions or `"final": true`',
    "orders.lifecycle.states.cooking: no transition leads here; add one or remove the state",
    "orders.lifecycle.states.lost: no transition leads here; add one or remove the state",
    "orders.actions.cook: the workflow leaves a choice of targets; decide with `to`",
    "orders.fields.note: min 9 is greater than max 3; exchange them",
    "orders.fields.note: /(/ is no regular expression; correct it",
    'orders.fields.size: the default "xl" is not valid; give a valid enum',
    'orders.fields.code: the example "SPRING" is not valid; give a valid text',
  ]);
});

test("a policy that leads back to its own entity, or to an id that is no actor's, is refused", () => {
  const teams = entity(
    "teams",
    { fields: { lead_id: reference("users"), parent_id: reference("teams", { optional: true }) }, read: anyone },
    crud({ by: actorIs("parent_id.lead_id") }),
  );
  const notes = entity(
    "notes",
    { fields: { author_id: reference("users"), file_id: reference("files") }, read: actorIs("file_id.owner_id") },
    crud({ by: actorIs("id") }),
  );
  const files = entity(
    "files",
    { fields: { owner_id: reference("users"), note_id: reference("notes") }, read: anyone },
    ({ deletes }) => ({ delete: deletes("FileDeleted", { by: anyOf(signedIn, actorIs("note_id.author_id")) }) }),
  );
  const back = "keep the actor in a field of the record itself";
  expect(refusals([users, teams, notes, files])).toEqual([
    ...["create", "update", "delete"].map(
      (name) => `notes.actions.${name}.by: 'id' cannot hold an actor; point to a reference to 'users'`,
    ),
    ...["create", "update", "delete"].map(
      (name) => `teams.actions.${name}.by: 'parent_id.lead_id' leads back to teams; ${back}`,
    ),
    `files.actions.delete.by: 'note_id.author_id' leads back to files through the read policy of notes; ${back}`,
  ]);
});

test("crud names its events after the entity", () => {
  const notes = entity("menu_notes", { fields: { text: text() }, read: anyone }, crud({ by: anyone }));
  const { plan } = makePlan(application("shop", { entities: [notes] }));
  expect(plan.entities[0]?.actions.map(({ event }) => event)).toEqual([
    "MenuNoteCreated",
    "MenuNoteUpdated",
    "MenuNoteDeleted",
    "MenuNoteRestored",
  ]);
});

test("who signs in is found by a unique e-mail address and known by a password", () => {
  const people = (fields: Parameters<typeof entity>[1]["fields"]) =>
    entity(
      "users",
      {
        fields: { role, ...fields },
        lifecycle: workflow({ initial: "active", states: { active: { final: true } } }),
        read: actorIs("id"),
      },
      () => ({}),
    );
  const withLogin = (fields: Parameters<typeof people>[0], login: { email: string; password: string }) => {
    try {
      const actors = { entity: "users", role: "role", active: ["active"], login };
      makePlan(application("shop", { entities: [people(fields)], actors }));
      return [];
    } catch (error) {
      if (!(error instanceof DeclarationError)) throw error;
      return error.findings.map(({ path, fault, remedy }) => `${path}: ${fault}; ${remedy}`);
    }
  };
  const good = { mail: email({ unique: true }), secret: password() };
  expect(withLogin(good, { email: "mail", password: "secret" })).toEqual([]);
  expect(withLogin(good, { email: "secret", password: "mial" })).toEqual([
    "actors.login.email: 'secret' of users cannot be signed in with; use one of: mail",
    "actors.login.password: no field 'mial' in users; use one of: secret",
  ]);
  expect(withLogin({ mail: email(), name: text() }, { email: "mail", password: "name" })).toEqual([
    "actors.login.email: 'mail' of users cannot be signed in with; declare one: email({ unique: true })",
    "actors.login.password: 'name' of users cannot be signed in with; declare one: password()",
  ]);
});
