import { Batch, type BatchLimits } from "../database/batch.ts";
import type { Engine } from "../database/engine.ts";
import type { EntityPlan } from "../plan/plan.ts";
import { inPlace, split, textOf, unexpected } from "./answers.ts";
import type { KnownBody, RecordMemory } from "./record-memory.ts";

/** Who asks: a user's id, `system` for Gesta itself, null for a visitor. */
export type Who = string | null;

export type Shown =
  | { readonly outcome: "found"; readonly version: number; readonly stamp: string; readonly body: string }
  | { readonly outcome: "gone"; readonly deletedAt: string }
  | { readonly outcome: "not_found" | "unauthenticated" };

/** Records by their ids, as those who ask may read them. */
export interface RecordReading {
  one(who: Who, id: string): Promise<Shown>;
  /** In one statement, each answered in its place. */
  all(who: Who, ids: readonly string[]): Promise<readonly Shown[]>;
}

interface Wanted {
  readonly who: Who;
  readonly id: string;
}

/** A record whose text is known already is not sent again: the question says which state of it that is. */
export function recordReading(
  engine: Engine,
  { name, id }: EntityPlan,
  memory: RecordMemory,
  limits: BatchLimits,
): RecordReading {
  const idType = id === "serial" ? "bigint" : "uuid";
  const oneText = `select place, answer from app.read_${name}($1::text[], $2::${idType}[], $3::text[])`;
  // Many of one asker's: what is known already is no row of the answer.
  const manyText =
    `select place, answer from app.read_${name}(array_fill($1::text, array[cardinality(string_to_array($2, ' '))]), ` +
    `string_to_array($2, ' ')::${idType}[], string_to_array($3, ' ')) where answer <> 'same'`;

  const shownIn = (answer: string, wanted: string, known: KnownBody | undefined): Shown => {
    if (answer === "same" && known !== undefined) return sameAs(known);
    const shown = parseShown(answer);
    if (shown.outcome === "found") memory.keepBody(wanted, shown.stamp, shown.body);
    return shown;
  };
  const batch = new Batch<Wanted, Shown>(async (wanted) => {
    const known = wanted.map((each) => memory.body(each.id));
    const rows = await engine.run({ name: `read_${name}`, text: oneText, writes: false }, [
      wanted.map(({ who }) => who),
      wanted.map((each) => each.id),
      known.map((each) => each?.stamp ?? null),
    ]);
    return inPlace(rows, (answer, index) => shownIn(answer, wanted[index]?.id ?? "", known[index]));
  }, limits);
  return {
    one: (who, wanted) => batch.ask({ who, id: wanted }),
    async all(who, ids) {
      if (ids.length === 0) return [];
      const known = ids.map((each) => memory.body(each));
      const stamps = known.map((each) => each?.stamp ?? "-").join(" ");
      const statement = { name: `read_many_${name}`, text: manyText, writes: false };
      const rows = await engine.run(statement, [who, ids.join(" "), stamps]);
      const shown: (Shown | null)[] = known.map((each) => (each === undefined ? null : sameAs(each)));
      for (const [place, answer] of rows) {
        const index = Number(place) - 1;
        shown[index] = shownIn(textOf(answer), ids[index] ?? "", known[index]);
      }
      const answered = shown.filter((each) => each !== null);
      if (answered.length !== ids.length) throw new Error(`${ids.length} records got ${answered.length} answers`);
      return answered;
    },
  };
}

const sameAs = ({ stamp, body }: KnownBody): Shown => ({
  outcome: "found",
  version: Number.parseInt(stamp, 10),
  stamp,
  body,
});

/** @param text 'found <stamp> <json>', of which the stamp begins with the version; 'gone <moment>'; or a word */
export function parseShown(text: string): Shown {
  const { word, rest } = split(text);
  switch (word) {
    case "found": {
      const { word: stamp, rest: body } = split(rest);
      return { outcome: word, version: Number.parseInt(stamp, 10), stamp, body };
    }
    case "gone":
      return { outcome: word, deletedAt: rest };
    case "not_found":
    case "unauthenticated":
      return { outcome: word };
    default:
      throw unexpected(text);
  }
}
