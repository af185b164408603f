import { goneSince } from "../domain/deletion.ts";
import { visitorsMay } from "../domain/permit.ts";
import { type AggregateQuery, groupsOf, readAggregateQuery } from "../domain/reading/aggregate-query.ts";
import type { Expansion } from "../domain/reading/expansion.ts";
import { cut } from "../domain/reading/field-mask.ts";
import {
  boundTo,
  type ListQuery,
  type Parameters,
  type Reader,
  type RecordQuery,
  readListQuery,
  readRecordQuery,
  type Shape,
} from "../domain/reading/list-query.ts";
import type { Cursors } from "../kernel/cursor.ts";
import type { Fault } from "../kernel/fault.ts";
import type { JsonObject } from "../kernel/json.ts";
import { Refusal } from "../kernel/refusal.ts";
import { measures } from "../plan/aggregates.ts";
import { seesDeleted } from "../plan/audience.ts";
import type { EntityPlan, Plan } from "../plan/plan.ts";
import { personalFields } from "../plan/purging.ts";
import type { AggregatesRepository } from "../repositories/aggregates-repository.ts";
import type { PastRepository } from "../repositories/past-repository.ts";
import type { RecordsRepository, Shown, Who } from "../repositories/records-repository.ts";
import { expand } from "./expand-records.ts";
import { type Expanded, expandText, isSpliced, nestedNames, type Pieces, piecesOf } from "./expand-text.ts";

export interface ShownRecord {
  readonly version: number;
  /** Whether this is the record as every reply has it, not a part of it or more. */
  readonly whole: boolean;
  /** The record as JSON text, with the fields that the actor may read. */
  readonly body: string;
}

export interface ShownPage {
  readonly limit: number;
  readonly skip: number;
  /** The cursor of the next page, or null on the last one. */
  readonly next: string | null;
  /** How many there are on all pages; null where nobody asked, or where it takes too long. */
  readonly total: number | null;
  /** The records as the text of a JSON array. */
  readonly body: string;
}

export interface ShownGroups {
  readonly limit: number;
  /** The cursor of the next page, or null on the last one. */
  readonly next: string | null;
  /** The groups as the text of a JSON array. */
  readonly body: string;
}

/**
 * Finds out who asks, and whether this may be asked with what the caller is known by: reading, or what takes the right
 * to an action. A wrong question is refused before a wrong token.
 */
export type Identify = (entity: string, action?: "restore") => Promise<Who>;

/** Reading, now or as of a moment: row-level security decides by the records of today, here only what no visitor ever sees is turned away early. */
export interface QueriesService {
  /** @throws Refusal `invalid_query` with every fault; `unauthenticated`, `not_found`, `gone` */
  read(entity: string, identify: Identify, id: (who: Who) => string, parameters: Parameters): Promise<ShownRecord>;
  /** @throws Refusal `invalid_query` with every fault; `unauthenticated`; `forbidden` where deleted records are asked for */
  list(entity: string, identify: Identify, parameters: Parameters): Promise<ShownPage>;
  /** Of an entity that allows it. @throws Refusal `invalid_query` with every fault; `unauthenticated` */
  aggregate(entity: string, identify: Identify, parameters: Parameters): Promise<ShownGroups>;
}

interface Parts {
  readonly plan: Plan;
  readonly records: RecordsRepository;
  readonly past: PastRepository;
  readonly aggregates: AggregatesRepository;
  readonly cursors: Cursors;
  readonly roleOf: (who: Who) => Promise<string | null>;
}

