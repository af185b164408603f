import type { EntityPlan } from "../../plan/plan.ts";
import type { Schema } from "../json-schema/field-schema.ts";
import { consistencyToken, headers, ifNoneMatch, notChanged, type Operation, query, ref, words } from "./operations.ts";
import { historyRefusals, refusalResponses } from "./refusals.ts";

/** What happened to one record; visitors have no part in it. */
export function historyOperation(entity: EntityPlan): Operation {
  return {
    method: "GET",
    refuses: historyRefusals,
    described: {
      operationId: `read_history_of_${entity.singular}`,
      summary: `What happened to one of the ${words(entity.name)}: who, when, why, and what changed`,
      tags: [entity.name],
      parameters: [
        query("order", { type: "string", enum: ["asc", "desc"], default: "asc" }, "Oldest first, or newest first"),
        query("limit", { type: "integer", minimum: 1, default: 100 }, "Events on the page; more than 1,000 are 1,000"),
        query("skip", { type: "integer", minimum: 0, maximum: 10_000, default: 0 }, "Events to leave out"),
        query("cursor", { type: "string" }, "`page.next` of the page before; not together with `skip`"),
        ifNoneMatch,
        consistencyToken,
      ],
      responses: {
        200: {
          description: "A page of events",
          headers: headers("ETag", "Link"),
          content: {
            "application/json": {
              schema: ref("schemas", "RecordHistory"),
              examples: { history: ref("examples", "RecordHistory") },
            },
          },
        },
        304: notChanged,
        ...refusalResponses(historyRefusals),
      },
    },
  };
}

const text = { type: "string" };
const textOrNull = { type: ["string", "null"] };
const wholeOf = (properties: Readonly<Record<string, object>>): Schema => ({
  type: "object",
  properties,
  required: Object.keys(properties),
});

/** The same for every entity: a component of the document. */
export const historySchema: Schema = wholeOf({
  events: {
    type: "array",
    items: wholeOf({
      id: { type: "string", format: "uuid" },
      type: text,
      version: { type: "integer", minimum: 1 },
      at: { type: "string", format: "date-time" },
      actor: wholeOf({ type: { type: "string", enum: ["user", "visitor", "system", "operator"] }, id: textOrNull }),
      action: text,
      reason: textOrNull,
      changes: { type: "object", additionalProperties: wholeOf({ from: {}, to: {} }) },
      correlation_id: textOrNull,
      causation_id: textOrNull,
      request_id: textOrNull,
    }),
  },
  page: wholeOf({
    limit: { type: "integer" },
    skip: { type: "integer" },
    next: textOrNull,
    total: { type: ["integer", "null"] },
  }),
});

export const historyExample = {
  summary: "One event",
  value: {
    events: [
      {
        id: "01900000-0000-7000-8000-000000000003",
        type: "NameChanged",
        version: 2,
        at: "2026-02-28T12:00:00.000Z",
        actor: { type: "user", id: "01900000-0000-7000-8000-000000000004" },
        action: "name",
        reason: null,
        changes: { name: { from: "Jack", to: "Jill" } },
        correlation_id: "01900000-0000-7000-8000-000000000003",
        causation_id: null,
        request_id: "01900000-0000-7000-8000-000000000002",
      },
    ],
    page: { limit: 100, skip: 0, next: null, total: null },
  },
};
