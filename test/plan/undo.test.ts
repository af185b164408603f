import { expect, test } from "vitest";
import { crud } from "../../src/declare/action.ts";
import { application } from "../../src/declare/application.ts";
import { entity } from "../../src/declare/entity.ts";
import { oneOf, password, text } from "../../src/declare/field.ts";
import { actorHas, anyone, signedIn } from "../../src/declare/policy.ts";
import { workflow } from "../../src/declare/workflow.ts";
import { makePlan } from "../../src/plan/make-plan.ts";

const lifecycle = workflow({
  initial: "closed",
  states: {
    closed: { on: { open: "open" } },
    open: { on: { close: "closed", burn: "burnt" } },
    burnt: { final: true },
  },
});
const fields = { name: text({ max: 50 }), secret: password() };

test("an inverse gives back the values before, or is an action that leads back", () => {
  const shops = entity("shops", { fields, lifecycle, read: anyone }, ({ changes, moves }) => ({
    rename: changes("ShopRenamed", { by: signedIn, fields: ["name"], undo: true }),
    open: moves("ShopOpened", { by: actorHas("staff"), undo: "close" }),
    close: moves("ShopClosed", { by: actorHas("staff") }),
    burn: moves("ShopBurnt", { by: anyone }),
  }));
  const still = workflow({ initial: "active", states: { active: { final: true } } });
  const role = oneOf({ values: ["staff"] });
  const people = entity("people", { fields: { role }, lifecycle: still, read: anyone }, () => ({}));
  const actors = { entity: "people", role: "role", active: ["active"] };
  const street = application("street", { entities: [shops, people], actors });
  const { actions } = makePlan(street).plan.entities[0] ?? { actions: [] };
  const named = (name: string) => actions.find((action) => action.name === name);
  expect(named("rename")?.undo).toEqual({ way: "values", event: "ShopRenamedUndone" });
  expect(named("open")?.undo).toEqual({ way: "action", action: "close" });
  expect(named("undo")).toMatchObject({ kind: "undo", method: "POST", path: "/{id}/undo", sets: [] });
  // Whoever may do one of the inverses: only who may do that very one can take its event back.
  expect(named("undo")?.by).toEqual({ kind: "any_of", policies: [signedIn, actorHas("staff")] });
});

test("an event of its own name, and no address where nothing has an inverse", () => {
  const notes = entity(
    "notes",
    { fields: { name: text() }, read: anyone },
    crud({ by: anyone, undo: { event: "NoteGivenBack" } }),
  );
  const plain = entity("plains", { fields: { name: text() }, read: anyone }, crud({ by: anyone }));
  const { entities } = makePlan(application("desk", { entities: [notes, plain] })).plan;
  expect(entities[0]?.actions.find(({ name }) => name === "update")?.undo).toEqual({
    way: "values",
    event: "NoteGivenBack",
  });
  expect(entities[1]?.actions.some(({ kind }) => kind === "undo")).toBe(false);
});

test("what leads nowhere, or gives back a password, is refused with a remedy", () => {
  const shops = entity("shops", { fields, lifecycle, read: anyone }, ({ changes, moves }) => ({
    secret: changes("SecretChanged", { by: anyone, fields: ["secret"], undo: true }),
    open: moves("ShopOpened", { by: anyone, undo: "clos" }),
    close: moves("ShopClosed", { by: anyone, undo: "burn" }),
    burn: moves("ShopBurnt", { by: anyone, input: { why: text() } }),
    undo: moves("ShopUndone", { by: anyone }),
  }));
  expect(() => makePlan(application("street", { entities: [shops] }))).toThrow(
    expect.objectContaining({
      findings: expect.arrayContaining([
        expect.objectContaining({ path: "shops.actions.secret.undo", fault: expect.stringContaining("'secret'") }),
        expect.objectContaining({ path: "shops.actions.open.undo", remedy: expect.stringContaining("'close'") }),
        expect.objectContaining({ path: "shops.actions.close.undo", fault: "'burn' needs 'why' from a client" }),
        expect.objectContaining({ path: "shops.actions.undo", fault: expect.stringContaining("Gesta uses itself") }),
      ]),
    }),
  );
});
