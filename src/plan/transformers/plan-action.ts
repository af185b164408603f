import type { Action } from "../../declare/action.ts";
import type { EntityDeclaration } from "../../declare/entity.ts";
import type { ActionPlan, FieldPlan, Policy } from "../plan.ts";
import { inverseOf } from "../undo-rules.ts";
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
  undo: "Undone",
} as const;

const addresses = {
  create: () => ({ method: "POST", path: "" }),
  update: () => ({ method: "PATCH", path: "/{id}" }),
  delete: () => ({ method: "DELETE", path: "/{id}" }),
  restore: () => ({ method: "POST", path: "/{id}/restore" }),
  undo: () => ({ method: "POST", path: "/{id}/undo" }),
  change: (name: string) => ({ method: "PATCH", path: `/{id}/${kebabOf(name)}` }),
  move: (name: string) => ({ method: "POST", path: `/{id}/${kebabOf(name)}` }),
  act: (name: string) => ({ method: "POST", path: `/{id}/${kebabOf(name)}` }),
} as const satisfies Record<Action["kind"], (name: string) => Pick<ActionPlan, "method" | "path">>;

/** Fills in one declared action. */
export function planAction(name: string, action: Action, around: Surroundings): ActionPlan {
  const event = eventOf(action, around.title);
  return {
    name,
    kind: action.kind,
    event,
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
    undo: undoOf(action, event),
    ...addresses[action.kind](name),
  };
}

/** Whoever may delete may restore. The declaration's verbs have no word for it: it comes with the delete. */
export function planRestore(deletion: Action, around: Surroundings): ActionPlan {
  return planAction("restore", { ...deletion, kind: "restore", event: null, barrier: {} }, around);
}

function undoOf({ undo }: Action, event: ActionPlan["event"]): ActionPlan["undo"] {
  if (undo === null) return null;
  if (typeof undo === "string") return { way: "action", action: undo };
  return { way: "values", event: undo === true ? `${event}Undone` : undo.event };
}

/**
 * Taking back what has been done, for whoever may do the inverse of it: it comes with the first action that has one.
 * @returns none where no action has.
 */
export function planUndo(
  actions: { readonly [name: string]: Action },
  planned: readonly ActionPlan[],
  around: Surroundings,
): readonly ActionPlan[] {
  const inverses = planned.flatMap((action) => inverseOf(planned, action) ?? []);
  const [model] = Object.values(actions);
  const [first, ...others] = [...new Map(inverses.map(({ by }) => [JSON.stringify(by), by])).values()];
  if (model === undefined || first === undefined) return [];
  const by: Policy = others.length === 0 ? first : { kind: "any_of", policies: [first, ...others] };
  // Nothing is recorded under its own name: the inverse has an event.
  const undo: Action = { ...model, kind: "undo", event: {}, by, input: {}, fields: [], verify: {}, undo: null };
  const settled = { needs: null, to: null, decide: null, effects: null, demandsKey: false, bulk: false, barrier: {} };
  return [planAction("undo", { ...undo, ...settled, conflicts: [] }, around)];
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
    case "undo":
      return [planField("event", { kind: "uuid", options: { optional: true } } as never, idOf)]; // a planned field has no phantom types
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
    case "undo":
      return [];
    case "restore":
      return sent(fields, ["client", "create"]).flatMap(({ name, unique }) => (unique ? [name] : []));
  }
}
