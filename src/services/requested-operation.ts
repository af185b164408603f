import { readIdentifier } from "../kernel/identifier.ts";
import { offeredActions } from "../plan/audience.ts";
import type { ActionPlan, EntityPlan, Plan } from "../plan/plan.ts";
import type { Who } from "../repositories/records-repository.ts";
import { actionOnRecord } from "./impact-service.ts";

/** What a method and a path ask for, as far as policies answer it. */
export type RequestedOperation =
  | { readonly kind: "list"; readonly entity: EntityPlan }
  | { readonly kind: "read" | "history"; readonly entity: EntityPlan; readonly id: string }
  | { readonly kind: "create"; readonly entity: EntityPlan; readonly action: ActionPlan }
  | { readonly kind: "act" | "impact"; readonly entity: EntityPlan; readonly action: ActionPlan; readonly id: string };

/**
 * Finds the operation; the host of a whole address is left aside, and so is the query but for the action of an impact.
 * @throws Error that lists what there is, when nothing fits.
 */
export function requestedOperation(plan: Plan, method: string, path: string, who: Who): RequestedOperation {
  const [, collection = "", id, ...rest] =
    path
      .replace(/^https?:\/\/[^/]+/, "")
      .split(/[?#]/, 1)[0]
      ?.split("/") ?? [];
  const entity = plan.entities.find(({ name }) => name === collection);
  if (entity === undefined) {
    const names = plan.entities.map(({ name }) => `/${name}`).join(", ");
    throw new Error(`No records at '${path}'; a path starts with one of: ${names}`);
  }
  const verb = method.toUpperCase();
  if (verb === "GET" || verb === "HEAD") {
    if (id === undefined || (id === "aggregate" && entity.aggregates !== null)) return { kind: "list", entity };
    const named = idOf(plan, entity, id, who);
    switch (rest.join("/")) {
      case "":
      case "actions":
        return { kind: "read", entity, id: named };
      case "history":
        return { kind: "history", entity, id: named };
      case "impact": {
        const asked = new URL(path, "http://localhost").searchParams.get("action") ?? "";
        return { kind: "impact", entity, action: actionOnRecord(entity, asked), id: named };
      }
    }
  }
  const wanted = [id === undefined ? "" : "/{id}", ...rest].join("/");
  const action = offeredActions(entity).find(
    (candidate) =>
      candidate.path === wanted && (candidate.method === verb || (verb === "PUT" && candidate.kind === "update")),
  );
  if (action?.kind === "create") return { kind: "create", entity, action };
  if (action !== undefined && id !== undefined) return { kind: "act", entity, action, id: idOf(plan, entity, id, who) };
  const known = offeredActions(entity).map((each) => `${each.method} /${collection}${each.path}`);
  const parts = ["", "/actions", "/history", "/impact?action=…"].map((part) => `GET /${collection}/{id}${part}`);
  const reads = [`GET /${collection}`, ...parts];
  throw new Error(`No operation '${verb} ${path}' to explain; there are: ${[...reads, ...known].join(", ")}`);
}

/** As the routes read ids. */
const idOf = (plan: Plan, entity: EntityPlan, id: string, who: Who): string =>
  id === "me" && entity.name === plan.actors?.entity && who !== null ? who : readIdentifier(entity.id, id);
