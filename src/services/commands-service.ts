import { checkInput } from "../domain/check-input.ts";
import { type Decision, decideChanges } from "../domain/decide-changes.ts";
import { goneSince } from "../domain/deletion.ts";
import { permits, referencesIn, visitorsMay } from "../domain/permit.ts";
import { allowedActions } from "../domain/possible-actions.ts";
import { type Referred, referredBy } from "../domain/references.ts";
import type { Fault } from "../kernel/fault.ts";
import { canonicalJson, type Json, type JsonObject } from "../kernel/json.ts";
import { problems } from "../kernel/problem.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { Actor, Asking } from "../plan/behaviour.ts";
import type { ActionPlan, EntityPlan, LifecyclePlan, Policy } from "../plan/plan.ts";
import { inverseOf } from "../plan/undo-rules.ts";
import type { Command, Written } from "../repositories/records-repository.ts";
import type { CommandReply, CommandRequest, CommandsParts } from "./command.ts";
import { decideEffects } from "./decide-effects.ts";
import { demandConfirmation, hangingRefusal } from "./impact.ts";
import { actorOf, KnownRecords } from "./known-records.ts";
import { hashAll } from "./passwords.ts";
import { demandUndoing, lastEvent, noLongerValid, placedEvent } from "./undo-event.ts";
import { refusalOf, takenMeanwhile } from "./written-refusal.ts";

export interface CommandsService {
  /**
   * Authorises, loads, decides and appends one command.
   * @throws Refusal for whatever the caller can mend.
   */
  execute(request: CommandRequest): Promise<CommandReply>;
}

/** How often a command is decided anew when others were faster; each try reads the record again. */
export const mostTries = 5;

export function commandsService(parts: CommandsParts): CommandsService {
  return {
    async execute(request) {
      const entity = parts.plan.entities.find(({ name }) => name === request.entity);
      const action = entity?.actions.find(({ name }) => name === request.action);
      if (entity === undefined || action === undefined) throw new Refusal("not_found");
      for (let attempt = 1; ; attempt++) {
        const reply = await tryOnce(parts, entity, action, request);
        if (reply !== "again") return reply;
        if (attempt === mostTries) throw new Refusal("conflict");
        parts.observe({ kind: "command_rerun", entity: entity.name, action: action.name, attempt });
      }
    },
  };
}

/** What stands once the caller is let in: 401, 404, 410 and 403 are behind. */
export interface Admitted {
  readonly known: KnownRecords;
  readonly actor: Actor;
  /** The record to change; null for a creation. */
  readonly state: JsonObject | null;
  /** The record is deleted, and the action is one that may be done to it all the same. */
  readonly isGone: boolean;
}

async function tryOnce(
  parts: CommandsParts,
  entity: EntityPlan,
  action: ActionPlan,
  request: CommandRequest,
): Promise<CommandReply | "again"> {
  const admitted = await admit(parts, entity, action, request, takesDeleted(action));
  if (admitted === "again") return "again";
  try {
    return await change(parts, entity, action, request, admitted);
  } catch (error) {
    // What would be refused now may have been done by an earlier request with the same key.
    const replayed = await replayOf(parts, action, request, error);
    if (replayed === null) throw error;
    return replayed;
  }
}

const takesDeleted = ({ kind }: ActionPlan): boolean => kind === "delete" || kind === "restore";

/**
 * Lets the caller in to an action, or not.
 * @param evenGone whether a deleted record is let through; otherwise it is a 410
 * @throws Refusal 401, 404, 410 or 403, in this order.
 */
export async function admit(
  parts: CommandsParts,
  entity: EntityPlan,
  action: ActionPlan,
  request: Pick<CommandRequest, "who" | "id">,
  evenGone: boolean,
  known: KnownRecords = new KnownRecords(parts.records, request.who),
): Promise<Admitted | "again"> {
  const { who } = request;
  if (who === null && !visitorsMay(action.by, entity)) throw new Refusal("unauthenticated");
  const loading = action.kind === "create" || request.id === null ? null : known.load(entity.name, request.id);
  const [actor, target] =
    loading === null
      ? [await actorOf(parts.plan, known, who), null]
      : await Promise.all([actorOf(parts.plan, known, who), loading]);
  let state: JsonObject | null = null;
  let isGone = false;
  if (action.kind !== "create") {
    if (target === null || !("record" in target)) throw new Refusal("not_found");
    if (target.outcome === "hidden" || target.outcome === "hidden_gone") throw new Refusal("not_found");
    isGone = target.outcome === "visible_gone";
    if (isGone && !evenGone) return gone(parts, entity, request);
    state = target.record;
    await loadReferences(known, entity, action, state);
  }
  const verdict = permits(action.by, actor, entity, state, known.visible);
  if (verdict === "no") throw new Refusal(who === null ? "unauthenticated" : "forbidden");
  return { known, actor, state, isGone };
}

