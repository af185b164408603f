import { type BulkItem, type BulkMode, checkBulk } from "../domain/check-bulk.ts";
import { permits, visitorsMay } from "../domain/permit.ts";
import { problems } from "../kernel/problem.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { ActionPlan, EntityPlan } from "../plan/plan.ts";
import type { Command, Who, WholeCall, Written } from "../repositories/records-repository.ts";
import type { CommandRequest, CommandsParts, Idempotency } from "./command.ts";
import { type Admitted, admit, decideCommand, mostTries } from "./commands-service.ts";
import { actorOf, KnownRecords } from "./known-records.ts";
import { loadTogether } from "./load-together.ts";
import { refusalOf } from "./written-refusal.ts";

/** A wish to do one action many times. */
export interface BulkRequest {
  readonly entity: string;
  readonly action: string;
  readonly who: Who;
  readonly input: unknown;
  readonly requestId: string | null;
  /** The key belongs to the call: the whole reply is kept under it. */
  readonly idempotency: Idempotency | null;
  /** The reply is kept for good. */
  readonly lasting?: true;
  readonly dryRun: boolean;
  /** What the reply says of an item that was done. */
  readonly status: number;
  /** What it says of one that was refused. */
  readonly resultOf: (index: number, refusal: Refusal) => object;
}

export interface BulkReply {
  readonly body: string;
  readonly replayed: boolean;
}

export interface BulkService {
  /**
   * Does one action many times, in one statement.
   * @throws Refusal `bulk_refused` where one item is bad and all were to be done or none; others for the call itself.
   */
  execute(request: BulkRequest): Promise<BulkReply>;
}

export function bulkService(parts: CommandsParts): BulkService {
  return {
    async execute(request) {
      const entity = parts.plan.entities.find(({ name }) => name === request.entity);
      const action = entity?.actions.find(({ name, bulk }) => name === request.action && bulk);
      if (entity === undefined || action === undefined) throw new Refusal("not_found");
      await admitCaller(parts, entity, action, request.who);
      const replayed = await replayOf(parts, request);
      if (replayed !== null) return replayed;
      const { mode, items, faults } = checkBulk(entity, action, request.input);
      if (faults.length > 0) throw Refusal.invalid(faults);

      const call: Call = { entity, action, request, mode, items, refused: new Map() };
      for (let attempt = 1; ; ) {
        const reply = await tryOnce(parts, call, attempt === mostTries);
        if (reply === "fewer") continue;
        if (reply !== "again") return reply;
        if (attempt === mostTries) throw new Refusal("conflict");
        parts.observe({ kind: "command_rerun", entity: entity.name, action: action.name, attempt });
        attempt++;
      }
    },
  };
}

interface Call {
  readonly entity: EntityPlan;
  readonly action: ActionPlan;
  readonly request: BulkRequest;
  readonly mode: BulkMode;
  readonly items: readonly BulkItem[];
  /** What the database refused of a partial call: it is not tried again. */
  readonly refused: Map<number, Refusal>;
}

/** Lets the caller in to one item. */
type Admit = (single: CommandRequest) => Promise<Admitted | "again">;

/** Whoever may do this to no record at all is told so before the items are looked at. */
async function admitCaller(parts: CommandsParts, entity: EntityPlan, action: ActionPlan, who: Who): Promise<void> {
  if (who === null && !visitorsMay(action.by, entity)) throw new Refusal("unauthenticated");
  const known = new KnownRecords(parts.records, who);
  const actor = await actorOf(parts.plan, known, who);
  if (permits(action.by, actor, entity, null, known.visible) === "no") throw new Refusal("forbidden");
}

async function replayOf({ records }: CommandsParts, { idempotency }: BulkRequest): Promise<BulkReply | null> {
  if (idempotency === null) return null;
  const remembered = await records.replay(idempotency.key, idempotency.fingerprint);
  if (remembered?.outcome === "mismatch") throw new Refusal("idempotency_mismatch");
  return remembered;
}

