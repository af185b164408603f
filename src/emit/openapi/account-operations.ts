import type { Json } from "../../kernel/json.ts";
import type { ProblemCode } from "../../kernel/problem.ts";
import { apiKeyInput, signInInput } from "../../plan/account-inputs.ts";
import { type Audience, chance } from "../../plan/audience.ts";
import type { FieldPlan, Plan } from "../../plan/plan.ts";
import { scopesOf } from "../../plan/scopes.ts";
import { inputExample, recordExample } from "../json-schema/example.ts";
import { inputSchema, type Schema } from "../json-schema/field-schema.ts";
import { headers, type Operation, pageSchema, query, ref, shownTo, written } from "./operations.ts";
import { ofAll, refusalResponses } from "./refusals.ts";

/** An address of Gesta's own with its operations. */
export interface AccountPath {
  readonly path: string;
  readonly operations: readonly Operation[];
}

const moment = { type: "string", format: "date-time" };
const id = { type: "string", format: "uuid" };
const text = { type: "string" };
const textOrNull = { type: ["string", "null"] };

const closed = (properties: Readonly<Record<string, Schema>>): Schema => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

const current = { type: "boolean", description: "Whether this request came with it" };
/** What is only there where something was made. */
const unlessDry = (schema: Schema): Schema => ({
  ...schema,
  type: ["string", "null"],
  description: "Null with `dry_run`",
});
const dryRun = query("dry_run", { type: "boolean", default: false }, "Checks all of it and stores nothing");
const scopeList = { type: "array", items: text };
const session = closed({
  id,
  created_at: moment,
  expires_at: moment,
  address: textOrNull,
  user_agent: textOrNull,
  current,
});
const apiKey = closed({ id, name: text, scopes: scopeList, created_at: moment, current });

const someId = "01900000-0000-7000-8000-000000000001";
const made = "2026-02-28T12:00:00.000Z";
const expiry = "2026-03-07T12:00:00.000Z";
const sessionExample = {
  id: someId,
  created_at: made,
  expires_at: expiry,
  address: "192.0.2.1",
  user_agent: "Mozilla/5.0",
  current: true,
};

/** The schemas of what an audience can list. */
export const accountSchemas = ({ actors }: Plan, audience: Audience): Readonly<Record<string, Schema>> =>
  audience === null ? {} : { ...(actors?.login == null ? {} : { Session: session }), ApiKey: apiKey };

/** Sessions and API keys, for whom they are: a visitor can sign in, and nothing else. */
export function accountPaths(plan: Plan, audience: Audience): readonly AccountPath[] {
  const { actors } = plan;
  if (actors === null) return [];
  const signIn = signInOperation(plan, audience);
  if (audience === null) return actors.login === null ? [] : [{ path: "/sessions", operations: [signIn] }];
  return [
    ...(actors.login === null ? [] : sessionPaths(signIn)),
    {
      path: "/api_keys",
      operations: [listOperation("api_keys", "ApiKey", apiKeyExample(plan, audience)), makeKey(plan, audience)],
    },
    {
      path: "/api_keys/{id}",
      operations: [endOperation("api_keys", "revoke_api_key", "Revokes one of the caller's keys")],
    },
  ];
}

const sessionPaths = (signIn: Operation): readonly AccountPath[] => [
  { path: "/sessions", operations: [listOperation("sessions", "Session", sessionExample), signIn] },
  {
    path: "/sessions/current",
    operations: [
      endOperation("sessions", "end_current_session", "Ends the session that the request came with: signs out"),
    ],
  },
  {
    path: "/sessions/{id}",
    operations: [endOperation("sessions", "end_session", "Ends one of the caller's sessions")],
  },
];

const writing: readonly ProblemCode[] = ["forbidden", "too_large", "unsupported_media_type", "invalid"];

