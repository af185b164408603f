import { judge, visitor, visitorsMay } from "../domain/permit.ts";
import { stateObstacle } from "../domain/possible-actions.ts";
import type { JsonObject } from "../kernel/json.ts";
import { type ProblemCode, problems } from "../kernel/problem.ts";
import type { Actor } from "../plan/behaviour.ts";
import type { ActionPlan, EntityPlan, Plan, Policy } from "../plan/plan.ts";
import type { RecordsRepository, Who } from "../repositories/records-repository.ts";
import type { WorkflowRepository } from "../repositories/workflow-repository.ts";
import { decidingParts, type ExplainedPart, explainPolicy, type NamedActor } from "./explained-policy.ts";
import { RecordsBehindPolicies } from "./records-behind-policies.ts";
import { type RequestedOperation, requestedOperation } from "./requested-operation.ts";
import { type WorkflowsInForce, workflowsInForce } from "./workflows-in-force.ts";

/** A request as a developer asks about it. */
export interface ExplainRequest {
  readonly method: string;
  readonly path: string;
  /** Null for a visitor. */
  readonly who: Who;
  /** How the asker is called in the answer. */
  readonly name: string;
}

export interface ExplainedPolicy {
  /** `orders.read`, `orders.cancel` */
  readonly name: string;
  readonly tree: ExplainedPart;
}

/** What a request would be answered now, if its body and its headers are right, and by what. */
export interface Explanation {
  readonly request: string;
  readonly asker: NamedActor;
  readonly status: number;
  /** The code of the refusal; null where there is none. */
  readonly code: ProblemCode | null;
  /** What the status becomes where the new record does not keep the policy, or a delete is not confirmed; null where it is settled. */
  readonly otherwise: number | null;
  readonly because: string;
  /** The policies that were asked, in their order. */
  readonly policies: readonly ExplainedPolicy[];
}

/** Says which policy, and which part of it, decides a request. It tells what is hidden: for development alone. */
export interface ExplainService {
  /** @throws Error when there is no such operation. */
  explain(request: ExplainRequest): Promise<Explanation>;
}

type Answer = Omit<Explanation, "request" | "asker" | "policies">;

const refused = (code: ProblemCode, because: string): Answer => ({
  status: problems[code].status,
  code,
  otherwise: null,
  because,
});
const done = (status: number, because: string, otherwise: number | null = null): Answer => ({
  status,
  code: null,
  otherwise,
  because,
});

export function explainService(plan: Plan, records: RecordsRepository, repository: WorkflowRepository): ExplainService {
  const workflows = workflowsInForce(repository);
  return {
    async explain({ method, path, who, name }) {
      if (!(await repository.exists()))
        throw new Error("There is no database to look at. Start the application first.");
      const operation = requestedOperation(plan, method, path, who);
      const actor = await actorNow(plan, records, who);
      const known = typeof actor === "string" ? visitor : actor;
      const asker = { name, id: who, roles: known.roles };
      const inquiry = new Inquiry(asker, known, new RecordsBehindPolicies(plan, records, known));
      const answer =
        typeof actor === "string" ? refused("unauthenticated", actor) : await answerTo(operation, inquiry, workflows);
      return { request: `${method.toUpperCase()} ${path}`, asker, ...answer, policies: inquiry.asked };
    },
  };
}

/** Who acts by what is stored now, or why a token of theirs is refused. */
async function actorNow(plan: Plan, records: RecordsRepository, who: Who): Promise<Actor | string> {
  if (who === null) return visitor;
  if (plan.actors === null) return "the application has no actors, so it takes no token";
  const { entity, role, active } = plan.actors;
  const loaded = await records.load(entity, "system", who);
  if (!("record" in loaded)) return `there is no record ${who} among the ${entity}`;
  if (loaded.outcome.endsWith("_gone")) return `${entity}/${who} is deleted`;
  const { status } = loaded.record;
  if (!active.includes(String(status))) return `${entity}/${who} is ${status}; who acts must be ${active.join(" or ")}`;
  return { type: "user", id: who, roles: [String(loaded.record[role])] };
}

/** The policies of one request as they are asked, one after another. */
class Inquiry {
  readonly asker: NamedActor;
  readonly behind: RecordsBehindPolicies;
  readonly asked: ExplainedPolicy[] = [];
  readonly #actor: Actor;

  constructor(asker: NamedActor, actor: Actor, behind: RecordsBehindPolicies) {
    this.asker = asker;
    this.#actor = actor;
    this.behind = behind;
  }

