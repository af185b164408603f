import { type ProblemCode, problems } from "../../kernel/problem.ts";
import { type Audience, readsItselfAlone } from "../../plan/audience.ts";
import { canBeBlocked } from "../../plan/delete-rules.ts";
import type { ActionPlan, EntityPlan, Plan } from "../../plan/plan.ts";
import { inverseOf } from "../../plan/undo-rules.ts";
import type { Schema } from "../json-schema/field-schema.ts";

export const ofAll: readonly ProblemCode[] = [
  "malformed",
  "invalid_query",
  "unauthenticated",
  "headers_too_large",
  "internal",
  "overloaded",
];

/** A record can only be gone where something deletes it, and for others than the deleted actor, who is nobody then. */
const ofRecord = ({ actions, read }: EntityPlan, audience: Audience): readonly ProblemCode[] =>
  actions.some(({ kind }) => kind === "delete") && !readsItselfAlone(read, audience)
    ? ["not_found", "gone"]
    : ["not_found"];

/**
 * 403 is for whoever may know the record but may not do this: whoever cannot read it gets 404. It is also for a change
 * that would put the record where the actor could not have put it, and for an API key without the operation's scope;
 * so whoever can have a key can meet it everywhere, and a visitor nowhere.
 */
const ofKeys = (audience: Audience): readonly ProblemCode[] => (audience === null ? [] : ["forbidden"]);

export const listRefusals = (audience: Audience): readonly ProblemCode[] => [...ofAll, ...ofKeys(audience)];

export const readRefusals = (entity: EntityPlan, audience: Audience): readonly ProblemCode[] => [
  ...ofAll,
  ...ofKeys(audience),
  ...ofRecord(entity, audience),
];

/** A deleted record keeps its history for those who could read it. */
export const historyRefusals: readonly ProblemCode[] = [...ofAll, "not_found"];

/** Whether a request must say which version it means. */
export const demandsVersion = (entity: EntityPlan, { kind }: ActionPlan): boolean =>
  kind === "undo" || (entity.demandsVersion && kind === "update");

type Method = ActionPlan["method"] | "PUT";

/** Where `Idempotency-Key` counts; a repeated PUT or DELETE comes to the same anyway. */
export const takesKey = (method: Method): boolean => method === "POST" || method === "PATCH";

/** Every refusal that an action can answer to an audience, by its code. */
export function actionRefusals(
  plan: Plan,
  entity: EntityPlan,
  action: ActionPlan,
  method: Method,
  audience: Audience,
): readonly ProblemCode[] {
  const creates = action.kind === "create";
  const does =
    action.kind === "undo" ? entity.actions.flatMap((each) => inverseOf(entity.actions, each) ?? []) : [action];
  const sets = does.flatMap((each) => each.sets);
  const freezes = entity.fields.some(({ name, frozenFrom }) => frozenFrom !== null && sets.includes(name));
  const keyed = takesKey(method);
  const codes: readonly (readonly [ProblemCode, boolean])[] = [
    ["too_large", true],
    ["unsupported_media_type", true],
    ["invalid", true],
    ["conflict", true],
    ["outcome_unknown", true],
    ["forbidden", audience !== null],
    ["not_found", !creates],
    // Deleting again is the same as once.
    ["gone", !creates && !["delete", "restore"].includes(action.kind) && ofRecord(entity, audience).includes("gone")],
    ["stale", !creates],
    ["insufficient_funds", does.some(({ conflicts }) => conflicts.includes("insufficient_funds"))],
    ["unique", entity.fields.some(({ unique, name }) => unique && sets.includes(name))],
    ["transition_not_allowed", does.some(({ kind }) => kind === "move") || (!creates && freezes)],
    ["confirmation_required", (action.barrier?.confirm ?? "never") !== "never"],
    ["blocked_by_references", action.kind === "delete" && canBeBlocked(plan, entity)],
    ["idempotency_key_required", action.demandsKey],
    ["idempotency_key_invalid", keyed],
    ["idempotency_in_flight", keyed],
    ["idempotency_mismatch", keyed],
    ["precondition_required", demandsVersion(entity, action)],
  ];
  return [...ofAll, ...codes.filter(([, possible]) => possible).map(([code]) => code)];
}

/** Every refusal of a call for many records; what is wrong with an item alone stands in its result. */
export const bulkRefusals = (action: ActionPlan, audience: Audience): readonly ProblemCode[] => [
  ...ofAll,
  ...(["too_large", "unsupported_media_type", "invalid", "bulk_refused", "conflict", "outcome_unknown"] as const),
  ...ofKeys(audience),
  ...(action.demandsKey ? (["idempotency_key_required"] as const) : []),
  ...(["idempotency_key_invalid", "idempotency_in_flight", "idempotency_mismatch"] as const),
];

const ref = (kind: string, name: string) => ({ $ref: `#/components/${kind}/${name}` });

const named = (...names: readonly string[]): Readonly<Record<string, object>> =>
  Object.fromEntries(names.map((name) => [name, ref("headers", name)]));
/** Whoever is refused a write by what is stored can read it again and see why. */
const decided = named("Consistency-Token");

/** The headers that only replies of this status have. */
const headersOf: Readonly<Record<number, Readonly<Record<string, object>>>> = {
  401: named("WWW-Authenticate"),
  ...Object.fromEntries([403, 404, 409, 410, 412, 422, 428, 500].map((status) => [status, decided])),
  429: named("Retry-After"),
  503: named("Retry-After", "Consistency-Token"),
};

