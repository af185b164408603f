import { type ProblemCode, problems } from "../../kernel/problem.ts";
import type { ActionPlan, EntityPlan, Plan } from "../../plan/plan.ts";
import { inputSchema, type Schema } from "../json-schema/field-schema.ts";
import { recordSchema } from "../json-schema/record-schema.ts";
import { type Audience, chance, readable } from "./audience.ts";

/** The OpenAPI 3.1 document of an application for one audience: only what it may do, only what it may see. */
export function emitOpenApi(plan: Plan, audience: Audience): object {
  const entities = plan.entities.filter(
    (entity) => chance(entity.read, audience) !== "never" || entity.actions.some((action) => isOpen(action, audience)),
  );
  return {
    openapi: "3.1.0",
    info: { title: plan.name, version: "1" },
    paths: Object.fromEntries(entities.flatMap((entity) => pathsOf(entity, audience))),
    components: {
      schemas: {
        Problem: problemSchema,
        ...Object.fromEntries(
          entities.map((entity) => [entity.title, recordSchema(entity, (field) => readable(field, audience))]),
        ),
      },
      ...(plan.actors === null ? {} : { securitySchemes: { token: { type: "http", scheme: "bearer" } } }),
    },
    ...(audience === null ? {} : { security: [{ token: [] }] }),
  };
}

const isOpen = (action: ActionPlan, audience: Audience) => chance(action.by, audience) !== "never";

const problemSchema: Schema = {
  type: "object",
  properties: {
    type: { type: "string", format: "uri" },
    title: { type: "string" },
    status: { type: "integer" },
    code: { type: "string" },
    detail: { type: "string" },
    request_id: { type: "string" },
    errors: {
      type: "array",
      items: {
        type: "object",
        properties: {
          pointer: { type: "string" },
          parameter: { type: "string" },
          code: { type: "string" },
          message: { type: "string" },
          suggestion: { type: "string" },
        },
        required: ["code", "message"],
      },
    },
  },
  required: ["type", "title", "status", "code", "detail", "request_id"],
};

const ref = (title: string) => ({ $ref: `#/components/schemas/${title}` });
const inJson = (schema: object) => ({ "application/json": { schema } });

/** Every refusal that an operation can answer, one entry for each status. */
const refusals = (codes: readonly ProblemCode[]) =>
  Object.fromEntries(
    [...new Set(codes.map((code) => problems[code].status))].map((status) => [
      String(status),
      {
        description: codes
          .filter((code) => problems[code].status === status)
          .map((code) => `${problems[code].title.en} (${code})`)
          .join("; "),
        content: { "application/problem+json": { schema: ref("Problem") } },
      },
    ]),
  );

const always: readonly ProblemCode[] = ["malformed", "invalid_query", "unauthenticated", "internal", "overloaded"];
const ofRecord: readonly ProblemCode[] = ["not_found", "gone"];
const ofBody: readonly ProblemCode[] = [
  "too_large",
  "unsupported_media_type",
  "invalid",
  "forbidden",
  "outcome_unknown",
];

const idParameter = (entity: EntityPlan) => ({
  name: "id",
  in: "path",
  required: true,
  schema: entity.id === "serial" ? { type: "integer", minimum: 1 } : { type: "string", format: "uuid" },
});

const query = (name: string, schema: object, description: string) => ({ name, in: "query", description, schema });

function pathsOf(entity: EntityPlan, audience: Audience): [string, object][] {
  const paths = new Map<string, Record<string, object>>();
  const add = (path: string, method: string, operation: object) =>
    paths.set(path, { ...paths.get(path), [method.toLowerCase()]: operation });
  const collection = `/${entity.name}`;
  if (chance(entity.read, audience) !== "never") {
    add(collection, "GET", listOperation(entity));
    add(`${collection}/{id}`, "GET", readOperation(entity));
  }
  for (const action of entity.actions.filter((candidate) => isOpen(candidate, audience))) {
    add(`${collection}${action.path}`, action.method, actionOperation(entity, action, action.method));
    if (action.kind === "update") add(`${collection}${action.path}`, "PUT", actionOperation(entity, action, "PUT"));
  }
  return [...paths].map(([path, operations]) => [
    path,
    path.includes("{id}") ? { parameters: [idParameter(entity)], ...operations } : operations,
  ]);
}

