import { Batch } from "../database/batch.ts";
import type { Engine, Row } from "../database/engine.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { EntityPlan, Plan } from "../plan/plan.ts";

/** Who asks: a user's id, `system` for Gesta itself, null for a visitor. */
export type Who = string | null;

export type Shown =
  | { readonly outcome: "found"; readonly version: number; readonly body: string }
  | { readonly outcome: "gone"; readonly deletedAt: string }
  | { readonly outcome: "not_found" | "unauthenticated" };

export type Page =
  | { readonly outcome: "listed"; readonly next: string | null; readonly body: string }
  | { readonly outcome: "unauthenticated" };

export type LoadedRecord =
  | { readonly outcome: "visible" | "hidden" | "visible_gone" | "hidden_gone"; readonly record: JsonObject }
  | { readonly outcome: "missing" | "unauthenticated" };

/** A decided change, as the database's write function takes it. */
export interface Command {
  readonly actor: Who;
  readonly action: string;
  readonly id: string | null;
  /** The version that the decision was made on; null creates. */
  readonly version: number | null;
  readonly to: string | null;
  readonly type: string;
  /** The id of the event that records it. */
  readonly event: string;
  readonly set: JsonObject;
  readonly secrets: JsonObject;
  readonly request: string | null;
  /** What `Idempotency-Key` makes of the request; absent without one. */
  readonly key?: string;
  readonly fingerprint?: string;
  /** The session of the caller, which a new password leaves open. */
  readonly session?: string;
  /** Nothing changes, but the reply is to be remembered. */
  readonly keep?: true;
  /** What belongs together: the same for a command and its effects. */
  readonly correlation?: string;
  /** The event that brought it about. */
  readonly causation?: string;
  /** Who is recorded, where another than the actor: effects are done by Gesta in the name of the caller. */
  readonly author?: string;
  /** What must happen to other records in the same transaction. */
  readonly effects?: readonly Effect[];
}

export interface Effect extends Omit<Command, "key" | "print" | "keep" | "effects"> {
  readonly entity: string;
}

export type Written =
  | { readonly outcome: "done"; readonly version: number; readonly body: string; readonly replayed: boolean }
  | { readonly outcome: "stale"; readonly current: number }
  | { readonly outcome: "unique" | "reference" | "invalid" | "failed"; readonly broken: string }
  | { readonly outcome: "transition_not_allowed"; readonly state: string }
  | { readonly outcome: "frozen"; readonly state: string; readonly fields: readonly string[] }
  | { readonly outcome: "gone"; readonly deletedAt: string }
  | { readonly outcome: "unchanged" | "conflict" | "forbidden" | "not_found" | "unauthenticated" }
  | { readonly outcome: "in_flight" | "mismatch" };

/** What a key is known for: its reply, another request, or nothing. */
export type Remembered = Extract<Written, { outcome: "done" }> | { readonly outcome: "mismatch" } | null;

/** The records of all entities: the only way to read and to change them. */
export interface RecordsRepository {
  read(entity: string, who: Who, id: string): Promise<Shown>;
  list(entity: string, who: Who, after: string | null, skip: number, limit: number): Promise<Page>;
  load(entity: string, who: Who, id: string): Promise<LoadedRecord>;
  loadBy(entity: string, key: string, value: string): Promise<LoadedRecord>;
  /** The hash of a password, or null. */
  secret(entity: string, field: string, who: Who, id: string): Promise<string | null>;
  write(entity: string, command: Command): Promise<Written>;
  /** The committed reply to an `Idempotency-Key`. */
  replay(key: string, fingerprint: string): Promise<Remembered>;
}

const reads = { size: 32, lanes: 2, waiting: 1000 };
const lists = { size: 8, lanes: 2, waiting: 1000 };
const writes = { size: 32, lanes: 2, waiting: 1000 };

interface OneRecord {
  readonly who: Who;
  readonly id: string;
}

interface OnePage {
  readonly who: Who;
  readonly after: string | null;
  readonly skip: number;
  readonly limit: number;
}

export function recordsRepository(engine: Engine, plan: Plan): RecordsRepository {
  const entities = new Map(plan.entities.map((entity) => [entity.name, ofEntity(engine, entity)]));
  const of = (name: string) => {
    const entity = entities.get(name);
    if (entity === undefined) throw new Error(`no entity '${name}' in the plan`);
    return entity;
  };
  return {
    read: (entity, who, id) => of(entity).read.ask({ who, id }),
    list: (entity, who, after, skip, limit) => of(entity).list.ask({ who, after, skip, limit }),
    load: (entity, who, id) => of(entity).load.ask({ who, id }),
    loadBy: (entity, key, value) => {
      const batch = of(entity).loadBy.get(key);
      if (batch === undefined) throw new Error(`'${key}' of ${entity} is not unique`);
      return batch.ask(value);
    },
    secret: (entity, field, who, id) => of(entity).secret(field, who, id),
    write: (entity, command) => of(entity).write.ask(command),
    async replay(key, fingerprint) {
      const text = "select gesta.replay($1, $2)";
      const [row] = await engine.run({ name: "replay", text, writes: false }, [key, fingerprint]);
      if (row?.[0] == null) return null;
      const written = parseWritten(textOf(row[0]));
      if (written.outcome === "done") return written;
      if (written.outcome === "mismatch") return { outcome: "mismatch" };
      throw unexpected(written.outcome);
    },
  };
}

