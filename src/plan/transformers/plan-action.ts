import type { Action } from "../../declare/action.ts";
import type { EntityDeclaration } from "../../declare/entity.ts";
import type { ActionPlan, FieldPlan } from "../plan.ts";
import { planBarrier } from "./plan-barrier.ts";
import { planField } from "./plan-field.ts";
import { kebabOf } from "./words.ts";

interface Surroundings {
  readonly entity: EntityDeclaration;
  readonly title: string;
  readonly fields: readonly FieldPlan[];
  readonly idOf: (entity: string) => "uuid" | "serial" | null;
}

const verbs = {
  create: "Created",
  update: "Updated",
  change: "Updated",
  move: "Updated",
  act: "Updated",
  delete: "Deleted",
  restore: "Restored",
} as const;

const addresses = {
  create: () => ({ method: "POST", path: "" }),
  update: () => ({ method: "PATCH", path: "/{id}" }),
  delete: () => ({ method: "DELETE", path: "/{id}" }),
  restore: () => ({ method: "POST", path: "/{id}/restore" }),
  change: (name: string) => ({ method: "PATCH", path: `/{id}/${kebabOf(name)}` }),
  move: (name: string) => ({ method: "POST", path: `/{id}/${kebabOf(name)}` }),
  act: (name: string) => ({ method: "POST", path: `/{id}/${kebabOf(name)}` }),
} as const satisfies Record<Action["kind"], (name: string) => Pick<ActionPlan, "method" | "path">>;

/** Fills in one declared action. */
export function planAction(name: string, action: Action, around: Surroundings): ActionPlan {
  return {
    name,
    kind: action.kind,
    event: eventOf(action, around.title),
    by: action.by,
    input: inputOf(action, around),
    sets: setsOf(action, around),
    decides: action.decide !== null,
    affects: action.effects !== null,
    conflicts: action.conflicts,
    verify: action.verify,
    demandsKey: action.demandsKey,
    bulk: action.bulk,
    barrier: action.kind === "delete" ? planBarrier(action.barrier) : null,
    ...addresses[action.kind](name),
  };
}

/** Whoever may delete may restore. The declaration's verbs have no word for it: it comes with the delete. */
export function planRestore(deletion: Action, around: Surroundings): ActionPlan {
  return planAction("restore", { ...deletion, kind: "restore", event: null, barrier: {} }, around);
}

function eventOf(action: Action, title: string): ActionPlan["event"] {
  if (action.event === null) return `${title}${verbs[action.kind]}`;
  if (typeof action.event === "string") return action.event;
  return Object.fromEntries(
    Object.entries(action.event).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}

const sent = (fields: readonly FieldPlan[], owners: readonly FieldPlan["setBy"][]) =>
  fields.filter((field) => owners.includes(field.setBy));

function inputOf(action: Action, around: Surroundings): readonly FieldPlan[] {
  const { fields, idOf } = around;
  switch (action.kind) {
    case "create":
      return action.input === null ? sent(fields, ["client", "create"]) : shapedInput(action.input, around);
    case "update":
      return sent(fields, ["client"]);
    case "change":
      return [
        ...Object.entries(action.verify).flatMap(([input, stored]) =>
          fields.filter((field) => field.name === stored).map((field) => ({ ...field, name: input })),
        ),
        ...fields.filter((field) => action.fields.includes(field.name)),
      ];
    case "move":
      if (action.input !== null) return shapedInput(action.input, around);
      return [
        planField(
          "status",
          { kind: "enum", options: { values: Object.keys(action.event ?? {}) } } as never, // a planned field has no phantom types
          idOf,
        ),
      ];
    case "act":
      return shapedInput(action.input ?? {}, around);
    case "delete":
      return [];
    // A unique value may have been taken meanwhile: then the caller says a new one.
    case "restore":
      return sent(fields, ["client", "create"])
        .filter(({ unique }) => unique)
        .map((field) => ({ ...field, setBy: "client" as const, default: null }));
  }
}

const shapedInput = (input: NonNullable<Action["input"]>, { fields, idOf }: Surroundings): readonly FieldPlan[] =>
  Object.entries(input).flatMap(([name, field]) =>
    field === true
      ? fields.filter((own) => own.name === name).map((own) => ({ ...own, setBy: "client" as const }))
      : [planField(name, field, idOf)],
  );

function setsOf(action: Action, { fields }: Surroundings): readonly string[] {
  switch (action.kind) {
    case "create":
      return fields.map((field) => field.name);
    case "update":
      return sent(fields, ["client"]).map((field) => field.name);
    case "change":
    case "move":
    case "act":
      return action.fields;
    case "delete":
      return [];
    case "restore":
      return sent(fields, ["client", "create"]).flatMap(({ name, unique }) => (unique ? [name] : []));
  }
}