const etag = { ETag: { description: "The version", schema: { type: "string" } } };

const listOperation = (entity: EntityPlan) => ({
  operationId: `list_${entity.name}`,
  summary: `Lists ${entity.name.replaceAll("_", " ")}, in the order of their ids`,
  parameters: [
    query("limit", { type: "integer", minimum: 1, default: 100 }, "Records on the page, 1,000 at most"),
    query("skip", { type: "integer", minimum: 0, maximum: 10_000, default: 0 }, "Records to leave out"),
    query("cursor", { type: "string" }, "`page.next` of the page before"),
  ],
  responses: {
    200: {
      description: "A page",
      content: inJson({
        type: "object",
        properties: {
          [entity.name]: { type: "array", items: ref(entity.title) },
          page: {
            type: "object",
            properties: {
              limit: { type: "integer" },
              skip: { type: "integer" },
              next: { type: ["string", "null"] },
              total: { type: ["integer", "null"] },
            },
            required: ["limit", "skip", "next", "total"],
          },
        },
        required: [entity.name, "page"],
      }),
    },
    304: { description: "Not changed since the ETag in If-None-Match" },
    ...refusals(always),
  },
});

const readOperation = (entity: EntityPlan) => ({
  operationId: `read_${entity.singular}`,
  summary: `Reads one of the ${entity.name.replaceAll("_", " ")}`,
  responses: {
    200: { description: "The record", headers: etag, content: inJson(ref(entity.title)) },
    304: { description: "Not changed since the ETag in If-None-Match" },
    ...refusals([...always, ...ofRecord]),
  },
});

function actionOperation(entity: EntityPlan, action: ActionPlan, method: string): object {
  const creates = action.kind === "create";
  const done =
    action.kind === "delete"
      ? { 204: { description: "Deleted, now or before" } }
      : { [creates ? 201 : 200]: { description: "The record", headers: etag, content: inJson(ref(entity.title)) } };
  const schema = inputSchema(action.input, true, method === "PATCH" && action.kind === "update");
  return {
    operationId: method === "PUT" ? `replace_${entity.singular}` : `${action.name}_${entity.singular}`,
    summary: summaryOf(action, method),
    ...(creates
      ? {}
      : {
          parameters: [
            { name: "If-Match", in: "header", description: "The ETag that was read", schema: { type: "string" } },
          ],
        }),
    ...(action.input.length === 0
      ? {}
      : {
          requestBody: {
            required: schema.required !== undefined,
            content: { ...inJson(schema), "application/x-www-form-urlencoded": { schema } },
          },
        }),
    responses: {
      ...done,
      ...refusals([...always, ...ofBody, ...(creates ? [] : ofRecord), ...conflicts(entity, action)]),
    },
  };
}

const summaryOf = (action: ActionPlan, method: string): string => {
  if (action.kind === "update")
    return method === "PUT" ? "Replaces all fields that the client owns" : "Changes what is sent";
  const words = action.name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};

function conflicts(entity: EntityPlan, action: ActionPlan): readonly ProblemCode[] {
  const unique = entity.fields.some((field) => field.unique && action.sets.includes(field.name));
  return [
    "conflict",
    ...(unique ? (["unique"] as const) : []),
    ...(action.kind === "move" ? (["transition_not_allowed"] as const) : []),
    ...(action.kind === "create" ? [] : (["stale"] as const)),
    ...(entity.demandsVersion && action.kind === "update" ? (["precondition_required"] as const) : []),
  ];
}