function ofEntity(engine: Engine, { name, id, indexes }: EntityPlan) {
  const idType = id === "serial" ? "bigint" : "uuid";
  const listText =
    `select app.list_${name}(q.who, q.after, q.skip, q.most) ` +
    `from unnest($1::text[], $2::${idType}[], $3::integer[], $4::integer[]) as q (who, after, skip, most)`;
  const writeText = `select app.write_${name}($1::jsonb)`;
  const byId = <Answer>(verb: string, parse: (answer: string) => Answer) =>
    new Batch<OneRecord, Answer>(async (questions) => {
      const text = `select place, answer from app.${verb}_${name}($1::text[], $2::${idType}[])`;
      const rows = await engine.run({ name: `${verb}_${name}`, text, writes: false }, [
        questions.map(({ who }) => who),
        questions.map((question) => question.id),
      ]);
      return inPlace(rows, parse);
    }, reads);
  const byKey = (key: string) =>
    new Batch<string, LoadedRecord>(async (values) => {
      const text = `select place, answer from app.load_${name}_by_${key}($1::text[])`;
      const rows = await engine.run({ name: `load_${name}_by_${key}`, text, writes: false }, [values]);
      return inPlace(rows, parseLoaded);
    }, reads);
  const keys = indexes.flatMap(({ unique, columns: [key = ""] }) => (unique ? [[key, byKey(key)] as const] : []));
  return {
    read: byId("read", parseShown),
    load: byId("load", parseLoaded),
    loadBy: new Map(keys),
    list: new Batch<OnePage, Page>(async (questions) => {
      const rows = await engine.run({ name: `list_${name}`, text: listText, writes: false }, [
        questions.map(({ who }) => who),
        questions.map(({ after }) => after),
        questions.map(({ skip }) => skip),
        questions.map(({ limit }) => limit),
      ]);
      return rows.map((row) => parsePage(textOf(row[0])));
    }, lists),
    write: new Batch<Command, Written>(async (commands) => {
      const rows = await engine.run({ name: `write_${name}`, text: writeText, writes: true }, [
        JSON.stringify(commands),
      ]);
      return rows.map((row) => parseWritten(textOf(row[0])));
    }, writes),
    async secret(field: string, who: Who, wanted: string) {
      const text = `select app.secret_${name}_${field}($1, $2)`;
      const [row] = await engine.run({ name: `secret_${name}_${field}`, text, writes: false }, [who, wanted]);
      const { word, rest } = split(textOf(row?.[0]));
      return word === "found" ? rest : null;
    },
  };
}

/** Answers come with the place of their question, from 1 on, in any order. */
export function inPlace<Answer>(rows: readonly Row[], parse: (answer: string) => Answer): readonly Answer[] {
  const answers = new Array<Answer>(rows.length);
  for (const [place, answer] of rows) {
    const index = Number(place) - 1;
    if (!(index >= 0 && index < rows.length) || answers[index] !== undefined) {
      throw new Error(`the database gave an answer to place ${place} of ${rows.length}`);
    }
    answers[index] = parse(textOf(answer));
  }
  return answers;
}

export const textOf = (text: Row[number] | undefined): string => {
  if (typeof text !== "string") throw new Error("the database gave no answer");
  return text;
};

export const split = (text: string): { readonly word: string; readonly rest: string } => {
  const space = text.indexOf(" ");
  return space < 0 ? { word: text, rest: "" } : { word: text.slice(0, space), rest: text.slice(space + 1) };
};

export const unexpected = (text: string): Error => new Error(`the database answered '${text.slice(0, 40)}'`);

export function parseShown(text: string): Shown {
  const { word, rest } = split(text);
  switch (word) {
    case "found": {
      const versioned = split(rest);
      return { outcome: word, version: Number(versioned.word), body: versioned.rest };
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

function parsePage(text: string): Page {
  const { word, rest } = split(text);
  if (word === "unauthenticated") return { outcome: word };
  if (word !== "listed") throw unexpected(text);
  const page = split(rest);
  return { outcome: word, next: page.word === "-" ? null : page.word, body: page.rest };
}

function parseLoaded(text: string): LoadedRecord {
  const { word, rest } = split(text);
  switch (word) {
    case "visible":
    case "hidden":
    case "visible_gone":
    case "hidden_gone":
      return { outcome: word, record: JSON.parse(rest) };
    case "missing":
    case "unauthenticated":
      return { outcome: word };
    default:
      throw unexpected(text);
  }
}

function parseWritten(text: string): Written {
  const { word, rest } = split(text);
  switch (word) {
    case "done":
    case "replayed": {
      const versioned = split(rest);
      return {
        outcome: "done",
        version: Number(versioned.word),
        body: versioned.rest,
        replayed: word === "replayed",
      };
    }
    case "stale":
      return { outcome: word, current: Number(rest) };
    case "unique":
    case "reference":
    case "invalid":
    case "failed":
      return { outcome: word, broken: rest };
    case "transition_not_allowed":
      return { outcome: word, state: rest };
    case "frozen": {
      const [state = "", ...fields] = rest.split(" ");
      return { outcome: word, state, fields };
    }
    case "gone":
      return { outcome: word, deletedAt: rest };
    case "unchanged":
    case "conflict":
    case "forbidden":
    case "not_found":
    case "unauthenticated":
    case "in_flight":
    case "mismatch":
      return { outcome: word };
    default:
      throw unexpected(text);
  }
}
