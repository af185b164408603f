import { expect, test } from "vitest";
import { anyone, application, crud, entity, list, object, reference, text } from "../../src/index.ts";
import { DeclarationError } from "../../src/plan/finding.ts";
import { makePlan } from "../../src/plan/make-plan.ts";

test("what is personal is a whole field with a value of its own, of a record that has its id before it is stored", () => {
  const fields = {
    friend_id: reference("people", { optional: true, personal: true }),
    friend_ids: list(reference("people"), { personal: true }),
    home: object({ street: text({ personal: true, max: 50 }) }),
    name: text({ personal: true, max: 50 }),
  };
  const people = entity("people", { fields, read: anyone }, ({ creates, deletes }) => ({
    create: creates("PersonAdded", { by: anyone }),
    delete: deletes("PersonDeleted", { by: anyone, wait: "30 days", notice: "0 days" }),
  }));
  const guests = entity("guests", { id: "serial", fields: { name: fields.name }, read: anyone }, crud({ by: anyone }));
  let said: readonly string[] = [];
  try {
    makePlan(application("inn", { entities: [people, guests] }));
  } catch (error) {
    if (error instanceof DeclarationError) said = error.findings.map(({ path, fault }) => `${path}: ${fault}`);
  }
  expect(said).toEqual([
    "people.actions.delete.notice: is no time to wait",
    "people.fields.friend_id: is personal, and a reference",
    "people.fields.friend_ids: is personal, and a reference",
    "people.fields.home.street: is personal inside of another value",
    "guests.fields.name: is personal, and the ids are serial",
  ]);
});
