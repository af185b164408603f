import { expect, test } from "vitest";
import { crud } from "../../src/declare/action.ts";
import { application } from "../../src/declare/application.ts";
import { entity } from "../../src/declare/entity.ts";
import { defaulted, dropped, mapped, renamed, type Upcast } from "../../src/declare/evolution.ts";
import { text } from "../../src/declare/field.ts";
import { anyone } from "../../src/declare/policy.ts";
import { eventVersionOf } from "../../src/plan/event-version.ts";
import { makePlan } from "../../src/plan/make-plan.ts";

const planned = (...evolution: readonly (readonly Upcast[])[]) => {
  const fields = { name: text(), mail: text({ personal: true, optional: true }) };
  return makePlan(
    application("street", { entities: [entity("shops", { fields, read: anyone, evolution }, crud({ by: anyone }))] }),
  ).plan.entities[0];
};

test("events are written in the version after the last step", () => {
  const shops = planned([renamed("title", "label")], [renamed("label", "name"), dropped("fax")]);
  expect(shops && eventVersionOf(shops)).toBe(3);
});

test.each([
  [renamed("title", "nam"), "shops.evolution.0: no field 'nam'; did you mean 'name'?"],
  [mapped("kind", { a: "b" }), "no field 'kind'"],
  [defaulted("status", "open"), "no field 'status'"],
  [renamed("version", "name"), "'version' is the same in every event"],
  [renamed("post", "mail"), "'mail' is personal, and sealed under its name"],
])("%j is refused", (step, fault) => {
  expect(() => planned([step])).toThrow(fault);
});
