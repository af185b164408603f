import type { Audience } from "../../plan/audience.ts";
import type { ActionPlan, EntityPlan } from "../../plan/plan.ts";
import type { Schema } from "../json-schema/field-schema.ts";
import { consistencyToken, type Operation } from "./operations.ts";
import { edgeSchema, readRefusals, refusalResponses } from "./refusals.ts";

const edges = (description: string): Schema => ({ type: "array", items: edgeSchema, description });

const impactSchema = (confirms: boolean): Schema => ({
  type: "object",
  properties: {
    blocked_by: edges("Must be gone, or refer to another record, before"),
    cascades: edges("Deleted with it, and restored with it"),
    detaches: edges("Let go of it, and hold it again when it is restored"),
    reactions: { type: "array", items: { type: "object" } },
    notifies: {
      type: "array",
      items: {
        type: "object",
        properties: { who: { type: "string" }, of: { type: "string" }, after_seconds: { type: "integer" } },
        required: ["who", "of", "after_seconds"],
      },
    },
    confirm: confirms
      ? { type: ["string", "null"], description: "For `?confirm=`; good for 15 minutes, or until something changes" }
      : { type: "null" },
  },
  required: ["blocked_by", "cascades", "detaches", "reactions", "notifies", "confirm"],
});

const blank = { blocked_by: [], cascades: [], detaches: [], reactions: [], notifies: [], confirm: null };

/** What an action would touch besides its own record. @param actions those that the audience may do. */
export function impactOperation(entity: EntityPlan, actions: readonly ActionPlan[], audience: Audience): Operation {
  const refuses = readRefusals(entity, audience);
  const asked = actions.find(({ kind }) => kind === "delete") ?? actions[0];
  const confirms = actions.some(({ barrier }) => barrier !== null && barrier.confirm !== "never");
  return {
    method: "GET",
    refuses,
    described: {
      operationId: `impact_${entity.singular}`,
      summary: "Tells what an action would touch, before it is done",
      tags: [entity.name],
      parameters: [
        {
          name: "action",
          in: "query",
          description: "The action's name",
          required: true,
          schema: { type: "string", enum: actions.map(({ name }) => name) },
          example: asked?.name,
        },
        consistencyToken,
      ],
      responses: {
        200: {
          description: "What it would touch",
          headers: { "Request-Id": { $ref: "#/components/headers/Request-Id" } },
          content: { "application/json": { schema: impactSchema(confirms), example: blank } },
        },
        ...refusalResponses(refuses),
      },
    },
  };
}
