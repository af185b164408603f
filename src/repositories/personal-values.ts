import type { JsonObject } from "../kernel/json.ts";
import { isSealed, newSubjectKey, open, seal } from "../kernel/sealing.ts";
import type { Plan } from "../plan/plan.ts";
import { personalFields } from "../plan/purging.ts";
import type { EventRow } from "./stored-event.ts";
import type { SubjectKeys } from "./subject-keys/subject-keys.ts";

/** What a command would write, as far as it is to be sealed. */
export interface Sealable {
  readonly entity?: string;
  readonly id: string | null;
  readonly version: number | null;
  readonly set: JsonObject;
  readonly keep?: true;
  readonly dry?: true;
  readonly effects?: readonly (Sealable & { readonly entity: string })[];
}

/** What a command carries besides, once it is sealed. */
export interface SealedParts {
  /** Its personal values as events hold them. */
  readonly sealed?: JsonObject;
  /** The key of a new subject, where it is kept in the command's own transaction. */
  readonly subject_key?: string;
}

/** A value that somebody changed by hand in the database: version, field, value, and the digest that the event has. */
export type AsideRow = readonly [version: number, field: string, value: JsonObject[string], digest: string];

/** Values of one stream as events hold them. */
export interface SealedSlice {
  readonly stream: string;
  readonly before: JsonObject;
  readonly rows: readonly EventRow[];
  readonly aside: readonly AsideRow[];
}

export interface OpenSlice {
  readonly before: JsonObject;
  readonly rows: readonly EventRow[];
  /** Fields by version whose values cannot be opened. They are null: their key is destroyed or missing, or they were changed. */
  readonly erased: ReadonlyMap<number, readonly string[]>;
}

/** Seals personal values before they are written to events, and opens them when they are read. */
export interface PersonalValues {
  /** Whether anything of the command is to be sealed. */
  concerns(entity: string, command: Sealable): boolean;
  /** Seals the personal values of a command and its effects. `done` is to be told whether it was written, and stays. */
  seal<C extends Sealable>(
    entity: string,
    command: C,
    isDry?: boolean,
  ): Promise<{ readonly command: C; readonly done: (written: boolean) => Promise<void> }>;
  openEvents(entity: string, slices: readonly SealedSlice[]): Promise<readonly OpenSlice[]>;
  /** Records as JSON text with sealed values in it, as `shown_past_…` writes them. */
  openTexts(entity: string, texts: readonly string[]): Promise<readonly string[]>;
}

/** As `gesta.past_value` writes it: a member's value, never part of a text, where the quotes would be escaped. */
const marked =
  /(?<="([a-z][a-z0-9_]*)":)\{"sealed": "([A-Za-z0-9+/=]+)", "stream": "([0-9a-f-]{36})", "version": (\d+)\}/g;