export function queriesService({ plan, records, past, aggregates, cursors, roleOf }: Parts): QueriesService {
  const open = new Map(plan.entities.map((entity) => [entity.name, visitorsMay(entity.read, entity)]));
  const entities = new Map(plan.entities.map((entity) => [entity.name, entity]));
  const nested = nestedNames(plan);
  const masked = plan.entities.flatMap(({ members }) =>
    members.filter(({ readBy }) => readBy !== null).map(({ name }) => name.replace(/_ids?$/, "")),
  );
  const personal = plan.entities.filter((entity) => personalFields(entity).length > 0).map(({ name }) => name);
  // What was made of a question or a page is kept with it, for as long as somebody else keeps that.
  const understood = new WeakMap<Parameters, ListQuery>();
  // Two lists can have a page in common, but no cursor: a filter that all records behind a cursor pass is not asked for.
  const shownPages = new WeakMap<Body, { readonly query: ListQuery; readonly shown: ShownPage }>();
  const expandedTexts = new WeakMap<Body, ExpandedText>();

  /** Who asks for what. Only a query that names a field with readers of its own has to know the caller's role. */
  async function asked<Query extends Shape>(
    entity: EntityPlan,
    identify: Identify,
    parameters: Parameters,
    read: (parameters: Parameters, reader: Reader, faults: Fault[]) => Query,
    known?: WeakMap<Parameters, Query>,
  ): Promise<{ readonly who: Who; readonly query: Query }> {
    const before = known?.get(parameters);
    if (before !== undefined) return { who: await admitted(entity, identify, before), query: before };
    const text = [...parameters].flat().join(" ");
    const audience = masked.some((name) => text.includes(name)) ? await roleOf(await identify(entity.name)) : null;
    const faults: Fault[] = [];
    const query = read(parameters, { plan, entity, audience, cursors }, faults);
    const isOpen = open.get(entity.name) === true;
    if (faults.length > 0) {
      const known = isOpen || (await identify(entity.name).catch(() => null)) !== null;
      throw new Refusal("invalid_query", { errors: known ? faults : faults.map(untold) });
    }
    if (audience === null) known?.set(parameters, query);
    return { who: await admitted(entity, identify, query), query };
  }

  /** Who asks, if what they ask for is not closed to them from the start. */
  async function admitted(entity: EntityPlan, identify: Identify, { expansions }: Shape): Promise<Who> {
    const who = await identify(entity.name);
    if (who === null && open.get(entity.name) !== true) throw new Refusal("unauthenticated");
    for (const target of targetsOf(expansions)) await identify(target);
    return who;
  }

  /**
   * What is shown of a record or a page: the very same object where nothing has changed since the last time.
   * @param moment when, for what is expanded; null for now
   */
  async function shaped<Text extends Body>(shape: Shape, who: Who, whole: Text, moment: string | null): Promise<Body> {
    if (isWhole(shape)) return whole;
    const { fields, expansions } = shape;
    const readMany = (entity: string, ids: readonly string[]) =>
      moment === null ? records.readAll(entity, who, ids) : past.allAt(entity, who, ids, moment);
    if (fields === null && isSpliced(expansions, nested)) {
      const kept = expandedTexts.get(whole);
      const before =
        kept?.expansions === expansions ? kept : { pieces: piecesOf(expansions, whole.body), expanded: null };
      const expanded = await expandText(readMany, expansions, before.pieces, before.expanded);
      // What is personal stays in the database, where a purge finds it.
      const isPersonal = targetsOf(expansions).some((target) => personal.includes(target));
      if (!isPersonal && expanded.body.length <= mostExpanded * whole.body.length) {
        expandedTexts.set(whole, { expansions, pieces: before.pieces, expanded });
      }
      return expanded;
    }
    const value: JsonObject | readonly JsonObject[] = JSON.parse(whole.body); // one record or a list of them, as the database made it
    const expanded = await expand(readMany, expansions, Array.isArray(value) ? value : [value]);
    return { body: JSON.stringify(cut(Array.isArray(value) ? expanded : expanded[0], fields)) };
  }

  /** Which deleted records they are, the database decides by the same policy. */
  async function demandSightOfDeleted(entity: EntityPlan, identify: Identify): Promise<void> {
    const who = await identify(entity.name, "restore");
    if (seesDeleted(entity, await roleOf(who)) !== "never") return;
    throw new Refusal(who === null ? "unauthenticated" : "forbidden");
  }

  const of = (name: string): EntityPlan => {
    const entity = entities.get(name);
    if (entity === undefined) throw new Error(`no entity '${name}' in the plan`);
    return entity;
  };

  /** A whole record of now, which is what is asked most: nothing of the question has to be read. */
  async function readNow(name: string, identify: Identify, id: (who: Who) => string): Promise<ShownRecord> {
    const who = await identify(name);
    if (who === null && open.get(name) !== true) throw new Refusal("unauthenticated");
    const shown = await records.read(name, who, id(who));
    if (shown.outcome === "found") return { version: shown.version, whole: true, body: shown.body };
    throw unseen(of(name), shown);
  }

  return {
    async read(name, identify, id, parameters) {
      if (parameters.size === 0) return readNow(name, identify, id);
      const { who, query } = await asked<RecordQuery>(of(name), identify, parameters, readRecordQuery);
      const { point } = query;
      const shown = point === null ? await records.read(name, who, id(who)) : await past.at(name, who, id(who), point);
      switch (shown.outcome) {
        case "found": {
          const moment = point === null ? null : (point.moment ?? updatedAt(shown.body));
          const { body } = await shaped(query, who, { body: shown.body }, moment);
          return { version: shown.version, whole: isWhole(query), body };
        }
        case "future":
          throw future();
        case "gone":
        case "not_found":
        case "unauthenticated":
          throw unseen(of(name), shown);
      }
    },
    async list(name, identify, parameters) {
      const entity = of(name);
      const { who, query } = await asked<ListQuery>(entity, identify, parameters, readListQuery, understood);
      if (query.deleted !== null) await demandSightOfDeleted(entity, identify);
      const [page, total] = await Promise.all([
        records.list(name, who, query),
        query.count === "none" ? null : records.count(name, who, query),
      ]);
      if (page.outcome !== "listed") throw page.outcome === "future" ? future() : new Refusal(page.outcome);
      const text = await shaped(query, who, page, query.asOf);
      const known = shownPages.get(text);
      if (known?.query === query && total === null) return known.shown;
      const next = page.next === null ? null : cursors.make(boundTo(entity, query), page.next);
      const shown = { limit: query.limit, skip: query.skip, next, total, body: text.body };
      if (total === null) shownPages.set(text, { query, shown });
      return shown;
    },
    async aggregate(name, identify, parameters) {
      const entity = of(name);
      const { who, query } = await asked<AggregateQuery>(entity, identify, parameters, readAggregateQuery);
      const { next, body } = await aggregates.ask(name, who, query);
      return { limit: query.limit, next: next === null ? null : cursors.make(groupsOf(entity, query), next), body };
    },
  };
}