function signInOperation(plan: Plan, audience: Audience): Operation {
  const refuses: readonly ProblemCode[] = [...ofAll, ...writing, "rate_limited", "outcome_unknown"];
  const people = plan.entities.find(({ name }) => name === plan.actors?.entity);
  const shown = people !== undefined && audience !== null && chance(people.read, audience) !== "never" ? people : null;
  const user = shown === null ? { id: someId } : recordExample(shown, shownTo(shown, audience));
  const schema = closed({
    token: unlessDry(text),
    expires_at: unlessDry(moment),
    user:
      shown === null
        ? { type: ["object", "null"], description: "The user's own record", properties: { id }, required: ["id"] }
        : ref("schemas", shown.title),
  });
  return {
    method: "POST",
    refuses,
    described: {
      operationId: "sign_in",
      summary: "Signs in: opens a session",
      description:
        "The token goes into `Authorization: Bearer`; a browser keeps it as a cookie as well. `Idempotency-Key` does not count here: no reply with a secret is kept.",
      tags: ["sessions"],
      parameters: [dryRun],
      ...(audience === null ? {} : { security: [] }),
      requestBody: bodyOf(signInInput(plan)),
      responses: {
        201: {
          description: "The session, whose token is shown once",
          headers: written("Set-Cookie"),
          content: {
            "application/json": {
              schema,
              ...(user === undefined ? {} : { example: { token: "gs_…", expires_at: expiry, user } }),
            },
          },
        },
        ...refusalResponses(refuses),
      },
    },
  };
}

function makeKey(plan: Plan, audience: string): Operation {
  const refuses: readonly ProblemCode[] = [...ofAll, ...writing, "outcome_unknown"];
  const { current: _, ...shown } = apiKeyExample(plan, audience);
  return {
    method: "POST",
    refuses,
    described: {
      operationId: "make_api_key",
      summary: "Makes an API key",
      description:
        "`scopes` narrows it to some reading and some actions; row-level security holds for the rest. `Idempotency-Key` does not count here: no reply with a secret is kept.",
      tags: ["api_keys"],
      parameters: [dryRun],
      requestBody: bodyOf(apiKeyInput(scopesOf(plan, audience))),
      responses: {
        201: {
          description: "The key, shown once",
          headers: written(),
          content: {
            "application/json": {
              schema: closed({
                id: unlessDry(id),
                name: text,
                key: unlessDry(text),
                scopes: scopeList,
                created_at: unlessDry(moment),
              }),
              example: { ...shown, key: "gk_…" },
            },
          },
        },
        ...refusalResponses(refuses),
      },
    },
  };
}

const apiKeyExample = (plan: Plan, audience: string) => ({
  id: someId,
  name: "Nightly report",
  scopes: scopesOf(plan, audience).slice(0, 1),
  created_at: made,
  current: false,
});

function bodyOf({ fields }: FieldPlan): object {
  const example: Json | undefined = inputExample(fields, "needed");
  const content = { schema: inputSchema(fields, true, false), ...(example === undefined ? {} : { example }) };
  return {
    required: true,
    content: { "application/json": content, "application/x-www-form-urlencoded": content },
  };
}

function listOperation(name: string, title: string, example: object): Operation {
  const refuses: readonly ProblemCode[] = [...ofAll, "forbidden"];
  return {
    method: "GET",
    refuses,
    described: {
      operationId: `list_${name}`,
      summary: `Lists the caller's own ${name === "sessions" ? "living sessions" : "living API keys"}`,
      tags: [name],
      parameters: [
        query("limit", { type: "integer", minimum: 1, default: 100 }, "Entries on the page; more than 1,000 are 1,000"),
        query("skip", { type: "integer", minimum: 0, maximum: 10_000, default: 0 }, "Entries to leave out"),
        query("cursor", text, "`page.next` of the page before; not together with `skip`"),
      ],
      responses: {
        200: {
          description: "A page",
          headers: headers("Link"),
          content: {
            "application/json": {
              schema: pageSchema({ name, title }),
              example: { [name]: [example], page: { limit: 100, skip: 0, next: null, total: null } },
            },
          },
        },
        ...refusalResponses(refuses),
      },
    },
  };
}

function endOperation(name: string, operationId: string, summary: string): Operation {
  const refuses: readonly ProblemCode[] = [...ofAll, ...writing, "not_found", "outcome_unknown"];
  return {
    method: "DELETE",
    refuses,
    described: {
      operationId,
      summary,
      tags: [name],
      responses: {
        204: {
          description: "Ended, now or before",
          headers: written(...(operationId === "end_current_session" ? ["Set-Cookie"] : [])),
        },
        ...refusalResponses(refuses),
      },
    },
  };
}
