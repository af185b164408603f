import { type Audience, chance } from "../../plan/audience.ts";
import type { EntityPlan, FieldPlan } from "../../plan/plan.ts";
import { shownTo } from "../openapi/operations.ts";

/** A word of the declaration that stands in an audience's document. */
export interface SpokenWord {
  readonly kind: "entity" | "field" | "action" | "value";
  readonly word: string;
  /** Where the declaration says it, below the entity. */
  readonly path: string;
}

/** Every word of an entity that its audience can read in the document: names, and the values of enums. */
export function spokenTo(entity: EntityPlan, audience: Audience): readonly SpokenWord[] {
  const actions = entity.actions.filter(({ by }) => chance(by, audience) !== "never");
  const reads = chance(entity.read, audience) !== "never";
  if (!reads && actions.length === 0) return [];
  return [
    { kind: "entity", word: entity.name, path: "name" },
    { kind: "entity", word: entity.singular, path: "name" },
    ...shownTo(entity, audience).flatMap((field) => ofField(field, `fields.${field.name}`, false)),
    ...actions.flatMap((action): SpokenWord[] => [
      { kind: "action", word: action.name, path: `actions.${action.name}` },
      ...action.input.flatMap((field) => ofField(field, `actions.${action.name}.input.${field.name}`, true)),
    ]),
  ];
}

/** As in the schemas: a client sends no member that the server decides, and is not told its words. */
function ofField(field: FieldPlan, path: string, sent: boolean): readonly SpokenWord[] {
  const parts = sent ? field.fields.filter(({ setBy }) => setBy === "client" || setBy === "create") : field.fields;
  return [
    ...(field.name === "" ? [] : [{ kind: "field", word: field.name, path } as const]),
    ...(sent || field.setBy !== "system" ? field.values : []).map((word) => ({ kind: "value", word, path }) as const),
    ...(field.element === null ? [] : ofField(field.element, path, sent)),
    ...parts.flatMap((part) => ofField(part, `${path}.${part.name}`, sent)),
  ];
}