interface Body {
  readonly body: string;
}

/**
 * How many times as long as a page that is kept what was made of it may be to be kept with it. A page of one short record
 * may refer to a long one, and whoever keeps pages counts their own length alone.
 */
const mostExpanded = 3;

/** A record or a page with what it refers to. */
interface ExpandedText {
  readonly expansions: readonly Expansion[];
  readonly pieces: Pieces;
  readonly expanded: Expanded | null;
}

const unseen = (entity: EntityPlan, shown: Exclude<Shown, { readonly outcome: "found" }>): Refusal =>
  shown.outcome === "gone" ? new Refusal("gone", goneSince(entity, shown.deletedAt)) : new Refusal(shown.outcome);

/** Only the database knows what time it is for its events. */
const future = (): Refusal => {
  const parameters = { expected: "must not lie in the future" };
  return new Refusal("invalid_query", { errors: [{ parameter: "as_of", code: "invalid_parameter", parameters }] });
};

/** When a version began, which is the moment of what is expanded beside it. */
function updatedAt(body: string): string {
  const record: { readonly updated_at: string } = JSON.parse(body); // every record has it, as the database wrote it
  return record.updated_at;
}

const targetsOf = (expansions: readonly Expansion[]): readonly string[] =>
  expansions.flatMap(({ target, further }) => [target.name, ...targetsOf(further)]);

/** A fault for whoever may not read a list at all: it is told that something is wrong, and no name of a field. */
const untold = ({ parameter = "", code, parameters }: Fault): Fault => {
  if (["skip", "limit", "cursor", "count", "as_of", "as_of_version"].includes(parameter)) {
    return { parameter, code, ...(parameters === undefined ? {} : { parameters }) };
  }
  return ["sort", "fields", "expand", "group", ...measures].includes(parameter)
    ? { parameter, code: "invalid_parameter", parameters: { expected: "is not valid" } }
    : { parameter, code: "unknown_parameter" };
};

const isWhole = ({ fields, expansions }: Shape): boolean => fields === null && expansions.length === 0;
