import type { Json } from "../../kernel/json.ts";
import type { ProblemCode } from "../../kernel/problem.ts";
import { type Audience, readable } from "../../plan/audience.ts";
import type { ActionPlan, EntityPlan, FieldPlan, Plan } from "../../plan/plan.ts";
import { inputExample, recordExample } from "../json-schema/example.ts";
import { inputSchema, type Schema } from "../json-schema/field-schema.ts";
import { listParameters, recordParameters } from "./list-parameters.ts";
import { possibleActionsExample, possibleActionsName } from "./possible-actions.ts";
import { actionRefusals, demandsVersion, listRefusals, readRefusals, refusalResponses, takesKey } from "./refusals.ts";

/** One operation of a document, and the refusals that it names. */
export interface Operation {
  readonly method: string;
  readonly described: object;
  readonly refuses: readonly ProblemCode[];
}

export const ref = (kind: string, name: string) => ({ $ref: `#/components/${kind}/${name}` });
export const headers = (...names: readonly string[]) =>
  Object.fromEntries(["Request-Id", ...names].map((name) => [name, ref("headers", name)]));
export const query = (name: string, schema: object, description: string) => ({
  name,
  in: "query",
  description,
  schema,
});
export const header = (name: string, description: string, required = false) => ({
  name,
  in: "header",
  description,
  ...(required ? { required } : {}),
  schema: { type: "string" },
});

export const notChanged = { description: "Not changed since the ETag in If-None-Match", headers: headers("ETag") };
export const ifNoneMatch = header("If-None-Match", "The ETag of an earlier reply");
export const consistencyToken = ref("parameters", "Consistency-Token");
/** The headers of a reply to a write. */
export const written = (...names: readonly string[]) => headers(...names, "Consistency-Token");
export const words = (snake: string): string => snake.replaceAll("_", " ");

/** The fields of a record that an audience may see. */
export const shownTo = (entity: EntityPlan, audience: Audience): readonly FieldPlan[] =>
  entity.fields.filter((field) => field.kind !== "password" && readable(field, audience) !== "never");

export function listOperation(entity: EntityPlan, audience: Audience): Operation {
  const record = recordExample(entity, shownTo(entity, audience));
  return {
    method: "GET",
    refuses: listRefusals(audience),
    described: {
      operationId: `list_${entity.name}`,
      summary: `Lists ${words(entity.name)}`,
      tags: [entity.name],
      parameters: [...listParameters(entity, audience), ifNoneMatch, consistencyToken],
      responses: {
        200: {
          description: "A page",
          headers: headers("ETag", "Link"),
          content: {
            "application/json": {
              schema: pageSchema(entity),
              ...(record === undefined
                ? {}
                : { example: { [entity.name]: [record], page: { limit: 100, skip: 0, next: null, total: null } } }),
            },
          },
        },
        304: notChanged,
        ...refusalResponses(listRefusals(audience)),
      },
    },
  };
}