export function personalValues(plan: Plan, keys: SubjectKeys): PersonalValues {
  const names = new Map(plan.entities.map((entity) => [entity.name, personalFields(entity).map(({ name }) => name)]));
  const wanted = (entity: string, { set, keep }: Sealable): readonly string[] =>
    keep === true ? [] : (names.get(entity) ?? []).filter((name) => set[name] != null);

  /** One command by itself: its parts, and the subject whose key was made for it. */
  async function sealOne(
    entity: string,
    command: Sealable,
    isDry: boolean,
  ): Promise<SealedParts & { readonly made?: string }> {
    const fields = wanted(entity, command);
    if (fields.length === 0) return {};
    const stream = command.id;
    if (stream === null) throw new Error(`${entity} are sealed before they have an id`);
    const known = command.version === null ? null : ((await keys.keysOf([stream]))[0] ?? null);
    const key = known ?? newSubjectKey();
    const isKept = known !== null || (isDry ? false : await keys.keep(stream, key));
    const version = (command.version ?? 0) + 1;
    return {
      sealed: Object.fromEntries(
        fields.map((field) => [field, { ...seal(key, { stream, version, field }, command.set[field] ?? null) }]),
      ),
      ...(isKept ? {} : { subject_key: key.toString("base64") }),
      // Only that of a new record is nobody else's yet: of any other, another command may have used it meanwhile.
      ...(command.version === null && isKept ? { made: stream } : {}),
    };
  }

  async function keysFor(streams: Iterable<string>): Promise<ReadonlyMap<string, Buffer>> {
    const different = [...new Set(streams)];
    if (different.length === 0) return new Map();
    const found = await keys.keysOf(different);
    return new Map(different.flatMap((stream, index) => (found[index] == null ? [] : [[stream, found[index]]])));
  }

  return {
    concerns: (entity, command) =>
      wanted(entity, command).length > 0 ||
      (command.effects ?? []).some((effect) => wanted(effect.entity, effect).length > 0),
    async seal(entity, command, isDry = command.dry === true) {
      const { made, ...own } = await sealOne(entity, command, isDry);
      const effects = await Promise.all(
        (command.effects ?? []).map(async (effect) => ({ effect, parts: await sealOne(effect.entity, effect, isDry) })),
      );
      const subjects = [made, ...effects.map(({ parts }) => parts.made)].filter((each) => each !== undefined);
      return {
        command: {
          ...command,
          ...own,
          ...(command.effects === undefined
            ? {}
            : { effects: effects.map(({ effect, parts: { made: _, ...parts } }) => ({ ...effect, ...parts })) }),
        },
        async done(written) {
          if (!written) await Promise.all(subjects.map((subject) => keys.discard(subject)));
        },
      };
    },
    async openEvents(entity, slices) {
      const fields = names.get(entity) ?? [];
      if (fields.length === 0) return slices.map(({ before, rows }) => ({ before, rows, erased: new Map() }));
      const found = await keysFor(slices.filter((slice) => hasSealed(slice, fields)).map(({ stream }) => stream));
      return slices.map((slice) => openSlice(slice, fields, found.get(slice.stream) ?? null));
    },
    async openTexts(entity, texts) {
      if ((names.get(entity) ?? []).length === 0) return texts;
      const found = await keysFor(
        texts.flatMap((text) => [...text.matchAll(marked)].map(([, , , stream = ""]) => stream)),
      );
      return texts.map((text) =>
        text.replaceAll(marked, (_, field: string, sealed: string, stream: string, version: string) =>
          JSON.stringify(
            opened(found.get(stream) ?? null, { stream, version: Number(version), field }, sealed) ?? null,
          ),
        ),
      );
    },
  };
}

const hasSealed = ({ before, rows }: SealedSlice, fields: readonly string[]): boolean =>
  [before, ...rows.map(([, data]) => data)].some((data) => fields.some((field) => isSealed(data[field])));

/** The value, or undefined where the key does not open it. */
function opened(key: Buffer | null, place: Parameters<typeof open>[1], sealed: string) {
  if (key === null) return undefined;
  try {
    return open(key, place, sealed);
  } catch {
    return undefined;
  }
}

function openSlice(
  { stream, before, rows, aside }: SealedSlice,
  fields: readonly string[],
  key: Buffer | null,
): OpenSlice {
  const erased = new Map<number, readonly string[]>();
  const miss = (field: string, found: number) => erased.set(found, [...(erased.get(found) ?? []), field]);
  const openValue = (value: JsonObject[string], field: string, found: number) => {
    if (isSealed(value)) {
      const plain = opened(key, { stream, version: value.version, field }, value.sealed);
      if (plain === undefined) miss(field, found);
      return plain ?? null;
    }
    if (!isAside(value)) return value;
    const kept = aside.find(([version, name]) => version === value.version && name === field);
    if (kept === undefined || kept[3] !== value.aside) miss(field, found);
    return kept?.[2] ?? null;
  };
  const openData = (data: JsonObject, found: number): JsonObject => {
    const held = fields.filter((field) => data[field] != null);
    if (held.length === 0) return data;
    return {
      ...data,
      ...Object.fromEntries(held.map((field) => [field, openValue(data[field] ?? null, field, found)])),
    };
  };
  return {
    before: openData(before, 0),
    rows: rows.map((row): EventRow => [row[0], openData(row[1], row[0]), ...rest(row)]),
    erased,
  };
}

const rest = ([, , ...others]: EventRow) => others;

const isAside = (value: JsonObject[string]): value is { readonly aside: string; readonly version: number } =>
  typeof value === "object" && value !== null && "aside" in value && "version" in value;
