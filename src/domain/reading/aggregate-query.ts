import type { Cursors } from "../../kernel/cursor.ts";
import type { Fault } from "../../kernel/fault.ts";
import type { Json } from "../../kernel/json.ts";
import { readPageSize } from "../../kernel/page.ts";
import { nearest } from "../../kernel/suggestion.ts";
import { measures, ofAggregates } from "../../plan/aggregates.ts";
import { readable } from "../../plan/audience.ts";
import type { EntityPlan, FieldPlan, Measure } from "../../plan/plan.ts";
import { type Filter, mostFilters, readFilter } from "./filters.ts";
import type { Parameters, Reader, Shape } from "./list-query.ts";

/** A number, or a moment, that is made of the values of a field. */
export interface Measured {
  readonly measure: Measure;
  readonly field: string;
}

/** Groups of records, and what is made of the records of each. */
export interface AggregateQuery extends Shape {
  readonly filters: readonly Filter[];
  /** Members whose values make the groups, in this order; none makes one group of all records. */
  readonly group: readonly string[];
  readonly measured: readonly Measured[];
  readonly limit: number;
  /** The values of the group to go on after; null on the first page. */
  readonly after: readonly Json[] | null;
}

export const mostGroupKeys = 3;
export const mostMeasured = 20;

/** Reads `group=status&sum=final_price&created_at[gte]=…`; `faults` has everything that is wrong with it. */
export function readAggregateQuery(parameters: Parameters, reader: Reader, faults: Fault[]): AggregateQuery {
  const { entity, audience, cursors } = reader;
  const members = entity.members.filter((field) => readable(field, audience) !== "never");
  const filters: Filter[] = [];
  for (const [name, text] of parameters) {
    if (ofAggregates.includes(name)) continue;
    const read = readFilter(name, text, members, ofAggregates);
    if ("code" in read) faults.push(read);
    else filters.push(read);
  }
  if (filters.length > mostFilters) {
    faults.push(wrong(filters[mostFilters]?.field ?? "", `must be one of at most ${mostFilters} filters`));
  }
  if (parameters.has("as_of"))
    faults.push(wrong("as_of", "cannot be asked here: aggregates are of the records of now"));
  if (parameters.has("count")) faults.push(wrong("count", "need not be asked for: every group tells its `count`"));
  const group = readGroup(parameters.get("group"), entity, members, faults);
  const measured = measures.flatMap((measure) =>
    readMeasure(measure, parameters.get(measure), entity, members, faults),
  );
  if (measured.length > mostMeasured) {
    faults.push(wrong(measured[mostMeasured]?.measure ?? "", `must stay within ${mostMeasured} in all`));
  }
  const { limit } = readPageSize(parameters, faults);
  const after = readCursor(parameters.get("cursor"), entity, { filters, group }, cursors, faults);
  return { fields: null, expansions: [], filters, group, measured, limit, after };
}

const wrong = (parameter: string, expected: string): Fault => ({
  parameter,
  code: "invalid_parameter",
  parameters: { expected },
});

function readGroup(
  text: string | undefined,
  { aggregates }: EntityPlan,
  members: readonly FieldPlan[],
  faults: Fault[],
): readonly string[] {
  if (text === undefined) return [];
  const names = text.split(",");
  const open = aggregates?.group.filter((name) => members.some((member) => member.name === name)) ?? [];
  if (names.length > mostGroupKeys) faults.push(wrong("group", `must name at most ${mostGroupKeys} fields`));
  faults.push(...nameFaults("group", "not_groupable", names.slice(0, mostGroupKeys), open));
  return names;
}

function readMeasure(
  measure: Measure,
  text: string | undefined,
  { aggregates }: EntityPlan,
  members: readonly FieldPlan[],
  faults: Fault[],
): readonly Measured[] {
  if (text === undefined) return [];
  const names = text.split(",");
  const open = (aggregates?.of ?? [])
    .filter((each) => each.measures.includes(measure) && members.some(({ name }) => name === each.field))
    .map(({ field }) => field);
  faults.push(...nameFaults(measure, "not_measurable", names.slice(0, mostMeasured), open));
  return names.map((field) => ({ measure, field }));
}

/** What the caller never reads is as if it were not declared. */
const nameFaults = (
  parameter: string,
  code: "not_groupable" | "not_measurable",
  names: readonly string[],
  open: readonly string[],
): readonly Fault[] =>
  names.flatMap((name, nth): readonly Fault[] => {
    if (names.indexOf(name) < nth) return [wrong(parameter, `must name '${name}' once`)];
    if (open.includes(name)) return [];
    const suggestion = nearest(name, open);
    return [
      {
        parameter,
        code,
        parameters: { field: name, fields: open.join(", ") },
        ...(suggestion === undefined ? {} : { suggestion }),
      },
    ];
  });

function readCursor(
  cursor: string | undefined,
  entity: EntityPlan,
  query: Pick<AggregateQuery, "filters" | "group">,
  cursors: Cursors,
  faults: Fault[],
): readonly Json[] | null {
  if (cursor === undefined) return null;
  const after = cursors.read(groupsOf(entity, query), cursor);
  // What belongs to no list of groups has no cursor either: its own faults say enough.
  if (after === null && faults.every(({ parameter }) => parameter === "limit")) {
    faults.push(wrong("cursor", "must be the cursor of a page of these groups, with the same filters"));
  }
  return after;
}

/** What a cursor belongs to: the filters and the groups. */
export const groupsOf = (entity: EntityPlan, { filters, group }: Pick<AggregateQuery, "filters" | "group">): Json => ({
  groups_of: entity.name,
  filters: filters.map(({ field, op, value }) => JSON.stringify([field, op, value])).sort(),
  group,
});