/** Decides what the database shall do; a reply where there is nothing for it to do. */
export async function decideCommand(
  parts: CommandsParts,
  entity: EntityPlan,
  action: ActionPlan,
  request: CommandRequest,
  admitted: Admitted,
): Promise<Command | CommandReply | "again"> {
  if (action.kind === "undo") return decideUndo(parts, entity, action, request, admitted);
  const { known, actor, state, isGone } = admitted;
  const creates = action.kind === "create";
  const restores = action.kind === "restore";
  const input = checkInput(entity, action, request.input, state, request.partial || restores);
  const faults = [...input.faults];
  // What needs no wait makes none: a call of a thousand would pay for each.
  const referred = faults.length === 0 ? referredBy(action.input, input.value) : [];
  if (referred.length > 0) faults.push(...(await referenceFaults(known, referred)));
  if (faults.length === 0 && Object.keys(action.verify).length > 0) {
    faults.push(...(await passwordFaults(parts, entity, action, request, input.value)));
  }
  if (faults.length > 0) throw Refusal.invalid(faults);
  if (isGone && !restores) return deleted(state, "");

  const id = creates ? (request.id ?? (entity.id === "uuid" ? parts.newId() : null)) : request.id;
  const workflow = action.kind === "move" ? await parts.workflows.of(entity.name) : null;
  const behaviour = parts.behaviours.get(`${entity.name}.${action.name}`);
  const asking: Asking = { input: input.value, actor, now: parts.clock.now(), state };
  const wanted = behaviour?.needs?.(asking);
  const decision = decideChanges(behaviour, entity, action, {
    asking,
    needs: wanted === undefined ? {} : await known.needs(wanted),
    decided: request.decided ?? {},
    id,
    lifecycle: workflow?.lifecycle ?? null,
  });
  const set = "declined" in decision ? input.value : decision.set;
  if (actor.type !== "system") {
    const record = { ...state, ...set };
    if (looksThrough(entity, action).length > 0) await loadReferences(known, entity, action, record);
    // The policy must hold for the record as it will be, too: nobody hands a record to where they could not have put it.
    if (permits(action.by, actor, entity, record, known.visible) !== "yes") throw new Refusal("forbidden");
  }
  checkVersion(entity, action, request, state);
  if (restores && !isGone) throw notDeleted;
  if (
    workflow !== null &&
    state !== null &&
    "to" in decision &&
    !leads(workflow.lifecycle, action, state, decision.to)
  ) {
    if ((await parts.workflows.renew(entity.name)).version !== workflow.version) return "again";
    throw await transitionRefusal(parts, entity, admitted);
  }
  if ("declined" in decision) throw new Refusal(decision.declined);
  const same = state !== null && ["update", "change"].includes(action.kind) && isSame(state, decision);
  const agreed =
    action.kind === "delete" && id !== null && state !== null
      ? await demandConfirmation(parts, entity, action, request, { id, version: Number(state.version) })
      : null;

  const event = parts.newId();
  return {
    event,
    actor: request.who,
    action: action.name,
    id,
    version: state === null ? null : Number(state.version),
    to: decision.to,
    type: decision.event,
    set: decision.set,
    ...(decision.passwords === null ? null : { secrets: await hashAll(parts.passwords, decision.passwords) }),
    request: request.requestId,
    ...request.idempotency,
    ...(request.session == null ? null : { session: request.session }),
    ...(same ? { keep: true } : null),
    ...(request.dryRun === true ? { dry: true } : null),
    ...(request.brief === true ? { brief: true } : null),
    ...(agreed === null ? null : { agreed }),
    ...(decision.effects.length > 0 ? await decideEffects(parts, known, request, event, decision.effects) : null),
  };
}

