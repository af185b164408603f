import { expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import source from "../../examples/delivery/order.workflow.json" with { type: "json" };
import { entityOfWorkflow, readWorkflow, WorkflowFaults } from "../../src/plan/read-workflow.ts";
import { planLifecycle } from "../../src/plan/transformers/plan-lifecycle.ts";
import { workflowSourceOf } from "../../src/plan/workflow-source.ts";

function faultsOf(value: unknown): readonly string[] {
  try {
    readWorkflow(delivery, "orders", value);
    return [];
  } catch (error) {
    if (!(error instanceof WorkflowFaults)) throw error;
    return error.findings.map(({ path, fault, remedy }) => `${path}: ${fault}; ${remedy}`);
  }
}

test("the declared workflow is one that an operator could apply, and survives the plan", () => {
  expect(faultsOf(source)).toEqual([]);
  expect(workflowSourceOf(planLifecycle(source))).toEqual(source);
});

test("every fault of the table is found at once, with its path and a remedy", () => {
  const faulty = {
    initial: "pending_paiment",
    states: {
      pending_payment: { on: { confirm_paiment: "accepted", cancel: ["accepted", "cancelled"] } },
      accepted: { on: { status: ["cookin", "cancelled"] } },
      cooking: {},
      on_hold: { on: { status: "cooking" } },
      cancelled: { final: true, on: { cancel: "cancelled" } },
    },
  };
  expect(faultsOf(faulty)).toEqual([
    "states.on_hold: no state 'on_hold' in the declaration; use one of: pending_payment, new, accepted, cooking, on_way, delivered, cancelled, or declare it first",
    "initial: no state 'pending_paiment'; did you mean 'pending_payment'?",
    "states.pending_payment.on.confirm_paiment: no action 'confirm_paiment' that moves orders; did you mean 'confirm_payment'?",
    "states.accepted.on.status[0]: no state 'cookin'; did you mean 'cooking'?",
    'states.cooking: no way leads out; add transitions or `"final": true`',
    "states.cancelled: a final state has a way out; remove `final` or `on`",
    "states.pending_payment.on.cancel: leaves a choice, and 'cancel' does not choose; name one state",
    "states.accepted.on.status: 'status' has no event for the target 'cancelled'; use one of: accepted, cooking, on_way, delivered, or declare an event for it",
  ]);
});

test("a file of another shape is told so, all at once", () => {
  expect(faultsOf([])).toEqual([': is no object; write { "initial": …, "states": { … } }']);
  expect(faultsOf({ inital: "new", states: 7 })).toEqual([
    "inital: no member 'inital'; did you mean 'initial'?",
    "initial: is no text; name the state in which a record begins",
    'states: is no object; write { "<state>": { "on": { … } } }',
  ]);
  const states = {
    new: 1,
    accepted: { final: 1, onn: {} },
    cooking: { on: [] },
    on_way: { on: { status: [1], cancel: [] } },
  };
  expect(faultsOf({ initial: "new", states }).map((line) => line.split(";")[0])).toEqual([
    "states.new: is no object",
    "states.accepted.onn: no member 'onn'",
    "states.accepted.final: is neither true nor false",
    "states.cooking.on: is no object",
    "states.on_way.on.status: is neither a state nor a list of states",
    "states.on_way.on.cancel: is neither a state nor a list of states",
  ]);
});

test("what an operator may do and a declaration may not: leave out actions, and leave a state without a way in", () => {
  const draining = {
    initial: "pending_payment",
    states: {
      pending_payment: { on: { confirm_payment: "accepted" } },
      new: { on: { status: "accepted" } },
      accepted: { on: { status: "cooking" } },
      cooking: { final: true },
    },
  };
  expect(faultsOf(draining)).toEqual([]);
});

test("a file belongs to the only entity that has states of its names", () => {
  expect(entityOfWorkflow(delivery, source)).toBe("orders");
  expect(entityOfWorkflow(delivery, { states: { open: {}, shut: {} } })).toBe("restaurants");
  expect(() => entityOfWorkflow(delivery, { states: { open: {}, active: {} } })).toThrow(
    "Whose workflow? Pass --entity with one of: users, restaurants",
  );
  expect(() => entityOfWorkflow(delivery, null)).toThrow("users, restaurants, orders");
});
