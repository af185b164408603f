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

/** Records as text, cut where the records that they refer to are put in. */
export interface Pieces {
  /** One more than there are references. */
  readonly texts: readonly string[];
  readonly references: readonly { readonly field: string; readonly id: string }[];
  /** The ids that each field names, each once. */
  readonly wanted: ReadonlyMap<string, readonly string[]>;
}

/** Pieces put together. */
export interface Expanded {
  /** The states of all that was put in; null where that is not all that the text is made of. */
  readonly stamps: string | null;
  readonly body: string;
}

/** A quote inside of a text has a backslash before it, so nothing that anybody wrote looks like a member. */
export function piecesOf(expansions: readonly Expansion[], body: string): Pieces {
  if (expansions.length === 0) return { texts: [body], references: [], wanted: new Map() };
  const names = new Map(expansions.map(({ field, name }) => [field, name]));
  const member = new RegExp(`(?<=[{,])"(${[...names.keys()].join("|")})":"?([\\w-]+)"?`, "g");
  const [texts, references]: [string[], Pieces["references"][number][]] = [[], []];
  let start = 0;
  for (const match of body.matchAll(member)) {
    const [whole, field = "", id = ""] = match;
    const end = match.index + whole.length;
    texts.push(`${body.slice(start, end)},"${names.get(field)}":`);
    references.push({ field, id });
    start = end;
  }
  const idsOf = (field: string) => [
    ...new Set(references.flatMap((each) => (each.field === field && each.id !== "null" ? each.id : []))),
  ];
  const wanted = new Map([...names.keys()].map((field) => [field, idsOf(field)]));
  return { texts: [...texts, body.slice(start)], references, wanted };
}

/**
 * The same as `expand`, on records as the database made them: the texts of the others are put behind the references.
 * To make values of a page of a hundred and text of them again takes longer than all else that is done for it here.
 * @param before what the same pieces came to: it is that again as long as all that is put in is as it was
 */
export async function expandText(
  readMany: ReadMany,
  expansions: readonly Expansion[],
  { texts, references, wanted }: Pieces,
  before: Expanded | null = null,
): Promise<Expanded> {
  const relations = await Promise.all(
    expansions.map(
      async (expansion) =>
        [expansion.field, await referred(readMany, expansion, wanted.get(expansion.field) ?? [])] as const,
    ),
  );
  const stamps = relations.some(([, { stamps }]) => stamps === null)
    ? null
    : relations.map(([, relation]) => relation.stamps).join("\n");
  if (before !== null && stamps !== null && before.stamps === stamps) return before;
  const found = new Map(relations);
  const parts = references.flatMap(({ field, id }, nth) => [texts[nth], found.get(field)?.texts.get(id) ?? "null"]);
  return { stamps, body: [...parts, texts.at(-1)].join("") };
}

/** The records of one relation as texts, by id, with what is wanted along with them. */
async function referred(
  readMany: ReadMany,
  { target, further }: Expansion,
  ids: readonly string[],
): Promise<{ readonly texts: ReadonlyMap<string, string>; readonly stamps: string | null }> {
  if (ids.length === 0) return { texts: new Map(), stamps: "" };
  const shown = await readMany(target.name, ids);
  const bodies = new Map<string, string>();
  let stamps = "";
  for (const [index, each] of shown.entries()) {
    if (each.outcome === "found") bodies.set(ids[index] ?? "", each.body);
    stamps += each.outcome === "found" ? `${each.stamp} ` : " ";
  }
  if (further.length === 0) return { texts: bodies, stamps };
  // One text of them all: what they refer to in turn is one statement, too.
  const together = piecesOf(further, [...bodies.values()].join("\n"));
  const expanded = (await expandText(readMany, further, together)).body.split("\n");
  return { texts: new Map([...bodies.keys()].map((id, index) => [id, expanded[index] ?? "null"])), stamps: null };
}