/** Undoing an event is doing the inverse of it, by the rights and rules of that action; the event says what it takes back. */
async function decideUndo(
  parts: CommandsParts,
  entity: EntityPlan,
  undo: ActionPlan,
  request: CommandRequest,
  admitted: Admitted,
): Promise<Command | CommandReply | "again"> {
  const { known, actor, state } = admitted;
  const { value, faults } = checkInput(entity, undo, request.input, state, false);
  if (faults.length > 0 || state === null) throw Refusal.invalid(faults);
  const wanted = typeof value.event === "string" ? value.event : null;
  const placed = await placedEvent(parts.past, entity, request.id ?? "", wanted);
  if (placed === null) throw Refusal.invalid([{ pointer: "/event", code: "not_found" }]);
  const declared = entity.actions.find(({ name }) => name === placed.event.action);
  const inverse = declared === undefined ? undefined : inverseOf(entity.actions, declared);
  if (inverse !== undefined && permits(inverse.by, actor, entity, state, known.visible) !== "yes") {
    throw new Refusal("forbidden");
  }
  checkVersion(entity, undo, request, state);
  const { action, input, type } = demandUndoing(entity, placed);
  const inner = { ...request, action: action.name, input, partial: type !== null };
  const command = await decideCommand(parts, entity, action, inner, admitted).catch((error: unknown) => {
    throw error instanceof Refusal && error.code === "invalid" ? noLongerValid(error) : error;
  });
  if (command === "again" || "outcome" in command) return command;
  return { ...command, type: type ?? command.type, causation: placed.event.id };
}

async function change(
  parts: CommandsParts,
  entity: EntityPlan,
  action: ActionPlan,
  request: CommandRequest,
  admitted: Admitted,
): Promise<CommandReply | "again"> {
  const command = await decideCommand(parts, entity, action, request, admitted);
  if (command === "again" || "outcome" in command) return command;
  if (command.keep === true && request.idempotency === null) return unchanged(parts, entity, request);
  const { state } = admitted;
  const written = await parts.records.write(entity.name, command);
  switch (written.outcome) {
    case "done":
      return action.kind === "delete" ? deleted(state, written.body) : replyOf(action, written);
    case "unchanged":
      return deleted(state, "");
    case "transition_not_allowed":
      // The workflow has changed since it was read, or is being changed; the next try decides by the new one.
      await parts.workflows.renew(entity.name);
      return "again";
    case "stale":
    case "conflict":
      return "again";
    case "gone":
      return gone(parts, entity, request);
    case "blocked":
    case "too_many":
    case "unconfirmed":
      throw await hangingRefusal(parts, entity, action, request, command.id ?? "", written.outcome);
    case "frozen": {
      const refusal = refusalOf(written, entity, parts.observe);
      if (!(refusal instanceof Refusal)) throw refusal;
      const allowed_actions = await allowedNow(parts, entity, admitted);
      throw new Refusal(refusal.code, { ...refusal.told, allowed_actions });
    }
    case "unique":
      throw action.kind === "restore"
        ? takenMeanwhile(written.broken, entity)
        : refusalOf(written, entity, parts.observe);
    default:
      throw refusalOf(written, entity, parts.observe);
  }
}

const notDeleted = new Refusal("conflict", {
  detail: { en: "The record is not deleted.", ru: "Запись не удалена." },
});

const replyOf = (
  action: ActionPlan,
  { version, body, replayed }: Extract<Written, { outcome: "done" }>,
): CommandReply => ({
  outcome: action.kind === "create" ? "created" : "changed",
  id: idOf(body),
  version,
  body,
  replayed,
});

/** The stored reply to a request that is refused now; null when there is none or the refusal is not the caller's. */
async function replayOf(
  { records }: CommandsParts,
  action: ActionPlan,
  { idempotency }: CommandRequest,
  error: unknown,
): Promise<CommandReply | null> {
  if (idempotency === null || !(error instanceof Refusal) || problems[error.code].status >= 500) return null;
  const remembered = await records.replay(idempotency.key, idempotency.fingerprint);
  if (remembered?.outcome === "mismatch") throw new Refusal("idempotency_mismatch");
  return remembered === null ? null : replyOf(action, remembered);
}

/** The references that the action's policy, or another one's, looks through. */
const looksThrough = (entity: EntityPlan, action: ActionPlan): readonly string[] =>
  policiesOf(entity, action).flatMap(referencesIn);

const policiesOf = (entity: EntityPlan, action: ActionPlan): readonly Policy[] =>
  action.kind === "move" || action.kind === "undo" ? entity.actions.map(({ by }) => by) : [action.by];

const loadReferences = (known: KnownRecords, entity: EntityPlan, action: ActionPlan, record: JsonObject) =>
  known.loadReferences(entity, policiesOf(entity, action), record);

