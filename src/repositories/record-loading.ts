import { Batch, type BatchLimits } from "../database/batch.ts";
import type { Engine } from "../database/engine.ts";
import type { JsonObject } from "../kernel/json.ts";
import { isOpen } from "../plan/open-entities.ts";
import type { EntityPlan, Plan } from "../plan/plan.ts";
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

/** A record as the database has it: each decision makes an object of its own of it. */
type LoadedText =
  | { readonly outcome: WithRecord; readonly body: string }
  | { readonly outcome: Exclude<LoadedRecord["outcome"], WithRecord> };

/**
 * As in reading, a record whose text is known is not sent again. Questions that have the same answer are asked once:
 * those of one actor, and of all where everybody may read the records.
 */
export function recordLoading(
  engine: Engine,
  plan: Plan,
  entity: EntityPlan,
  memory: RecordMemory,
  limits: BatchLimits,
): RecordLoading {
  const { name, indexes } = entity;
  const idType = entity.id === "serial" ? "bigint" : "uuid";
  const text = `select place, answer from app.load_${name}($1::text[], $2::${idType}[], $3::text[])`;
  const load = async (wanted: readonly Wanted[]): Promise<readonly LoadedText[]> => {
    const known = wanted.map((each) => memory.whole(each.id));
    const rows = await engine.run({ name: `load_${name}`, text, writes: false }, [
      wanted.map(({ who }) => who),
      wanted.map((each) => each.id),
      known.map((each) => each?.stamp ?? null),
    ]);
    return inPlace(rows, (answer, index) => loadedIn(answer, wanted[index]?.id ?? "", known[index]));
  };
  const loadedIn = (answer: string, wanted: string, known: KnownBody | undefined): LoadedText => {
    const { word: outcome, rest } = split(answer);
    if (!hasRecord(outcome)) return withoutRecord(outcome);
    const { word: stamp, rest: body } = split(rest);
    if (body !== "") memory.keepWhole(wanted, stamp, body);
    else if (stamp !== known?.stamp) throw unexpected(answer);
    return { outcome, body: body === "" ? (known?.body ?? "") : body };
  };
  const batch = new Batch<Wanted, LoadedText>(
    load,
    limits,
    isOpen(plan, entity) ? ({ id }) => id : ({ who, id }) => `${who} ${id}`,
  );
  const byKey = (key: string) =>
    new Batch<string, LoadedText>(
      async (values) => {
        const found = `select place, answer from app.load_${name}_by_${key}($1::text[])`;
        const rows = await engine.run({ name: `load_${name}_by_${key}`, text: found, writes: false }, [values]);
        return inPlace(rows, (answer) => {
          const { word: outcome, rest } = split(answer);
          return hasRecord(outcome) ? { outcome, body: rest } : withoutRecord(outcome);
        });
      },
      limits,
      (value) => value,
    );
  const keys = new Map(
    indexes.flatMap(({ unique, columns: [key = ""] }) => (unique ? [[key, byKey(key)] as const] : [])),
  );
  return {
    one: async (who, wanted) => recordIn(await batch.ask({ who, id: wanted })),
    all: async (who, ids) => (await load(ids.map((each) => ({ who, id: each })))).map(recordIn),
    async by(key, value) {
      const asked = keys.get(key);
      if (asked === undefined) throw new Error(`'${key}' of ${name} is not unique`);
      return recordIn(await asked.ask(value));
    },
  };
}

type WithRecord = Extract<LoadedRecord, { readonly record: JsonObject }>["outcome"];

const hasRecord = (word: string): word is WithRecord =>
  word === "visible" || word === "hidden" || word === "visible_gone" || word === "hidden_gone";

const recordIn = (loaded: LoadedText): LoadedRecord =>
  "body" in loaded ? { outcome: loaded.outcome, record: JSON.parse(loaded.body) } : loaded;

function withoutRecord(word: string): Exclude<LoadedText, { readonly body: string }> {
  if (word === "missing" || word === "unauthenticated") return { outcome: word };
  throw unexpected(word);
}
