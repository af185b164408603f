import { expect, test } from "vitest";
import { anyone, application, crud, entity, money, nobody, object, password, text, workflow } from "../../src/index.ts";
import { DeclarationError } from "../../src/plan/finding.ts";
import { makePlan } from "../../src/plan/make-plan.ts";

test("a field is frozen from a state that exists, and as a whole", () => {
  const bills = entity(
    "bills",
    {
      fields: {
        amount: money({ frozenFrom: "payed" }),
        payer: object({ name: text({ frozenFrom: "paid" }) }),
        pin: password({ frozenFrom: "paid" }),
        note: text({ frozenFrom: "paid" }),
      },
      lifecycle: workflow({ initial: "open", states: { open: { on: { pay: "paid" } }, paid: { final: true } } }),
      read: nobody,
    },
    ({ moves }) => ({ pay: moves("BillPaid", { by: anyone }) }),
  );
  const notes = entity("notes", { fields: { body: text({ frozenFrom: "sent" }) }, read: anyone }, crud({ by: anyone }));
  let said: readonly string[] = [];
  try {
    makePlan(application("shop", { entities: [bills, notes] }));
  } catch (error) {
    if (error instanceof DeclarationError)
      said = error.findings.map(({ path, fault, remedy }) => `${path}: ${fault}; ${remedy}`);
  }
  expect(said).toEqual([
    "bills.fields.amount: no state 'payed'; did you mean 'paid'?",
    "bills.fields.payer.name: a part of a field cannot be frozen; put `frozenFrom` on payer",
    "bills.fields.pin: a password cannot be frozen; remove `frozenFrom`",
    "notes.fields.body: is frozen from a state, and there is no lifecycle; declare `lifecycle: workflow(…)`",
  ]);
});
