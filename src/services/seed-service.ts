import type { Plan, SeedPlan } from "../plan/plan.ts";
import type { CommandsService } from "./commands-service.ts";

/** Sows an empty database: every step is an ordinary action, so the sown records have a history like all others. */
export async function sow(plan: Plan, commands: CommandsService, steps: readonly SeedPlan[]): Promise<void> {
  for (const { entity, action, id, as, input, decided } of steps) {
    const kind = plan.entities.find(({ name }) => name === entity)?.actions.find(({ name }) => name === action)?.kind;
    await commands.execute({
      entity,
      action,
      id,
      who: as ?? "system",
      input,
      partial: kind === "update",
      expected: kind === "update" ? "any" : null,
      requestId: null,
      idempotency: null,
      decided,
    });
  }
}
