import type { Cursors } from "../../kernel/cursor.ts";
import type { Fault } from "../../kernel/fault.ts";
import type { Json } from "../../kernel/json.ts";
import { type PageSize, pageParameters, readPageSize } from "../../kernel/page.ts";
import { nearest } from "../../kernel/suggestion.ts";
import { type Audience, offeredActions, readable } from "../../plan/audience.ts";
import { deletionStamps } from "../../plan/delete-rules.ts";
import type { EntityPlan, FieldPlan, Plan } from "../../plan/plan.ts";
import { type Expansion, readExpand } from "./expansion.ts";
import { type FieldMask, readFields } from "./field-mask.ts";
import { type Filter, mostFilters, readFilter } from "./filters.ts";
import { type PointInTime, readAsOf, readPoint } from "./moment.ts";
import { readSort, type SortKey } from "./sort.ts";

/** The parameters of a query by name; each is there once. */
export type Parameters = ReadonlyMap<string, string>;

/** How much of a record is shown, and what along with it. */
export interface Shape {
  readonly fields: FieldMask | null;
  readonly expansions: readonly Expansion[];
}

export interface ListQuery extends Shape, PageSize {
  readonly filters: readonly Filter[];
  readonly sort: readonly SortKey[];
  /** The keys to go on after, one for each of `sort`; null on the first page. */
  readonly after: readonly Json[] | null;
  readonly count: "none" | "estimated" | "exact";
  /** The moment that the list is of (UTC, RFC 3339); null for now. */
  readonly asOf: string | null;
  /** Whether deleted records are listed too, or alone; null for neither. */
  readonly deleted: "include" | "only" | null;
}

export interface RecordQuery extends Shape {
  /** Null for now. */
  readonly point: PointInTime | null;
}

const ofShapes = ["fields", "expand", "as_of"];
const ofRecords = [...ofShapes, "as_of_version"];
const ofLists = [...pageParameters, "sort", "count", ...ofShapes];
const counts = ["none", "estimated", "exact"] as const;
const waysToDeleted = ["include", "only"] as const;

/** What reading needs to know besides the parameters. */
export interface Reader {
  readonly plan: Plan;
  readonly entity: EntityPlan;
  readonly audience: Audience;
  readonly cursors: Cursors;
}

/** Reads what a list is asked for; `faults` has everything that is wrong with it. */
export function readListQuery(parameters: Parameters, reader: Reader, faults: Fault[]): ListQuery {
  const { entity, audience, cursors } = reader;
  const members = entity.members.filter((field) => readable(field, audience) !== "never");
  const wrong = (parameter: string, expected: string, suggestion?: string) =>
    faults.push({
      parameter,
      code: "invalid_parameter",
      parameters: { expected },
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  const known = offeredActions(entity).some(({ kind }) => kind === "restore") ? [...ofLists, "deleted"] : ofLists;
  const filters: Filter[] = [];
  for (const [name, text] of parameters) {
    if (known.includes(name)) continue;
    const read = readFilter(name, text, members, known);
    if ("code" in read) faults.push(read);
    else filters.push(read);
  }
  if (filters.length > mostFilters) {
    faults.push({
      code: "invalid_parameter",
      parameter: filters[mostFilters]?.field ?? "",
      parameters: { expected: `must be one of at most ${mostFilters} filters` },
    });
  }
  const sort = readSort(parameters.get("sort"), members, faults);
  const size = readPageSize(parameters, faults);
  const asked = parameters.get("count") ?? "none";
  const count = counts.find((each) => each === asked);
  if (count === undefined) wrong("count", `must be one of: ${counts.join(", ")}`, nearest(asked, counts));
  const wanted = known.includes("deleted") ? parameters.get("deleted") : undefined;
  const deleted = waysToDeleted.find((way) => way === wanted) ?? null;
  if (wanted !== undefined && deleted === null) {
    wrong("deleted", `must be one of: ${waysToDeleted.join(", ")}`, nearest(wanted, waysToDeleted));
  }
  if (wanted !== undefined && parameters.has("as_of")) {
    wrong("deleted", "cannot stand beside `as_of`: a list as of a moment has the records that were not deleted then");
  }
  const shape = readShape(parameters, deleted === null ? reader : { ...reader, entity: withDeletion(entity) }, faults);
  const asOf = readAsOf(parameters, faults);
  if (asOf !== null) faults.push(...sealedThen(members, filters, sort));

  const cursor = parameters.get("cursor");
  // What belongs to no list has no cursor either: its own faults say enough.
  const isList = faults.every(({ parameter = "" }) => parameter !== "sort" && known.includes(parameter));
  const after = cursor === undefined ? null : cursors.read(boundTo(entity, { filters, sort, asOf, deleted }), cursor);
  if (cursor !== undefined && after === null && isList) {
    wrong("cursor", "must be the cursor of a page of this list, with the same filters, sort and moment");
  }
  return { ...shape, ...size, filters, sort, after, count: count ?? "none", asOf, deleted };
}

/** The entity whose records show since when they are deleted. */
const withDeletion = (entity: EntityPlan): EntityPlan => ({
  ...entity,
  members: [
    ...entity.members,
    ...entity.members
      .filter(({ name }) => name === "updated_at")
      .flatMap((stamp) => deletionStamps(entity).map((name) => ({ ...stamp, name, optional: true }))),
  ],
});

/** Personal values of then are sealed: the database can neither compare nor order them. */
function sealedThen(members: readonly FieldPlan[], filters: readonly Filter[], sort: readonly SortKey[]): Fault[] {
  const isPersonal = (name: string) => members.some((field) => field.personal && field.name === name);
  const expected = (name: string) => ({
    expected: `cannot stand beside \`as_of\`: '${name}' is personal, and the past of personal fields is encrypted`,
  });
  return [
    ...filters.filter(({ field }) => isPersonal(field)),
    ...sort.filter(({ field }) => isPersonal(field)).map(({ field }) => ({ field, sorts: true })),
  ].map((found) => ({
    parameter: "sorts" in found ? "sort" : found.field,
    code: "invalid_parameter",
    parameters: expected(found.field),
  }));
}

/** Reads what a single record is asked for. */
export function readRecordQuery(parameters: Parameters, reader: Reader, faults: Fault[]): RecordQuery {
  for (const name of parameters.keys()) {
    if (ofRecords.includes(name)) continue;
    const suggestion = nearest(name, ofRecords);
    faults.push({
      parameter: name,
      code: "unknown_parameter",
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  }
  return { ...readShape(parameters, reader, faults), point: readPoint(parameters, faults) };
}

function readShape(parameters: Parameters, { plan, entity, audience }: Reader, faults: Fault[]): Shape {
  const expansions = readExpand(parameters.get("expand"), plan, entity, audience, faults);
  return { fields: readFields(parameters.get("fields"), entity, expansions, audience, faults), expansions };
}

/** What a cursor belongs to: the list's filters, order and moment, and whether it has deleted records. */
export const boundTo = (
  entity: EntityPlan,
  { filters, sort, asOf, deleted }: Pick<ListQuery, "filters" | "sort" | "asOf" | "deleted">,
): Json => ({
  entity: entity.name,
  ...(asOf === null ? {} : { as_of: asOf }),
  ...(deleted === null ? {} : { deleted }),
  filters: filters.map(({ field, op, value }) => JSON.stringify([field, op, value])).sort(),
  sort: sort.map(({ field, direction }) => `${field} ${direction}`),
});
