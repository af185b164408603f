import { chance, offeredActions, strangersOf } from "../../../plan/audience.ts";
import type { ActionPlan, EntityPlan, FieldPlan } from "../../../plan/plan.ts";
import type { Rule, Suspicion } from "../suspicion.ts";

const stamps = ["id", "status", "version", "created_at", "updated_at", "deleted_at"];

/**
 * Inputs by the name of a field that the server decides: what a client says must not become what the system says.
 * What nobody may do is done by Gesta itself.
 */
export const serverOwnedInputs: Rule = (_, entity) => {
  const owned = entity.fields.filter(({ setBy }) => setBy === "system" || setBy === "actor").map(({ name }) => name);
  const asked = offeredActions(entity);
  return asked.flatMap((action) =>
    action.input
      .filter(({ name }) => (owned.includes(name) || stamps.includes(name)) && !isTarget(action, name))
      .map(({ name }) => ({
        path: `actions.${action.name}.input.${name}`,
        reason: `the input takes '${name}', which the server decides`,
        remedy: "leave it to `decide`, or name the input after what the caller says",
      })),
  );
};

/** The state that a `movesTo` action is told is its purpose. */
const isTarget = ({ event }: ActionPlan, name: string): boolean => typeof event !== "string" && name === "status";

/** Texts and lists of which the declaration does not say how much is enough. */
export const unboundedInputs: Rule = (_, entity) => [
  ...new Map(
    entity.actions.flatMap((action) =>
      action.input
        .flatMap((field) => unbounded(field, placeOf(entity, action, field)))
        .map((path): [string, Suspicion] => [
          path,
          {
            path,
            reason: "nobody said how long it may be: a stranger may fill the database with it",
            remedy: "give it a `max`",
          },
        ]),
    ),
  ).values(),
];

/** A field of the entity is named once, however many actions take it. */
const placeOf = (entity: EntityPlan, action: ActionPlan, field: FieldPlan): string =>
  entity.fields.some(({ name, setBy }) => name === field.name && setBy !== "system" && setBy !== "actor")
    ? `fields.${field.name}`
    : `actions.${action.name}.input.${field.name}`;

const unbounded = (field: FieldPlan, path: string): readonly string[] => [
  ...((field.kind === "text" || field.kind === "list") && !field.bounded ? [path] : []),
  ...(field.element === null ? [] : unbounded(field.element, `${path}.element`)),
  ...field.fields
    .filter(({ setBy }) => setBy === "client" || setBy === "create")
    .flatMap((part) => unbounded(part, `${path}.${part.name}`)),
];

/** Unique values that strangers may try out, of records that they cannot read: "taken" tells who is there. */
export const existenceOracles: Rule = (plan, entity) =>
  entity.fields
    .filter(
      ({ name, unique }) =>
        unique &&
        strangersOf(plan).some(
          (audience) =>
            chance(entity.read, audience) !== "always" &&
            entity.actions.some(
              ({ by, sets, input }) =>
                chance(by, audience) !== "never" && sets.includes(name) && input.some((field) => field.name === name),
            ),
        ),
    )
    .map(({ name }) => ({
      path: `fields.${name}`,
      reason: "the answer `unique` tells a stranger which values other people's records hold",
      remedy: "drop `unique`, narrow `by`, or accept it where the caller must be told",
    }));

/** Records that anyone may change without saying who they are. */
export const openWrites: Rule = (_, entity) =>
  entity.actions
    // A restore comes with its delete, an undo with what it takes back: whoever narrows the one narrows the other.
    .filter(({ kind, by }) => !["create", "restore", "undo"].includes(kind) && chance(by, null) !== "never")
    .map(({ name }) => ({
      path: `actions.${name}.by`,
      reason: "whoever finds the address may change or delete what others made, and no event names them",
      remedy: "let `signedIn`, a role or the owner do it",
    }));
