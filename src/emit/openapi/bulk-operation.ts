import type { JsonObject } from "../../kernel/json.ts";
import type { Audience } from "../../plan/audience.ts";
import type { ActionPlan, EntityPlan, Plan } from "../../plan/plan.ts";
import { inputExample, someRecord } from "../json-schema/example.ts";
import { idSchema, inputSchema, type Schema } from "../json-schema/field-schema.ts";
import { header, type Operation, query, ref, words, written } from "./operations.ts";
import { bulkRefusals, refusalResponses } from "./refusals.ts";

const mode: Schema = {
  type: "string",
  enum: ["atomic", "partial"],
  description: "`atomic`: all or nothing; `partial`: each item by itself",
};

const resultSchema = (id: EntityPlan["id"]): Schema => ({
  type: "object",
  properties: {
    index: { type: "integer", description: "The item's place, from 0 on" },
    status: { type: "integer", description: "What the item alone would have been answered" },
    id: idSchema(id),
    problem: ref("schemas", "Problem"),
  },
  required: ["index", "status"],
});

/** One action done to many records in one call. */
export function bulkOperation(plan: Plan, entity: EntityPlan, action: ActionPlan, audience: Audience): Operation {
  const refuses = bulkRefusals(action, audience);
  const creates = action.kind === "create";
  const item = itemExample(plan, entity, action);
  return {
    method: action.method,
    refuses,
    described: {
      operationId: `${action.name}_many_${entity.name}`,
      summary: `${creates ? "Creates" : "Changes"} up to 1,000 ${words(entity.name)}`,
      tags: [entity.name],
      parameters: [
        query("dry_run", { type: "boolean", default: false }, "Checks all of it and stores nothing"),
        header("Idempotency-Key", "A value of the caller's own, for the whole call", action.demandsKey),
      ],
      requestBody: {
        required: true,
        content: {
          "application/json": {
            schema: {
              type: "object",
              properties: {
                mode: { ...mode, default: "atomic" },
                items: { type: "array", minItems: 1, maxItems: 1000, items: itemSchema(entity, action) },
              },
              required: ["items"],
              additionalProperties: false,
            },
            ...(item === undefined ? {} : { example: { mode: "atomic", items: [item] } }),
          },
        },
      },
      responses: {
        200: {
          description: "What became of each item, in order",
          headers: written(),
          content: {
            "application/json": {
              schema: {
                type: "object",
                properties: { mode, results: { type: "array", items: resultSchema(entity.id) } },
                required: ["mode", "results"],
              },
              example: {
                mode: "atomic",
                results: [{ index: 0, status: creates ? 201 : 200, id: someRecord(plan, entity) }],
              },
            },
          },
        },
        ...refusalResponses(refuses),
      },
    },
  };
}

/** A change names its record, and the version that it was made on. */
function itemSchema(entity: EntityPlan, action: ActionPlan): Schema {
  if (action.kind === "create") return inputSchema(action.input, true, false);
  const schema = inputSchema(action.input, true, true);
  return {
    ...schema,
    properties: {
      id: idSchema(entity.id),
      version: { type: "integer", minimum: 1, description: "The version that was read" },
      ...Object(schema.properties),
    },
    required: ["id", ...(entity.demandsVersion ? ["version"] : [])],
  };
}

function itemExample(plan: Plan, entity: EntityPlan, action: ActionPlan): JsonObject | undefined {
  if (action.kind === "create") return inputExample(action.input, "needed");
  const change = inputExample(action.input, "one");
  if (change === undefined) return undefined;
  return { id: someRecord(plan, entity), ...(entity.demandsVersion ? { version: 1 } : {}), ...change };
}
