import { Batch, type BatchLimits } from "../database/batch.ts";
import type { Engine } from "../database/engine.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { EntityPlan } from "../plan/plan.ts";
import { inPlace, split, unexpected } from "./answers.ts";
import type { KnownBody, RecordMemory } from "./record-memory.ts";
import type { Who } from "./record-reading.ts";

/** A record as decisions need it: whole. `hidden` is one that the asker may not see. */
export type LoadedRecord =
  | { readonly outcome: "visible" | "hidden" | "visible_gone" | "hidden_gone"; readonly record: JsonObject }
  | { readonly outcome: "missing" | "unauthenticated" };

/** Records for decisions. */
export interface RecordLoading {
  one(who: Who, id: string): Promise<LoadedRecord>;
  /** In one statement, each answered in its place. */
  all(who: Who, ids: readonly string[]): Promise<readonly LoadedRecord[]>;
  /** By a field whose values are unique. @throws Error for another field */
  by(key: string, value: string): Promise<LoadedRecord>;
}

interface Wanted {
  readonly who: Who;
  readonly id: string;
}

/** As in reading, a record whose text is known is not sent again; each decision has an object of its own all the same. */
export function recordLoading(
  engine: Engine,
  { name, id, indexes }: EntityPlan,
  memory: RecordMemory,
  limits: BatchLimits,
): RecordLoading {
  const idType = id === "serial" ? "bigint" : "uuid";
  const text = `select place, answer from app.load_${name}($1::text[], $2::${idType}[], $3::text[])`;
  const load = async (wanted: readonly Wanted[]): Promise<readonly LoadedRecord[]> => {
    const known = wanted.map((each) => memory.whole(each.id));
    const rows = await engine.run({ name: `load_${name}`, text, writes: false }, [
      wanted.map(({ who }) => who),
      wanted.map((each) => each.id),
      known.map((each) => each?.stamp ?? null),
    ]);
    return inPlace(rows, (answer, index) => loadedIn(answer, wanted[index]?.id ?? "", known[index]));
  };
  const loadedIn = (answer: string, wanted: string, known: KnownBody | undefined): LoadedRecord => {
    const { word: outcome, rest } = split(answer);
    if (!hasRecord(outcome)) return withoutRecord(outcome);
    const { word: stamp, rest: body } = split(rest);
    if (body !== "") memory.keepWhole(wanted, stamp, body);
    else if (stamp !== known?.stamp) throw unexpected(answer);
    return { outcome, record: JSON.parse(body === "" ? (known?.body ?? "") : body) };
  };
  const batch = new Batch<Wanted, LoadedRecord>(load, limits);
  const byKey = (key: string) =>
    new Batch<string, LoadedRecord>(async (values) => {
      const found = `select place, answer from app.load_${name}_by_${key}($1::text[])`;
      const rows = await engine.run({ name: `load_${name}_by_${key}`, text: found, writes: false }, [values]);
      return inPlace(rows, (answer) => {
        const { word: outcome, rest } = split(answer);
        return hasRecord(outcome) ? { outcome, record: JSON.parse(rest) } : withoutRecord(outcome);
      });
    }, limits);
  const keys = new Map(
    indexes.flatMap(({ unique, columns: [key = ""] }) => (unique ? [[key, byKey(key)] as const] : [])),
  );
  return {
    one: (who, wanted) => batch.ask({ who, id: wanted }),
    all: (who, ids) => load(ids.map((each) => ({ who, id: each }))),
    by(key, value) {
      const asked = keys.get(key);
      if (asked === undefined) throw new Error(`'${key}' of ${name} is not unique`);
      return asked.ask(value);
    },
  };
}

type WithRecord = Extract<LoadedRecord, { readonly record: JsonObject }>["outcome"];

const hasRecord = (word: string): word is WithRecord =>
  word === "visible" || word === "hidden" || word === "visible_gone" || word === "hidden_gone";

function withoutRecord(word: string): LoadedRecord {
  if (word === "missing" || word === "unauthenticated") return { outcome: word };
  throw unexpected(word);
}
