import { Refusal, type RefusalDetail } from "../kernel/refusal.ts";
import type { ActionPlan, EntityPlan } from "../plan/plan.ts";
import type { Edge, Impact, RecordsRepository, Who } from "../repositories/records-repository.ts";
import type { CommandRequest, CommandsParts } from "./command.ts";

/** Other records that hang on one, by the field through which they do, as the API shows them. */
export type ShownEdge = Omit<Edge, "rule">;

export const edgesOf = ({ edges }: Impact, wanted: Edge["rule"]): readonly ShownEdge[] =>
  edges.flatMap(({ rule, ...edge }) => (rule === wanted ? [edge] : []));

/** What deleting the record would touch. @throws Refusal when the caller may not know it. */
export async function impactOf(records: RecordsRepository, entity: EntityPlan, who: Who, id: string): Promise<Impact> {
  const impact = await records.impact(entity.name, who, id);
  if (impact.outcome !== "told") throw new Refusal(impact.outcome);
  return impact;
}

const placeOf = (entity: EntityPlan, action: ActionPlan, id: string): Required<Pick<RefusalDetail, "impact">> => ({
  impact: { entity: entity.name, id, action: action.name },
});

const blocked = (impact: Impact, place: Pick<RefusalDetail, "impact">): Refusal =>
  new Refusal("blocked_by_references", { ...place, blocked_by: edgesOf(impact, "restrict") });

/**
 * Holds a delete to its declared barrier before it is tried.
 * @returns what the caller agreed to, for the database to compare once all is locked; null where nobody asks.
 * @throws Refusal `blocked_by_references`, `confirmation_required`
 */
export async function demandConfirmation(
  { records, confirmations }: CommandsParts,
  entity: EntityPlan,
  action: ActionPlan,
  { who, confirm }: CommandRequest,
  { id, version }: { readonly id: string; readonly version: number },
): Promise<string | null> {
  const wanted = action.barrier?.confirm ?? "never";
  if (wanted === "never" || who === "system") return null;
  const impact = await impactOf(records, entity, who, id);
  const place = placeOf(entity, action, id);
  if (impact.edges.some(({ rule }) => rule === "restrict")) throw blocked(impact, place);
  const agreement = { who, entity: entity.name, action: action.name, id, version, digest: impact.digest };
  const needed = wanted === "always" || impact.edges.length > 0;
  if (needed && !(confirm != null && confirmations.holds(confirm, agreement))) {
    throw new Refusal("confirmation_required", place);
  }
  return impact.digest;
}

/** What the caller is told when the database refused a delete for what hangs on the record. */
export async function hangingRefusal(
  { records }: CommandsParts,
  entity: EntityPlan,
  action: ActionPlan,
  { who }: CommandRequest,
  id: string,
  outcome: "blocked" | "unconfirmed" | "too_many",
): Promise<Refusal> {
  const place = placeOf(entity, action, id);
  switch (outcome) {
    case "blocked":
      return blocked(await impactOf(records, entity, who, id), place);
    case "unconfirmed":
      return new Refusal("confirmation_required", place);
    case "too_many":
      return new Refusal("conflict", {
        detail: {
          en: "More than 10,000 records would go with it or let it go. Nothing was deleted: delete those first, in parts.",
          ru: "Вместе с ней изменилось бы больше 10 000 записей. Ничего не удалено: сначала удалите их по частям.",
        },
      });
  }
}
