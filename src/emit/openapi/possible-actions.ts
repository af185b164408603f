import { type Audience, chance } from "../../plan/audience.ts";
import type { ActionPlan, EntityPlan } from "../../plan/plan.ts";
import { actionSchema } from "../json-schema/action-schema.ts";
import type { Schema } from "../json-schema/field-schema.ts";

/** The schema that the documents share. */
export const possibleActionsName = "PossibleActions";

export const possibleActionsSchema: Schema = {
  type: "object",
  properties: {
    status: { type: ["string", "null"], description: "The record's state; null where there are no states" },
    actions: {
      type: "array",
      items: {
        type: "object",
        properties: {
          name: { type: "string" },
          allowed: { type: "boolean" },
          reason: { type: ["string", "null"], description: "Why not, in the language of Accept-Language" },
          input: { type: "object", description: "The JSON Schema of what the action takes now" },
        },
        required: ["name", "allowed", "reason", "input"],
        additionalProperties: false,
      },
    },
  },
  required: ["status", "actions"],
  additionalProperties: false,
};

/** What can be done first with a record that is new; one action is enough to show the form. */
export function possibleActionsExample({ lifecycle, actions }: EntityPlan, audience: Audience): object {
  const targetsOf = ({ name }: ActionPlan) =>
    lifecycle?.transitions
      .filter(({ action, from }) => action === name && from === lifecycle.initial)
      .map(({ to }) => to) ?? [];
  const first = actions.find(
    (action) =>
      action.kind !== "create" &&
      chance(action.by, audience) !== "never" &&
      (action.kind !== "move" || targetsOf(action).length > 0),
  );
  return {
    status: lifecycle?.initial ?? null,
    actions:
      first === undefined
        ? []
        : [{ name: first.name, allowed: true, reason: null, input: actionSchema(first, targetsOf(first)) }],
  };
}
