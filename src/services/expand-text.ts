import type { Expansion } from "../domain/reading/expansion.ts";
import type { FieldPlan, Plan } from "../plan/plan.ts";
import type { ReadMany } from "./expand-records.ts";

/** The names of members that stand inside of other members, at any depth. */
export function nestedNames({ entities }: Plan): ReadonlySet<string> {
  const inside = ({ fields, element }: FieldPlan): readonly string[] => [
    ...fields.flatMap((field) => [field.name, ...inside(field)]),
    ...(element === null ? [] : inside(element)),
  ];
  return new Set(entities.flatMap(({ fields }) => fields.flatMap(inside)));
}

/** Whether references can be found in the text: lists of them, and names that stand elsewhere too, cannot. */
export const isSpliced = (expansions: readonly Expansion[], nested: ReadonlySet<string>): boolean =>
  expansions.every(({ field, many, further }) => !many && !nested.has(field) && isSpliced(further, nested));

/**
 * The same as `expand`, on records as the database made them: the texts of the others are put behind the references.
 * To make values of a page of a hundred and text of them again takes longer than all else that is done for it here.
 * A quote inside of a text has a backslash before it, so nothing that anybody wrote looks like a member.
 */
export async function expandText(readMany: ReadMany, expansions: readonly Expansion[], body: string): Promise<string> {
  if (expansions.length === 0) return body;
  const member = new RegExp(`(?<=[{,])"(${expansions.map(({ field }) => field).join("|")})":"?([\\w-]+)"?`, "g");
  const ids = new Map<string, Set<string>>(expansions.map(({ field }) => [field, new Set()]));
  for (const [, field = "", id = ""] of body.matchAll(member)) if (id !== "null") ids.get(field)?.add(id);
  const found = await Promise.all(
    expansions.map(async (expansion) => {
      const wanted = [...(ids.get(expansion.field) ?? [])];
      return [expansion.field, { name: expansion.name, texts: await referred(readMany, expansion, wanted) }] as const;
    }),
  );
  const beside = new Map(found);
  return body.replace(member, (whole, field: string, id: string) => {
    const { name, texts } = beside.get(field) ?? {};
    return `${whole},"${name}":${texts?.get(id) ?? "null"}`;
  });
}

/** The records of one relation as texts, by id, with what is wanted along with them. */
async function referred(
  readMany: ReadMany,
  { target, further }: Expansion,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const shown = await readMany(target.name, ids);
  const bodies = shown.flatMap((each, index): readonly (readonly [string, string])[] =>
    each.outcome === "found" ? [[ids[index] ?? "", each.body]] : [],
  );
  // One array of them all: what they refer to in turn is one statement, too.
  if (further.length === 0) return new Map(bodies);
  const expanded = await expandText(readMany, further, bodies.map(([, text]) => text).join("\n"));
  const texts = expanded.split("\n");
  return new Map(bodies.map(([id], index) => [id, texts[index] ?? "null"]));
}
