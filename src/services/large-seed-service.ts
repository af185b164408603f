import { Refusal } from "../kernel/refusal.ts";
import type { ActionPlan, EntityPlan, SeedPlan } from "../plan/plan.ts";
import type { Command } from "../repositories/records-repository.ts";
import type { CommandRequest, CommandsParts } from "./command.ts";
import { admit, commandsService, decideCommand } from "./commands-service.ts";
import { KnownRecords } from "./known-records.ts";
import { loadTogether } from "./load-together.ts";
import type { Passwords } from "./passwords.ts";

/** Steps in one statement. */
const chunk = 1000;
/** Blocks under way at once: while the database does one, the other is decided. */
const lanes = 2;
/** What a step asks for by itself waits in batches, which take so many questions and no more. */
const atOnce = 250;
const reportEvery = 50_000;

/**
 * Sows many records: every step is decided like any other action and written by the same function, a thousand in one
 * statement, so each record has its true events.
 */
export async function sowLarge(given: CommandsParts, waves: Iterable<Iterable<readonly SeedPlan[]>>): Promise<number> {
  const parts = { ...given, passwords: hashedOnce(given.passwords) };
  const began = performance.now();
  let events = 0;
  const count = (more: number) => {
    const before = events;
    events += more;
    if (Math.floor(before / reportEvery) === Math.floor(events / reportEvery)) return;
    const perSecond = Math.round(events / ((performance.now() - began) / 1000));
    parts.observe({ kind: "sowing", events, perSecond });
  };
  for (const wave of waves) {
    const blocks = wave[Symbol.iterator]();
    let failed = false;
    const lane = async () => {
      for (let next = blocks.next(); next.done !== true; next = blocks.next()) {
        for (const steps of chunksOf(next.value)) {
          if (failed) return;
          await sowChunk(parts, steps).catch((error: unknown) => {
            failed = true;
            throw error;
          });
          count(steps.length);
        }
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }
  return events;
}

/** Equal passwords of a seed get equal hashes: a thousand hashes of their own would take a minute. */
function hashedOnce(passwords: Passwords): Passwords {
  const hashes = new Map<string, Promise<string>>();
  return {
    ...passwords,
    hash(password) {
      const hash = hashes.get(password) ?? passwords.hash(password);
      hashes.set(password, hash);
      return hash;
    },
  };
}

type Chunk = readonly [SeedPlan, ...SeedPlan[]];

/** Neighbours of one entity and action on different records, so many at most. */
function* chunksOf(block: readonly SeedPlan[]): Iterable<Chunk> {
  let steps: [SeedPlan, ...SeedPlan[]] | null = null;
  let ids = new Set<string | null>();
  for (const step of block) {
    const [first] = steps ?? [step];
    const goesOn =
      first.entity === step.entity && first.action === step.action && !ids.has(step.id ?? "") && ids.size < chunk;
    if (steps !== null && goesOn) steps.push(step);
    else {
      if (steps !== null) yield steps;
      steps = [step];
      ids = new Set();
    }
    ids.add(step.id);
  }
  if (steps !== null) yield steps;
}

async function sowChunk(parts: CommandsParts, steps: Chunk): Promise<void> {
  const [first] = steps;
  const entity = parts.plan.entities.find(({ name }) => name === first.entity);
  const action = entity?.actions.find(({ name }) => name === first.action);
  if (entity === undefined || action === undefined) throw new Error(`no action ${first.entity}.${first.action} to sow`);
  // Personal values are prepared one by one on their way to the database; these meet in its batches.
  if (entity.fields.some(({ kind, personal }) => personal || kind === "password")) {
    const commands = commandsService(parts);
    for (let from = 0; from < steps.length; from += atOnce) {
      await Promise.all(steps.slice(from, from + atOnce).map((step) => commands.execute(requestOf(action, step))));
    }
    return;
  }
  const commands = await decideAll(parts, entity, action, steps);
  const answers = await parts.records.writeMany(entity.name, commands);
  const refused = answers.findIndex(({ outcome }) => outcome !== "done");
  if (refused >= 0) throw refusedStep(steps[refused] ?? first, JSON.stringify(answers[refused]));
}

async function decideAll(
  parts: CommandsParts,
  entity: EntityPlan,
  action: ActionPlan,
  steps: readonly SeedPlan[],
): Promise<readonly Command[]> {
  const byActor = new Map<string, SeedPlan[]>();
  for (const step of steps) {
    const who = step.as ?? "system";
    const known = byActor.get(who);
    if (known === undefined) byActor.set(who, [step]);
    else known.push(step);
  }
  const decided: Command[] = [];
  for (const [who, own] of byActor) {
    const known = new KnownRecords(parts.records, who);
    await loadTogether(known, entity, action, own);
    for (let from = 0; from < own.length; from += atOnce) {
      const some = own.slice(from, from + atOnce);
      decided.push(...(await Promise.all(some.map((step) => decideStep(parts, known, entity, action, step)))));
    }
  }
  return decided;
}

async function decideStep(
  parts: CommandsParts,
  known: KnownRecords,
  entity: EntityPlan,
  action: ActionPlan,
  step: SeedPlan,
): Promise<Command> {
  const request = requestOf(action, step);
  try {
    const admitted = await admit(parts, entity, action, request, false, known);
    const command = admitted === "again" ? admitted : await decideCommand(parts, entity, action, request, admitted);
    if (command === "again" || "outcome" in command) throw refusedStep(step, "nothing to do");
    return command;
  } catch (error) {
    throw error instanceof Refusal ? refusedStep(step, error.code, error) : error;
  }
}

const requestOf = ({ kind }: ActionPlan, { entity, action, id, as, input, decided }: SeedPlan): CommandRequest => ({
  entity,
  action,
  id,
  who: as ?? "system",
  input,
  partial: kind === "update",
  expected: kind === "update" ? "any" : null,
  requestId: null,
  idempotency: null,
  brief: true,
  decided,
});

const refusedStep = ({ entity, action, id }: SeedPlan, why: string, cause?: unknown): Error =>
  new Error(`The seed's ${entity}.${action} of ${id} was not done: ${why}`, { cause });