  async ask(name: string, policy: Policy, entity: EntityPlan, record: JsonObject | null): Promise<ExplainedPart> {
    if (record !== null) await this.behind.follow(entity, [policy], record);
    const judgement = judge(policy, this.#actor, entity, record, this.behind.visible);
    const tree = explainPolicy(judgement, this.asker, entity, record, this.behind);
    this.asked.push({ name: `${entity.name}.${name}`, tree });
    return tree;
  }
}

/** In the order in which the API refuses. */
async function answerTo(operation: RequestedOperation, inquiry: Inquiry, workflows: WorkflowsInForce): Promise<Answer> {
  const { entity } = operation;
  const isVisitor = inquiry.asker.id === null;
  const [name, policy] =
    "action" in operation ? [operation.action.name, operation.action.by] : (["read", entity.read] as const);
  if (isVisitor && !visitorsMay(policy, entity)) {
    await inquiry.ask(name, policy, entity, null);
    return refused("unauthenticated", `no visitor ever passes ${entity.name}.${name}`);
  }
  if (isVisitor && operation.kind === "history") {
    return refused("unauthenticated", "histories are for signed-in callers");
  }
  switch (operation.kind) {
    case "list":
      return listed(entity, await inquiry.ask("read", policy, entity, null));
    case "create":
      return created(entity, operation.action, await inquiry.ask(name, policy, entity, null), isVisitor);
    case "read":
    case "history":
    case "act":
    case "impact": {
      const found = await inquiry.behind.stored(entity.name, operation.id);
      if (found === null) return refused("not_found", `there is no such record among the ${entity.name}`);
      const read = await inquiry.ask("read", entity.read, entity, found.record);
      if (read.verdict !== "yes") return refused("not_found", `${entity.name}.read hides the record: ${why(read)}`);
      if (found.deleted && !takesDeleted(operation)) return refused("gone", "the record is deleted");
      if (!("action" in operation)) return done(200, `${entity.name}.read shows the record`);
      const { action } = operation;
      const by = await inquiry.ask(name, policy, entity, found.record);
      if (by.verdict !== "yes") {
        return refused(isVisitor ? "unauthenticated" : "forbidden", `${entity.name}.${name} forbids it: ${why(by)}`);
      }
      return operation.kind === "impact" ? done(200, allowed(entity, name)) : acted(entity, action, found, workflows);
    }
  }
}

/** What is answered for a deleted record too. */
const takesDeleted = (operation: RequestedOperation): boolean =>
  operation.kind === "history" ||
  (operation.kind === "act" && (operation.action.kind === "delete" || operation.action.kind === "restore"));

async function acted(
  entity: EntityPlan,
  action: ActionPlan,
  found: { readonly record: JsonObject; readonly deleted: boolean },
  workflows: WorkflowsInForce,
): Promise<Answer> {
  const because = allowed(entity, action.name);
  switch (action.kind) {
    case "delete":
      return found.deleted ? done(204, "the record is deleted already") : deleted(action, because);
    case "restore":
      return found.deleted ? done(200, because) : refused("conflict", "the record is not deleted");
    case "move":
      return moved(entity, action, found.record, workflows);
    case "undo":
      return done(
        200,
        `${because}, where the event has an inverse and nothing is in the way`,
        problems.conflict.status,
      );
    default:
      return done(200, because);
  }
}

function deleted({ barrier }: ActionPlan, because: string): Answer {
  const { status } = problems.confirmation_required;
  switch (barrier?.confirm ?? "never") {
    case "never":
      return done(204, because);
    case "always":
      return done(204, `${because}, once it is confirmed`, status);
    case "when_linked":
      return done(204, `${because}, once it is confirmed where other records are touched`, status);
  }
}

const why = (part: ExplainedPart): string => decidingParts(part).join("; ");
const allowed = (entity: EntityPlan, action: string): string => `${entity.name}.${action} allows it`;

function listed({ name }: EntityPlan, read: ExplainedPart): Answer {
  switch (read.verdict) {
    case "yes":
      return done(200, `${name}.read shows every record: ${why(read)}`);
    case "no":
      return done(200, `${name}.read hides every record, the list is empty: ${why(read)}`);
    case "maybe":
      return done(200, `${name}.read limits the list: ${why(read)}`);
  }
}

function created(entity: EntityPlan, action: ActionPlan, by: ExplainedPart, isVisitor: boolean): Answer {
  const name = `${entity.name}.${action.name}`;
  if (by.verdict === "no")
    return refused(isVisitor ? "unauthenticated" : "forbidden", `${name} forbids it: ${why(by)}`);
  if (by.verdict === "yes") return done(201, allowed(entity, action.name));
  return done(201, `${name} looks at the new record: ${why(by)}`, problems.forbidden.status);
}

async function moved(
  entity: EntityPlan,
  action: ActionPlan,
  record: JsonObject,
  workflows: WorkflowsInForce,
): Promise<Answer> {
  const { lifecycle } = await workflows.renew(entity.name);
  const steps = lifecycle.transitions.filter((step) => step.action === action.name);
  const froms = [...new Set(steps.map(({ from }) => from))].join(", ");
  if (stateObstacle(action, lifecycle, record) !== null) {
    return refused(
      "transition_not_allowed",
      `the state is ${record.status}; ${action.name} leaves ${froms || "no state"}`,
    );
  }
  const targets = steps.filter(({ from }) => from === record.status).map(({ to }) => to);
  return done(200, `${allowed(entity, action.name)}, and from ${record.status} it leads to ${targets.join(" or ")}`);
}
