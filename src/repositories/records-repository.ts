import { Batch, limitsOn } from "../database/batch.ts";
import { DatabaseError, type Engine } from "../database/engine.ts";
import type { ListQuery } from "../domain/reading/list-query.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { EntityPlan, Plan } from "../plan/plan.ts";
import { personalFields } from "../plan/purging.ts";
import { split, textOf, unexpected } from "./answers.ts";
import { type PersonalValues, personalValues, type SealedParts } from "./personal-values.ts";
import { type LoadedRecord, recordLoading } from "./record-loading.ts";
import { noMemory, type RecordMemory, recordMemory } from "./record-memory.ts";
import { type Page, recordPages } from "./record-pages.ts";
import { recordReading, type Shown, type Who } from "./record-reading.ts";
import { writeAllSealed, writeSealed } from "./sealed-records.ts";
import { schemaKeys } from "./subject-keys/schema-keys.ts";

export type { LoadedRecord, Page, Shown, Who };

/** A decided change, as the database's write function takes it. */
export interface Command extends SealedParts {
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
  /** The hashes of new passwords, by their fields. */
  readonly secrets?: JsonObject;
  readonly request: string | null;
  /** What `Idempotency-Key` makes of the request; absent without one. */
  readonly key?: string;
  readonly fingerprint?: string;
  /** The session of the caller, which a new password leaves open. */
  readonly session?: string;
  /** Does all and takes it back. */
  readonly dry?: true;
  /** The digest of what a delete touches, as the caller saw it. */
  readonly agreed?: string;
  /** Nothing changes, but the reply is to be remembered. */
  readonly keep?: true;
  /** One of many: the answer is the id alone. */
  readonly brief?: true;
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
  | { readonly outcome: "unchanged" | "conflict" | "forbidden" | "not_found" | "unauthenticated" | "purged" }
  /** A lock was waited for too long: somebody works on it outside. */
  | { readonly outcome: "locked" }
  | { readonly outcome: "in_flight" | "mismatch" }
  | { readonly outcome: "blocked" | "too_many" | "unconfirmed" }
  | { readonly outcome: "held"; readonly entity: string; readonly field: string };

/** Records that hang on another one, by the field through which they do. */
export interface Edge {
  /** What a delete does to them. */
  readonly rule: "restrict" | "cascade" | "detach";
  readonly entity: string;
  readonly field: string;
  readonly count: number;
  /** Of those that the asker may read, a hundred at most. */
  readonly ids: readonly string[];
  /** Whether there are others than these. */
  readonly more: boolean;
}

/** What deleting a record would touch. */
export interface Impact {
  readonly edges: readonly Edge[];
  /** The same as long as the same records are touched, as they are now. */
  readonly digest: string;
}

/** Commands that stand or fall together, and what belongs to their call. */
export interface WholeCall {
  readonly mode: string;
  /** What the reply says of a command that was done. */
  readonly status: number;
  /** What it says of each item, in order; null for the commands, each in its turn. Absent where all items are commands. */
  readonly results?: readonly (string | null)[];
  readonly key?: string;
  readonly fingerprint?: string;
  /** The reply is kept for good: a file is never stored twice. */
  readonly lasting?: true;
  /** Does all and takes it back. */
  readonly dry?: true;
}

export type WrittenWhole =
  | { readonly outcome: "done"; readonly body: string; readonly replayed: boolean }
  /** Nothing was done; `done` stands for a command that could have been. */
  | { readonly outcome: "refused"; readonly answers: readonly Written[] }
  | { readonly outcome: "in_flight" | "mismatch" };

/** What a key is known for: its reply, another request, or nothing. */
export type Remembered = Extract<Written, { outcome: "done" }> | { readonly outcome: "mismatch" } | null;

/** The records of all entities: the only way to read and to change them. */
export interface RecordsRepository {
  read(entity: string, who: Who, id: string): Promise<Shown>;
  /** Records by their ids, in one statement, each answered in its place. */
  readAll(entity: string, who: Who, ids: readonly string[]): Promise<readonly Shown[]>;
  list(entity: string, who: Who, query: ListQuery): Promise<Page>;
  /** How many records a list has in all; null where that takes too long to find out. */
  count(entity: string, who: Who, query: ListQuery): Promise<number | null>;
  load(entity: string, who: Who, id: string): Promise<LoadedRecord>;
  /** Records by their ids, in one statement, each answered in its place. */
  loadAll(entity: string, who: Who, ids: readonly string[]): Promise<readonly LoadedRecord[]>;
  loadBy(entity: string, key: string, value: string): Promise<LoadedRecord>;
  /** The hash of a password, or null. */
  secret(entity: string, field: string, who: Who, id: string): Promise<string | null>;
  write(entity: string, command: Command): Promise<Written>;
  /** All commands or none, in one statement, and the reply to them all. */
  writeAll(entity: string, commands: readonly Command[], call: WholeCall): Promise<WrittenWhole>;
  /**
   * Commands in one statement, each done or refused by itself. They go as they are, past the batches of `write`: not for
   * entities with passwords or personal data.
   */
  writeMany(entity: string, commands: readonly Command[]): Promise<readonly Written[]>;
  impact(
    entity: string,
    who: Who,
    id: string,
  ): Promise<({ readonly outcome: "told" } & Impact) | { readonly outcome: "not_found" | "unauthenticated" }>;
  /** The committed reply to an `Idempotency-Key`. */
  replay(key: string, fingerprint: string): Promise<Remembered>;
}

const readLimits = { size: 32, lanes: 2, waiting: 1000 };
const listLimits = { size: 32, lanes: 2, waiting: 1000 };
/** One statement at a time, as a rule, and the next at once: two hinder each other and Node (docs/decisions/0034). */
const writeLimits = { size: 32, lanes: 2, patience: 20, waiting: 1000 };
/** A statement of a thousand commands holds its connection for long: the others stay free for the rest. */
const wholeWrites = { size: 1, lanes: 2, waiting: 100 };

interface OneCall {
  readonly commands: readonly Command[];
  readonly call: WholeCall;
}

export function recordsRepository(engine: Engine, plan: Plan, keys = schemaKeys(engine)): RecordsRepository {
  const personal = personalValues(plan, keys);
  const memoryOf = recordMemory(() => engine.losses?.() ?? 0);
  const entities = new Map(
    plan.entities.map((entity) => {
      // What is personal stays in the database, where a purge finds it.
      const memory = personalFields(entity).length > 0 ? noMemory : memoryOf(entity.name);
      return [entity.name, ofEntity(engine, plan, entity, personal, memory)];
    }),
  );
  const of = (name: string) => {
    const entity = entities.get(name);
    if (entity === undefined) throw new Error(`no entity '${name}' in the plan`);
    return entity;
  };
  return {
    read: (entity, who, id) => of(entity).reading.one(who, id),
    readAll: (entity, who, ids) => of(entity).reading.all(who, ids),
    list: (entity, who, query) => of(entity).pages.list(who, query),
    count: (entity, who, query) => of(entity).pages.count(who, query),
    load: (entity, who, id) => of(entity).loading.one(who, id),
    loadAll: (entity, who, ids) => of(entity).loading.all(who, ids),
    loadBy: (entity, key, value) => of(entity).loading.by(key, value),
    secret: (entity, field, who, id) => of(entity).secret(field, who, id),
    write: (entity, plain) => writeSealed(personal, entity, plain, (command) => of(entity).write.ask(command)),
    writeAll: (entity, plain, call) =>
      writeAllSealed(personal, entity, plain, call, (commands) => of(entity).writeAll.ask({ commands, call })),
    writeMany: (entity, commands) => of(entity).writeMany(commands),
    async impact(entity, who, id) {
      const text = "select gesta.impact($1, $2, $3)";
      const [row] = await engine.run({ name: "impact", text, writes: false }, [who, entity, id]);
      const { word, rest } = split(textOf(row?.[0]));
      if (word === "not_found" || word === "unauthenticated") return { outcome: word };
      if (word !== "told") throw unexpected(word);
      const told = split(rest);
      // `gesta.impact` builds exactly this shape.
      return { outcome: word, digest: told.word, edges: JSON.parse(told.rest) as Edge[] };
    },
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

function ofEntity(engine: Engine, plan: Plan, entity: EntityPlan, personal: PersonalValues, memory: RecordMemory) {
  const { name } = entity;
  const writeAllText = `select app.write_all_${name}($1::jsonb, $2::jsonb)`;
  const writeText = `select app.write_${name}($1::jsonb)`;
  const reads = limitsOn(engine, readLimits);
  const reading = recordReading(engine, entity, memory, reads);
  const limits = limitsOn(engine, listLimits);
  const writes = limitsOn(engine, writeLimits);
  return {
    reading,
    pages: recordPages({ engine, entity, memory, personal, limits }),
    loading: recordLoading(engine, plan, entity, memory, reads),
    writeAll: new Batch<OneCall, WrittenWhole>(async ([whole]) => {
      if (whole === undefined) return [];
      const { commands, call } = whole;
      const parameters = [sentText(commands), JSON.stringify(call)];
      try {
        const rows = await engine.run({ name: `write_all_${name}`, text: writeAllText, writes: true }, parameters);
        return [parseWhole(rows.map((row) => textOf(row[0])))];
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        if (!["40001", "40P01"].includes(error.sqlState)) throw error;
        return [{ outcome: "refused", answers: commands.map(() => ({ outcome: "conflict" })) }];
      }
    }, wholeWrites),
    write: new Batch<Command, Written>(async (commands) => {
      const statement = { name: `write_${name}`, text: writeText, writes: true };
      try {
        const rows = await engine.run(statement, [sentText(commands)]);
        return rows.map((row) => parseWritten(textOf(row[0])));
      } catch (error) {
        if (!(error instanceof DatabaseError) || commands.length > 1) throw error;
        // Two deletes that met each other's records: nothing was written, and the next try sees what the other did.
        if (["40001", "40P01"].includes(error.sqlState)) return [{ outcome: "conflict" }];
        throw error;
      }
    }, writes),
    async writeMany(commands: readonly Command[]) {
      const statement = { name: `write_${name}`, text: writeText, writes: true };
      const rows = await engine.run(statement, [sentText(commands)]);
      return rows.map((row) => parseWritten(textOf(row[0])));
    },
    async secret(field: string, who: Who, wanted: string) {
      const text = `select app.secret_${name}_${field}($1, $2)`;
      const [row] = await engine.run({ name: `secret_${name}_${field}`, text, writes: false }, [who, wanted]);
      const { word, rest } = split(textOf(row?.[0]));
      return word === "found" ? rest : null;
    },
  };
}

/** Commands as JSON, without what says nothing: the database would have to read it. */
const sentText = (commands: readonly Command[]): string =>
  JSON.stringify(
    commands.map((command) => ({
      ...command,
      actor: command.actor ?? undefined,
      id: command.id ?? undefined,
      version: command.version ?? undefined,
      to: command.to ?? undefined,
      request: command.request ?? undefined,
    })),
  );

function parseWhole([reply = "", ...answers]: readonly string[]): WrittenWhole {
  if (reply === "refused") return { outcome: reply, answers: answers.map(parseWritten) };
  const written = parseWritten(reply);
  if (written.outcome === "done" || written.outcome === "in_flight" || written.outcome === "mismatch") return written;
  throw unexpected(reply);
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
    case "held": {
      const { word: entity, rest: field } = split(rest);
      return { outcome: word, entity, field };
    }
    case "unchanged":
    case "purged":
    case "conflict":
    case "locked":
    case "forbidden":
    case "not_found":
    case "unauthenticated":
    case "in_flight":
    case "mismatch":
    case "blocked":
    case "too_many":
    case "unconfirmed":
      return { outcome: word };
    default:
      throw unexpected(text);
  }
}
