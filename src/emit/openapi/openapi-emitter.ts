import { type Audience, chance } from "../../plan/audience.ts";
import type { ActionPlan, EntityPlan, Plan } from "../../plan/plan.ts";
import { recordExample } from "../json-schema/example.ts";
import { idSchema } from "../json-schema/field-schema.ts";
import { recordSchema } from "../json-schema/record-schema.ts";
import { accountPaths, accountSchemas } from "./account-operations.ts";
import { aggregateOperation } from "./aggregate-operation.ts";
import { bulkOperation } from "./bulk-operation.ts";
import { historyExample, historyOperation, historySchema } from "./history-operation.ts";
import { impactOperation } from "./impact-operation.ts";
import {
  actionOperation,
  header,
  listOperation,
  type Operation,
  ownOperation,
  possibleActionsOperation,
  readOperation,
  shownTo,
} from "./operations.ts";
import { possibleActionsName, possibleActionsSchema } from "./possible-actions.ts";
import { problemExample, problemSchema, sharedResponses } from "./refusals.ts";

/**
 * The OpenAPI 3.1 document of an application for one audience: what it may do, what it may see, every status that it
 * can be answered, and examples that can be sent as they are to a database that was just sown.
 */
export function emitOpenApi(plan: Plan, audience: Audience): object {
  const entities = plan.entities.filter(
    (entity) => chance(entity.read, audience) !== "never" || entity.actions.some((action) => isOpen(action, audience)),
  );
  const titleOf = (name: string) =>
    entities.find((entity) => entity.name === name && chance(entity.read, audience) !== "never")?.title ?? null;
  const paths: readonly Path[] = [
    ...entities.flatMap((entity) => pathsOf(plan, entity, audience)),
    ...accountPaths(plan, audience).map((account) => ({ ...account, entity: { id: "uuid" } as const })),
  ];
  const refusals = paths.flatMap(({ operations }) => operations.map(({ refuses }) => refuses));
  const codes = [...new Set(refusals.flat())];
  return {
    openapi: "3.1.0",
    info: { title: plan.name, version: "1" },
    paths: Object.fromEntries(paths.map(({ path, entity, operations }) => [path, pathItem(path, entity, operations)])),
    components: {
      schemas: {
        Problem: problemSchema(codes),
        ...Object.fromEntries(entities.map((entity) => [entity.title, recordSchema(entity, audience, titleOf)])),
        ...(audience === null ? {} : { RecordHistory: historySchema }),
        [possibleActionsName]: possibleActionsSchema,
        ...accountSchemas(plan, audience),
      },
      responses: sharedResponses(refusals),
      headers: replyHeaders,
      parameters: sharedParameters,
      examples: {
        ...Object.fromEntries(codes.map((code) => [code, problemExample(code)])),
        ...recordExamples(entities, audience),
        ...(audience === null ? {} : { RecordHistory: historyExample }),
      },
      ...(plan.actors === null ? {} : { securitySchemes: { token: bearer } }),
    },
    ...(audience === null ? {} : { security: [{ token: [] }] }),
  };
}

/** The document of each audience, made when it is first asked for. */
export function documentsFor(plan: Plan): (audience: Audience) => object {
  const documents = new Map<Audience, object>();
  return (audience) => {
    const document = documents.get(audience) ?? emitOpenApi(plan, audience);
    documents.set(audience, document);
    return document;
  };
}

const bearer = { type: "http", scheme: "bearer", description: "A JSON Web Token, a session's token or an API key" };

const isOpen = (action: ActionPlan, audience: Audience) => chance(action.by, audience) !== "never";

const said = (description: string, type = "string") => ({ description, schema: { type } });

const replyHeaders = {
  "Request-Id": said("Names the request in logs, events and support"),
  ETag: said("The version of the record; of a list, its content"),
  Location: said("The address of the new record"),
  "Consistency-Token": said(
    "Of a write, only where replicas answer reads, and as a cookie too: sent back with a read, the answer has the write",
  ),
  Link: said('The next page, `rel="next"`; absent on the last one'),
  "Retry-After": said("Seconds", "integer"),
  "Set-Cookie": said("The session as a browser keeps it: set, or taken away"),
  "WWW-Authenticate": said("`Bearer`"),
};

const sharedParameters = {
  "Consistency-Token": header(
    "Consistency-Token",
    "That of an earlier reply: the answer has all that was written until then, also where replicas answer reads",
  ),
};

function recordExamples(entities: readonly EntityPlan[], audience: Audience): Readonly<Record<string, object>> {
  return Object.fromEntries(
    entities.flatMap((entity) => {
      const value = recordExample(entity, shownTo(entity, audience));
      return value === undefined
        ? []
        : [[entity.title, { summary: `A new ${entity.singular.replaceAll("_", " ")}`, value }]];
    }),
  );
}

interface Path {
  readonly path: string;
  readonly entity: Pick<EntityPlan, "id">;
  readonly operations: readonly Operation[];
}

function pathsOf(plan: Plan, entity: EntityPlan, audience: Audience): readonly Path[] {
  const paths = new Map<string, Operation[]>();
  const add = (path: string, operation: Operation) => {
    const operations = paths.get(path) ?? [];
    operations.push(operation);
    paths.set(path, operations);
  };
  const collection = `/${entity.name}`;
  if (chance(entity.read, audience) !== "never") {
    add(collection, listOperation(entity, audience));
    if (entity.aggregates !== null) {
      add(`${collection}/aggregate`, aggregateOperation(entity, entity.aggregates, audience));
    }
    if (entity.name === plan.actors?.entity && audience !== null) {
      add(`${collection}/me`, ownOperation(entity, audience));
    }
    add(`${collection}/{id}`, readOperation(entity, audience));
    add(`${collection}/{id}/actions`, possibleActionsOperation(entity, audience));
    if (audience !== null) add(`${collection}/{id}/history`, historyOperation(entity));
  }
  for (const action of entity.actions.filter((candidate) => isOpen(candidate, audience))) {
    const path = `${collection}${action.path}`;
    add(path, actionOperation(plan, entity, action, action.method, audience));
    if (action.kind === "update") add(path, actionOperation(plan, entity, action, "PUT", audience));
    if (action.bulk) add(`${collection}/bulk`, bulkOperation(plan, entity, action, audience));
  }
  const asked = entity.actions.filter((action) => action.kind !== "create" && isOpen(action, audience));
  if (asked.length > 0) add(`${collection}/{id}/impact`, impactOperation(entity, asked, audience));
  return [...paths].map(([path, operations]) => ({ path, entity, operations }));
}

const pathItem = (path: string, entity: Pick<EntityPlan, "id">, operations: readonly Operation[]): object => ({
  ...(path.includes("{id}")
    ? { parameters: [{ name: "id", in: "path", required: true, schema: idSchema(entity.id) }] }
    : {}),
  ...Object.fromEntries(operations.map(({ method, described }) => [method.toLowerCase(), described])),
});
