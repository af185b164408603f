import { checkInput } from "../domain/check-input.ts";
import { decideChanges } from "../domain/decide-changes.ts";
import { system } from "../domain/permit.ts";
import type { JsonObject } from "../kernel/json.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { Asking, Effect } from "../plan/behaviour.ts";
import type { Effect as EffectCommand } from "../repositories/records-repository.ts";
import type { CommandRequest, CommandsParts } from "./command.ts";
import type { KnownRecords } from "./known-records.ts";
import { hashAll } from "./passwords.ts";

/**
 * Decides what an action does to other records: each effect is an action of its own, done by Gesta in the name of the
 * caller. All of them stand or fall with the action.
 * @throws Refusal when an effect declines; Error where a declaration names what is not there.
 */
export async function decideEffects(
  parts: CommandsParts,
  known: KnownRecords,
  request: CommandRequest,
  cause: string,
  effects: readonly Effect[],
): Promise<{ readonly effects?: readonly EffectCommand[] }> {
  if (effects.length === 0) return {};
  const author = request.who ?? "visitor";
  const around = { author, request: request.requestId, correlation: cause, causation: cause };
  const commands = await Promise.all(effects.map((effect) => decideEffect(parts, known, effect)));
  return { effects: commands.map((command) => ({ ...command, ...around })) };
}

async function decideEffect(parts: CommandsParts, known: KnownRecords, effect: Effect) {
  const entity = parts.plan.entities.find(({ name }) => name === effect.entity);
  const action = entity?.actions.find(({ name }) => name === effect.action);
  const failed = (why: string) => new Error(`the effect ${effect.entity}.${effect.action} ${why}`);
  if (entity === undefined || action === undefined) throw failed("names no declared action");
  const creates = action.kind === "create";
  if (creates !== effect.makes) throw failed(creates ? "makes a record: write make(…)" : "makes none: write act(…)");
  const loaded = creates || effect.id === null ? null : await known.load(entity.name, effect.id);
  // The record that `needs` found may be gone by now: the whole command is decided anew or refused.
  if (loaded !== null && loaded.outcome !== "visible" && loaded.outcome !== "hidden") throw new Refusal("conflict");
  const state: JsonObject | null = loaded?.record ?? null;
  const input = checkInput(entity, action, effect.input, state, false);
  if (input.faults.length > 0) throw failed(`got input that it refuses: ${JSON.stringify(input.faults)}`);
  const id = effect.id ?? (entity.id === "uuid" ? parts.newId() : null);
  const lifecycle = action.kind === "move" ? (await parts.workflows.of(entity.name)).lifecycle : null;
  const behaviour = parts.behaviours.get(`${entity.name}.${action.name}`);
  const asking: Asking = { input: input.value, actor: system, now: parts.clock.now(), state };
  const needs = await known.needs(behaviour?.needs?.(asking) ?? {});
  const decision = decideChanges(behaviour, entity, action, { asking, needs, decided: {}, id, lifecycle });
  if ("declined" in decision) throw new Refusal(decision.declined);
  if (decision.effects.length > 0) throw failed("has effects of its own; name them in the first action");
  return {
    entity: entity.name,
    event: parts.newId(),
    actor: "system",
    action: action.name,
    id,
    version: state === null ? null : Number(state.version),
    to: decision.to,
    type: decision.event,
    set: decision.set,
    ...(decision.passwords === null ? null : { secrets: await hashAll(parts.passwords, decision.passwords) }),
  };
}
