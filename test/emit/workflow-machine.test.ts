import { expect, test } from "vitest";
import { createActor, createMachine, getNextSnapshot } from "xstate";
import delivery from "../../examples/delivery/application.ts";
import { workflowFormats } from "../../src/emit/diagram/workflow-formats.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import type { EntityPlan } from "../../src/plan/plan.ts";

const { entities } = makePlan(delivery).plan;

function orders(): EntityPlan {
  const found = entities.find(({ name }) => name === "orders");
  if (found === undefined) throw new Error("delivery has orders");
  return found;
}

test("XState runs an order from its placing to its delivery", () => {
  const actor = createActor(createMachine(JSON.parse(workflowFormats.xstate(orders())))).start();
  const seen = [
    "confirm_payment.new",
    "status.delivered",
    "status.accepted",
    "status.cooking",
    "status.on_way",
    "cancel",
  ].map((type) => {
    actor.send({ type });
    return actor.getSnapshot().value;
  });
  expect(seen).toEqual(["new", "new", "accepted", "cooking", "on_way", "on_way"]);
  actor.send({ type: "status.delivered" });
  expect(actor.getSnapshot()).toMatchObject({ value: "delivered", status: "done" });
});

test.each(entities.filter(({ lifecycle }) => lifecycle !== null).map((entity) => [entity.name, entity] as const))(
  "in every state of %s, each event leads XState where the workflow leads, or nowhere",
  (_, entity) => {
    const { states = [], transitions = [], final = [], initial } = entity.lifecycle ?? {};
    const machine = createMachine(JSON.parse(workflowFormats.xstate(entity)));
    expect(createActor(machine).start().getSnapshot().value).toBe(initial);
    const actions = [...new Set(transitions.map(({ action }) => action))];
    for (const state of states) {
      for (const action of actions) {
        const targets = transitions.filter((step) => step.from === state && step.action === action).map(({ to }) => to);
        const named = typeof entity.actions.find(({ name }) => name === action)?.event === "object";
        const lead = (type: string) => getNextSnapshot(machine, machine.resolveState({ value: state }), { type }).value;
        expect(lead(action)).toBe(named ? state : (targets[0] ?? state));
        if (named || targets.length > 1)
          for (const to of states) expect(lead(`${action}.${to}`)).toBe(targets.includes(to) ? to : state);
      }
      expect(machine.states[state]?.type === "final").toBe(final.includes(state));
    }
  },
);