/** @returns `fewer` when the database refused some of a partial call: the rest is to be tried without them. */
async function tryOnce(parts: CommandsParts, call: Call, last: boolean): Promise<BulkReply | "again" | "fewer"> {
  const { entity, request, mode } = call;
  const decided = await decideAll(parts, call);
  if (decided.includes("again")) return "again";
  const refused = new Map(decided.flatMap((each, index) => (each instanceof Refusal ? [[index, each]] : [])));
  const places = decided.flatMap((each, index) => (isCommand(each) ? [index] : []));
  const commands = decided.filter(isCommand);
  const bad = mode === "atomic" && refused.size > 0;
  // What is left of a call that will be refused is tried all the same: the reply names every bad item.
  if (bad && commands.length === 0) throw bulkRefused(request, refused);

  const written = await parts.records.writeAll(entity.name, commands, wholeCall(call, refused, bad));
  switch (written.outcome) {
    case "done":
      if (bad && !written.replayed) throw bulkRefused(request, refused);
      return written;
    case "in_flight":
      throw new Refusal("idempotency_in_flight", { retryAfter: 1 });
    case "mismatch":
      throw new Refusal("idempotency_mismatch");
    case "refused": {
      const found = new Map<number, Refusal>();
      let overtaken = false;
      for (const [nth, answer] of written.answers.entries()) {
        if (answer.outcome === "done") continue;
        if (isOvertaken(answer) && !(last && mode === "partial")) overtaken = true;
        else found.set(places[nth] ?? 0, refusalFor(parts, entity, answer));
      }
      if (mode === "partial") {
        for (const [index, refusal] of found) call.refused.set(index, refusal);
        return found.size > 0 ? "fewer" : "again";
      }
      if (overtaken || found.size === 0) return "again";
      throw bulkRefused(request, new Map([...refused, ...found]));
    }
  }
}

const wholeCall = ({ request, mode, items }: Call, refused: ReadonlyMap<number, Refusal>, bad: boolean): WholeCall => ({
  mode,
  status: request.status,
  ...(refused.size === 0 ? {} : { results: items.map((_, index) => resultText(request, index, refused.get(index))) }),
  ...(bad ? {} : request.idempotency),
  ...(request.lasting === true ? { lasting: true } : {}),
  ...(bad || request.dryRun ? { dry: true } : {}),
});

const resultText = (request: BulkRequest, index: number, refusal: Refusal | undefined): string | null =>
  refusal === undefined ? null : JSON.stringify(request.resultOf(index, refusal));

/** Others were faster: the next try decides on what they left. */
const isOvertaken = ({ outcome }: Written): boolean => outcome === "stale" || outcome === "conflict";

function refusalFor(
  { observe }: CommandsParts,
  entity: EntityPlan,
  answer: Exclude<Written, { outcome: "done" }>,
): Refusal {
  const refusal = refusalOf(answer, entity, observe);
  if (refusal instanceof Refusal && problems[refusal.code].status < 500) return refusal;
  throw refusal;
}

const bulkRefused = (request: BulkRequest, refused: ReadonlyMap<number, Refusal>): Refusal =>
  new Refusal("bulk_refused", {
    results: [...refused].sort(([one], [other]) => one - other).map(([index, why]) => request.resultOf(index, why)),
  });

type Outcome = Command | Refusal | "again";
const isCommand = (outcome: Outcome): outcome is Command => outcome !== "again" && !(outcome instanceof Refusal);

/** What an item's action asks for by itself waits in batches, which take so many questions and no more. */
const atOnce = 250;

async function decideAll(parts: CommandsParts, call: Call): Promise<readonly Outcome[]> {
  const known = new KnownRecords(parts.records, call.request.who);
  await loadTogether(known, call.entity, call.action, call.items);
  const admitOne: Admit = (single) => admit(parts, call.entity, call.action, single, false, known);
  let created: ReturnType<Admit> | undefined;
  // Who may create one may create all.
  const admitItem: Admit = call.action.kind === "create" ? (single) => (created ??= admitOne(single)) : admitOne;
  const outcomes: Outcome[] = [];
  for (let from = 0; from < call.items.length; from += atOnce) {
    const some = call.items.slice(from, from + atOnce);
    outcomes.push(
      ...(await Promise.all(
        some.map((item, nth) => call.refused.get(from + nth) ?? decideItem(parts, admitItem, call, item)),
      )),
    );
  }
  return outcomes;
}

async function decideItem(
  parts: CommandsParts,
  admitItem: Admit,
  { entity, action, request }: Call,
  { id, version, input, faults }: BulkItem,
): Promise<Outcome> {
  if (faults.length > 0) return Refusal.invalid(faults);
  const single: CommandRequest = {
    entity: entity.name,
    action: action.name,
    who: request.who,
    id,
    input,
    partial: action.kind === "update",
    expected: version === null ? null : [version],
    requestId: request.requestId,
    idempotency: null,
    brief: true,
  };
  try {
    const admitted = await admitItem(single);
    if (admitted === "again") return "again";
    const decided = await decideCommand(parts, entity, action, single, admitted);
    if (decided !== "again" && "outcome" in decided) throw new Error(`${action.name} is no action for many records`);
    return decided;
  } catch (error) {
    if (error instanceof Refusal && problems[error.code].status < 500 && error.code !== "unauthenticated") return error;
    throw error;
  }
}
