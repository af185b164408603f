import { measures } from "../../plan/aggregates.ts";
import { type Audience, readable } from "../../plan/audience.ts";
import type { AggregatesPlan, EntityPlan, FieldPlan, Measure } from "../../plan/plan.ts";
import { fieldSchema, type Schema } from "../json-schema/field-schema.ts";
import { filterParameters, listed } from "./list-parameters.ts";
import { consistencyToken, headers, ifNoneMatch, notChanged, type Operation, query, words } from "./operations.ts";
import { listRefusals, refusalResponses } from "./refusals.ts";

const said: Readonly<Record<Measure, string>> = {
  sum: "Sums, exact to the last digit",
  avg: "Averages, rounded half away from zero to six digits after the point, or as many as the field has",
  min: "The least values",
  max: "The greatest values",
};

/** Groups of records, and what is made of them, for an audience that may read some. */
export function aggregateOperation(entity: EntityPlan, aggregates: AggregatesPlan, audience: Audience): Operation {
  const members = entity.members.filter((field) => readable(field, audience) !== "never");
  const named = (names: readonly string[]) => members.filter(({ name }) => names.includes(name));
  const groups = named(aggregates.group);
  const ofMeasure = (measure: Measure) =>
    named(aggregates.of.filter((each) => each.measures.includes(measure)).map(({ field }) => field));
  const measured = measures.map((measure) => [measure, ofMeasure(measure)] as const).filter(([, of]) => of.length > 0);
  const refuses = listRefusals(audience);
  return {
    method: "GET",
    refuses,
    described: {
      operationId: `aggregate_${entity.name}`,
      summary: `Counts ${words(entity.name)}${measured.length === 0 ? "" : ", and makes sums and the like of them"}`,
      tags: [entity.name],
      parameters: [
        ...(groups.length === 0 ? [] : [asked("group", groups, "Members whose values make the groups, at most three")]),
        ...measured.map(([measure, of]) => asked(measure, of, said[measure])),
        query("limit", { type: "integer", minimum: 1, default: 100 }, "Groups on the page; more than 1,000 are 1,000"),
        query("cursor", { type: "string" }, "`page.next` of the page before, with its filters and groups"),
        ...members.filter(({ filter }) => filter).flatMap(filterParameters),
        ifNoneMatch,
        consistencyToken,
      ],
      responses: {
        200: {
          description: "Groups, in the order of their values, none last",
          headers: headers("ETag", "Link"),
          content: {
            "application/json": {
              schema: groupsSchema(groups, measured),
              example: { groups: [{ group: {}, count: 3 }], page: { limit: 100, next: null } },
            },
          },
        },
        304: notChanged,
        ...refusalResponses(refuses),
      },
    },
  };
}

const asked = (name: string, fields: readonly FieldPlan[], description: string) =>
  listed(name, { type: "string", enum: fields.map((field) => field.name) }, description);

const groupsSchema = (
  groups: readonly FieldPlan[],
  measured: readonly (readonly [Measure, readonly FieldPlan[]])[],
): Schema => ({
  type: "object",
  properties: {
    groups: {
      type: "array",
      items: {
        type: "object",
        properties: {
          group: {
            type: "object",
            properties: Object.fromEntries(
              groups.map((field) => [field.name, fieldSchema({ ...field, optional: true }, false)]),
            ),
            additionalProperties: false,
          },
          count: { type: "integer", minimum: 0 },
          ...Object.fromEntries(
            measured.map(([measure, fields]) => [
              measure,
              {
                type: "object",
                properties: Object.fromEntries(fields.map((field) => [field.name, measureSchema(field)])),
                additionalProperties: false,
              },
            ]),
          ),
        },
        required: ["group", "count"],
        additionalProperties: false,
      },
    },
    page: {
      type: "object",
      properties: { limit: { type: "integer" }, next: { type: ["string", "null"] } },
      required: ["limit", "next"],
    },
  },
  required: ["groups", "page"],
});

const measureSchema = ({ kind }: FieldPlan): Schema => {
  if (kind === "instant") return { type: ["string", "null"], format: "date-time" };
  return kind === "date" ? { type: ["string", "null"], format: "date" } : { type: ["number", "null"] };
};