export const pageSchema = (entity: Pick<EntityPlan, "name" | "title">): Schema => ({
  type: "object",
  properties: {
    [entity.name]: { type: "array", items: ref("schemas", entity.title) },
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
});

export function readOperation(entity: EntityPlan, audience: Audience): Operation {
  const refuses = readRefusals(entity, audience);
  return {
    method: "GET",
    refuses,
    described: {
      operationId: `read_${entity.singular}`,
      summary: `Reads one of the ${words(entity.name)}`,
      tags: [entity.name],
      parameters: [
        ...recordParameters(entity, audience),
        query("as_of", { type: "string", format: "date-time" }, "The record as it was then; not in the future"),
        query("as_of_version", { type: "integer", minimum: 1 }, "The same by version; not together with `as_of`"),
        ifNoneMatch,
        consistencyToken,
      ],
      responses: {
        200: recordReply("The record", entity, audience, headers("ETag")),
        304: notChanged,
        ...refusalResponses(refuses),
      },
    },
  };
}

/** What the caller can do with a record now. */
export function possibleActionsOperation(entity: EntityPlan, audience: Audience): Operation {
  const refuses = readRefusals(entity, audience);
  return {
    method: "GET",
    refuses,
    described: {
      operationId: `list_actions_of_${entity.singular}`,
      summary: "What the caller can do with it now, and why not the rest",
      tags: [entity.name],
      parameters: [ifNoneMatch, consistencyToken],
      responses: {
        200: {
          description: "The actions on this record that are the caller's to do, now or in another state",
          headers: headers("ETag"),
          content: {
            "application/json": {
              schema: ref("schemas", possibleActionsName),
              example: possibleActionsExample(entity, audience),
            },
          },
        },
        304: notChanged,
        ...refusalResponses(refuses),
      },
    },
  };
}

/** The caller's own record. Whoever has none is not signed in. */
export function ownOperation(entity: EntityPlan, audience: Audience): Operation {
  return {
    method: "GET",
    refuses: listRefusals(audience),
    described: {
      operationId: `read_own_${entity.singular}`,
      summary: "Reads the caller's own record",
      tags: [entity.name],
      parameters: [...recordParameters(entity, audience), ifNoneMatch, consistencyToken],
      responses: {
        200: recordReply("The record", entity, audience, headers("ETag")),
        304: notChanged,
        ...refusalResponses(listRefusals(audience)),
      },
    },
  };
}

function recordReply(description: string, entity: EntityPlan, audience: Audience, told: object): object {
  const example = recordExample(entity, shownTo(entity, audience));
  return {
    description,
    headers: told,
    content: {
      "application/json": {
        schema: ref("schemas", entity.title),
        ...(example === undefined ? {} : { examples: { record: ref("examples", entity.title) } }),
      },
    },
  };
}

export function actionOperation(
  plan: Plan,
  entity: EntityPlan,
  action: ActionPlan,
  method: ActionPlan["method"] | "PUT",
  audience: Audience,
): Operation {
  const refuses = actionRefusals(plan, entity, action, method, audience);
  const demanded = demandsVersion(entity, action);
  const parameters = [
    query("dry_run", { type: "boolean", default: false }, "Checks all of it and stores nothing"),
    ...((action.barrier?.confirm ?? "never") === "never"
      ? []
      : [query("confirm", { type: "string" }, "The token of the impact, where the deletion must be confirmed")]),
    ...(action.kind === "create" ? [] : [header("If-Match", "The ETag that was read", demanded)]),
    ...(takesKey(method)
      ? [header("Idempotency-Key", "A value of the caller's own; the same one for a repetition", action.demandsKey)]
      : []),
  ];
  return {
    method,
    refuses,
    described: {
      operationId: method === "PUT" ? `replace_${entity.singular}` : `${action.name}_${entity.singular}`,
      summary: summaryOf(entity, action, method),
      tags: [entity.name],
      parameters,
      ...(action.input.length === 0 ? {} : { requestBody: requestBody(action, method) }),
      responses: { ...done(entity, action, audience), ...refusalResponses(refuses) },
    },
  };
}

function done(entity: EntityPlan, action: ActionPlan, audience: Audience): object {
  switch (action.kind) {
    case "delete":
      return { 204: { description: "Deleted, now or before", headers: written() } };
    case "create":
      return { 201: recordReply("The new record", entity, audience, written("Location", "ETag")) };
    default:
      return { 200: recordReply("The record as it is now", entity, audience, written("ETag")) };
  }
}

function requestBody(action: ActionPlan, method: string): object {
  const partial = (method === "PATCH" && action.kind === "update") || action.kind === "restore";
  const schema = inputSchema(action.input, true, partial);
  const example = exampleOf(action, partial);
  const content = { schema, ...(example === undefined ? {} : { example }) };
  return {
    required: schema.required !== undefined,
    content: {
      "application/json": content,
      ...(action.input.every(fitsForm) ? { "application/x-www-form-urlencoded": content } : {}),
    },
  };
}

const exampleOf = (action: ActionPlan, partial: boolean): Json | undefined =>
  inputExample(action.input, partial ? "one" : action.kind === "change" ? "all" : "needed");

/** A form has names and texts: a list is a name repeated, and an object has no place in it. */
const fitsForm = (field: FieldPlan): boolean =>
  field.kind === "list"
    ? field.element !== null && field.element.kind !== "list" && fitsForm(field.element)
    : field.kind !== "object";

const summaryOf = (entity: EntityPlan, action: ActionPlan, method: string): string => {
  const name = words(action.name);
  switch (action.kind) {
    case "update":
      return method === "PUT" ? "Replaces all fields that the client owns" : "Changes what is sent";
    case "change":
      return `Changes the ${name}`;
    case "undo":
      return "Takes back its last event, or the one named, by an event of its own";
    default: {
      if (typeof action.event !== "string") return `Changes the ${name}`;
      const verb = name.charAt(0).toUpperCase() + name.slice(1);
      return name.includes(" ") ? verb : `${verb} ${words(entity.singular)}`;
    }
  }
};
