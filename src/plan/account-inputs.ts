import { list, object, oneOf, text } from "../declare/field.ts";
import type { FieldPlan, Plan } from "./plan.ts";
import { planField } from "./transformers/plan-field.ts";

const noEntity = () => null;

/**
 * What signing in takes: the fields that the declaration names, under the names that every application has. No rule
 * that a password must keep is asked here: an old one may be shorter, and a wrong one is 401 like any other.
 */
export function signInInput({ actors, entities }: Plan): FieldPlan {
  const people = entities.find(({ name }) => name === actors?.entity);
  const fields = (["email", "password"] as const).flatMap((name): FieldPlan[] => {
    const field = people?.fields.find((candidate) => candidate.name === actors?.login?.[name]);
    if (field === undefined) return [];
    return [{ ...field, name, setBy: "client", optional: false, default: null, pattern: null, min: 1 }];
  });
  return { ...planField("", object({}), noEntity), fields };
}

/** What making an API key takes. @param scopes those that its user may give it */
export const apiKeyInput = (scopes: readonly string[]): FieldPlan =>
  planField(
    "",
    object({
      name: text({ min: 1, max: 100, example: "Nightly report" }),
      scopes: list(oneOf({ values: scopes }), { optional: true, min: 1 }),
    }),
    noEntity,
  );

/** The body of an operation that takes none. */
export const noInput: FieldPlan = planField("", object({}), noEntity);