/** The codes that share a status, by status. */
const byStatus = (codes: readonly ProblemCode[]): ReadonlyMap<number, readonly ProblemCode[]> => {
  const statuses = new Map<number, ProblemCode[]>();
  for (const code of codes) {
    const { status } = problems[code];
    statuses.set(status, [...(statuses.get(status) ?? []), code]);
  }
  return statuses;
};

const nameOf = (codes: readonly ProblemCode[]): string => codes.join(".");

/** The refusals of an operation: one reply for each status, which many operations share. */
export const refusalResponses = (codes: readonly ProblemCode[]): Readonly<Record<string, object>> =>
  Object.fromEntries([...byStatus(codes)].map(([status, same]) => [String(status), ref("responses", nameOf(same))]));

/** The replies that `refusalResponses` refers to: one for each group of codes that an operation has under one status. */
export const sharedResponses = (operations: readonly (readonly ProblemCode[])[]): Readonly<Record<string, object>> =>
  Object.fromEntries(
    operations.flatMap((codes) =>
      [...byStatus(codes)].map(([status, same]) => [
        nameOf(same),
        {
          description: same.map((code) => `${problems[code].title.en} (${code})`).join("; "),
          headers: { "Request-Id": ref("headers", "Request-Id"), ...headersOf[status] },
          content: {
            "application/problem+json": {
              schema: ref("schemas", "Problem"),
              examples: Object.fromEntries(same.map((code) => [code, ref("examples", code)])),
            },
          },
        },
      ]),
    ),
  );

/** What a problem has besides the members of every problem, by code. The values are examples. */
const members: Partial<Record<ProblemCode, Readonly<Record<string, unknown>>>> = {
  invalid: { errors: [{ pointer: "", code: "type", message: "must be an object" }] },
  invalid_query: {
    errors: [{ parameter: "colour", code: "unknown_parameter", message: "is not a parameter of this operation" }],
  },
  stale: { versions: { yours: 1, current: 2 } },
  gone: { deleted_at: "2026-02-28T12:00:00.000Z" },
  confirmation_required: { impact: "/things/1/impact?action=delete" },
  blocked_by_references: {
    impact: "/things/1/impact?action=delete",
    blocked_by: [{ entity: "parts", field: "thing_id", count: 2, ids: ["1", "2"], more: false }],
  },
  transition_not_allowed: { allowed_actions: [] },
  bulk_refused: {
    results: [
      {
        index: 1,
        status: 422,
        problem: {
          type: "https://example.com/problems/invalid",
          title: problems.invalid.title.en,
          status: 422,
          code: "invalid",
          detail: problems.invalid.help.en,
          request_id: "01900000-0000-7000-8000-000000000002",
          errors: [{ pointer: "/name", code: "required", message: "is required" }],
        },
      },
    ],
  },
};

export const problemExample = (code: ProblemCode): object => ({
  summary: problems[code].title.en,
  value: {
    type: `https://example.com/problems/${code}`,
    title: problems[code].title.en,
    status: problems[code].status,
    code,
    detail: problems[code].help.en,
    request_id: "01900000-0000-7000-8000-000000000002",
    ...members[code],
  },
});

const text = { type: "string" };
const number = { type: "integer" };

/** Records that hang on another one, by the field through which they do. */
export const edgeSchema: Schema = {
  type: "object",
  properties: {
    entity: text,
    field: text,
    count: number,
    ids: { type: "array", items: text, description: "Of those that the caller may read, a hundred at most" },
    more: { type: "boolean", description: "Whether there are others" },
  },
  required: ["entity", "field", "count", "ids", "more"],
};

const memberSchemas: Partial<Record<ProblemCode, Schema>> = {
  gone: {
    deleted_at: { type: "string", format: "date-time" },
    purge_at: { type: "string", format: "date-time", description: "When it goes for good" },
  },
  confirmation_required: { impact: { type: "string", format: "uri-reference", description: "The address to ask" } },
  blocked_by_references: {
    impact: { type: "string", format: "uri-reference", description: "The address to ask" },
    blocked_by: { type: "array", items: edgeSchema },
  },
  stale: {
    versions: {
      type: "object",
      properties: { yours: { type: ["integer", "null"] }, current: number },
      required: ["yours", "current"],
    },
  },
  bulk_refused: {
    results: {
      type: "array",
      description: "The bad items, in order",
      items: {
        type: "object",
        properties: { index: number, status: number, problem: ref("schemas", "Problem") },
        required: ["index", "status", "problem"],
      },
    },
  },
  transition_not_allowed: { status_now: text, allowed_actions: { type: "array", items: text } },
};

/** A problem (RFC 9457), with the members that the problems of this document can have. */
export const problemSchema = (codes: readonly ProblemCode[]): Schema => ({
  type: "object",
  properties: {
    type: { type: "string", format: "uri-reference" },
    title: text,
    status: number,
    code: { type: "string", description: "Stable: the text may change, the code does not" },
    detail: text,
    request_id: text,
    errors: {
      type: "array",
      items: {
        type: "object",
        properties: { pointer: text, parameter: text, code: text, message: text, suggestion: text },
        required: ["code", "message"],
      },
    },
    ...Object.assign({}, ...codes.map((code) => memberSchemas[code] ?? {})),
  },
  required: ["type", "title", "status", "code", "detail", "request_id"],
});
