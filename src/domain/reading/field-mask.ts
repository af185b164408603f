import type { Fault } from "../../kernel/fault.ts";
import { isObject } from "../../kernel/json.ts";
import { nearest } from "../../kernel/suggestion.ts";
import { type Audience, readable } from "../../plan/audience.ts";
import type { EntityPlan, FieldPlan } from "../../plan/plan.ts";
import type { Expansion } from "./expansion.ts";

/** The members that are wanted, each whole or in part. */
export interface FieldMask {
  readonly members: ReadonlyMap<string, FieldMask | null>;
}

export const mostFields = 100;

/** Reads `fields=id,status,items.quantity,restaurant.name`. What is expanded is whole, unless some of it is named. */
export function readFields(
  text: string | undefined,
  entity: EntityPlan,
  expansions: readonly Expansion[],
  audience: Audience,
  faults: Fault[],
): FieldMask | null {
  if (text === undefined) return null;
  const wrong = (expected: string, suggestion?: string) =>
    faults.push({
      parameter: "fields",
      code: "invalid_parameter",
      parameters: { expected },
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  const paths = text.split(",");
  if (paths.length > mostFields) {
    wrong(`must name at most ${mostFields} fields`);
    return null;
  }
  const tree: Wanted = new Map();
  for (const path of paths) {
    const fault = pathFault(path.split("."), shownOf(entity, audience), expansions, audience);
    if (path === "") wrong("must name the fields to show: id,name");
    else if (fault !== null) wrong(`knows no '${path}'`, fault.suggestion);
    else want(tree, path.split("."));
  }
  for (const { name } of expansions) if (!tree.has(name)) tree.set(name, new Map());
  return maskOf(tree);
}

interface Wanted extends Map<string, Wanted> {}

function want(tree: Wanted, [first = "", ...rest]: readonly string[]): void {
  const known = tree.get(first);
  // Whole, asked for before or now, is more than a part.
  if (rest.length === 0 || known?.size === 0) {
    tree.set(first, new Map());
    return;
  }
  const below: Wanted = known ?? new Map();
  want(below, rest);
  tree.set(first, below);
}

const maskOf = (tree: Wanted): FieldMask => ({
  members: new Map([...tree].map(([name, below]) => [name, below.size === 0 ? null : maskOf(below)])),
});

const shownOf = ({ members }: EntityPlan, audience: Audience): readonly FieldPlan[] =>
  members.filter((field) => readable(field, audience) !== "never");

function pathFault(
  [first = "", ...rest]: readonly string[],
  fields: readonly FieldPlan[],
  expansions: readonly Expansion[],
  audience: Audience,
): { readonly suggestion?: string } | null {
  const expansion = expansions.find(({ name }) => name === first);
  const field = fields.find(({ name }) => name === first);
  if (expansion === undefined && field === undefined) {
    const suggestion = nearest(
      first,
      [...fields, ...expansions].map(({ name }) => name),
    );
    return suggestion === undefined ? {} : { suggestion };
  }
  if (rest.length === 0) return null;
  if (expansion !== undefined) {
    return pathFault(rest, shownOf(expansion.target, audience), expansion.further, audience);
  }
  return pathFault(rest, field?.element?.fields ?? field?.fields ?? [], [], audience);
}

/** What a mask leaves of a value; every entry of a list is cut alike. */
export function cut(value: unknown, mask: FieldMask | null): unknown {
  if (mask === null) return value;
  if (Array.isArray(value)) return value.map((entry) => cut(entry, mask));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => mask.members.has(name))
      .map(([name, member]) => [name, cut(member, mask.members.get(name) ?? null)]),
  );
}