/** A reference to a record that the actor cannot read is refused like one to a missing record. */
async function referenceFaults(known: KnownRecords, referred: readonly Referred[]): Promise<readonly Fault[]> {
  const found = await Promise.all(referred.map(({ entity, id }) => known.load(entity, id)));
  return referred
    .filter(({ mayBeUnseen }, index) => {
      const outcome = found[index]?.outcome;
      return outcome !== "visible" && !(mayBeUnseen && outcome === "hidden");
    })
    .map(({ pointer }) => ({ pointer, code: "not_found" as const }));
}

async function passwordFaults(
  { records, passwords }: CommandsParts,
  entity: EntityPlan,
  action: ActionPlan,
  request: CommandRequest,
  value: JsonObject,
): Promise<readonly Fault[]> {
  const faults: Fault[] = [];
  for (const [name, field] of Object.entries(action.verify)) {
    const hash = await records.secret(entity.name, field, request.who, request.id ?? "");
    const right = hash !== null && (await passwords.matches(hash, String(value[name])));
    if (!right) faults.push({ pointer: `/${name}`, code: "wrong_password" });
  }
  return faults;
}

function checkVersion(entity: EntityPlan, action: ActionPlan, request: CommandRequest, state: JsonObject | null): void {
  if (state === null) return;
  const { expected } = request;
  if (expected === null) {
    const demanded = action.kind === "undo" || (entity.demandsVersion && action.kind === "update");
    if (demanded && request.who !== "system") {
      throw new Refusal("precondition_required");
    }
    return;
  }
  const current = Number(state.version);
  if (expected !== "any" && !expected.includes(current)) {
    throw new Refusal("stale", { versions: { yours: expected[0] ?? null, current } });
  }
}

const leads = ({ transitions }: LifecyclePlan, action: ActionPlan, state: JsonObject, to: string | null): boolean =>
  transitions.some((step) => step.action === action.name && step.from === state.status && step.to === to);

/** The state does not lead there: tells what the actor can do instead. */
async function transitionRefusal(parts: CommandsParts, entity: EntityPlan, admitted: Admitted): Promise<Refusal> {
  return new Refusal("transition_not_allowed", {
    status_now: String(admitted.state?.status),
    allowed_actions: await allowedNow(parts, entity, admitted),
  });
}

/** What the actor can do with the record instead, by the workflow that this process knows. */
async function allowedNow(
  { past, workflows }: CommandsParts,
  entity: EntityPlan,
  { known, actor, state }: Admitted,
): Promise<readonly string[]> {
  if (state === null) return [];
  const [workflow, last] = await Promise.all([
    entity.lifecycle === null ? null : workflows.of(entity.name),
    lastEvent(past, entity, state),
    known.loadReferences(
      entity,
      entity.actions.map(({ by }) => by),
      state,
    ),
  ]);
  return allowedActions(entity, workflow?.lifecycle ?? null, actor, state, known.visible, last);
}

const isSame = (state: JsonObject, decision: Pick<Decision, "set" | "passwords">): boolean =>
  decision.passwords === null &&
  Object.entries(decision.set).every(
    ([name, value]: [string, Json]) => canonicalJson(value) === canonicalJson(state[name] ?? null),
  );

async function unchanged(
  parts: CommandsParts,
  entity: EntityPlan,
  request: CommandRequest,
): Promise<CommandReply | "again"> {
  const shown = await parts.records.read(entity.name, request.who, request.id ?? "");
  if (shown.outcome !== "found") return "again";
  return { outcome: "changed", id: request.id ?? "", version: shown.version, body: shown.body, replayed: false };
}

async function gone(
  parts: CommandsParts,
  entity: EntityPlan,
  request: Pick<CommandRequest, "who" | "id">,
): Promise<"again"> {
  const shown = await parts.records.read(entity.name, request.who, request.id ?? "");
  if (shown.outcome === "gone") throw new Refusal("gone", goneSince(entity, shown.deletedAt));
  return "again";
}

const deleted = (state: JsonObject | null, body: string): CommandReply => ({
  outcome: "deleted",
  id: String(state?.id ?? ""),
  version: Number(state?.version ?? 0),
  body,
  replayed: false,
});

/** Bodies start with the id: `{"id":"…"` or `{"id":7`. */
const idOf = (body: string): string => /^\{"id":"?([^",}]+)/.exec(body)?.[1] ?? "";
