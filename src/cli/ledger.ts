import type { Surroundings } from "../gesta.ts";
import { type LedgerService, type RunnableApplication, withLedger } from "../operations.ts";

/** The words and options after a command that is about records and their events. */
export interface LedgerRequest {
  readonly words: readonly string[];
  readonly entity: string | undefined;
  readonly id: string | undefined;
  readonly version: string | undefined;
  readonly json: boolean;
}

type Say = (text: string) => void;
type Work = (ledger: LedgerService, request: LedgerRequest, say: Say) => Promise<number>;

const works: Readonly<Record<string, Work>> = {
  async verify(ledger, { json }, say) {
    const report = await ledger.verify();
    if (json) say(JSON.stringify(report));
    else {
      for (const { entity, stream, fault, at } of report.findings)
        say(`${entity} ${stream}: ${fault} ${at.join(", ")}`);
      say(`${report.streams} records, ${report.events} events, ${report.findings.length} findings`);
    }
    return report.findings.length === 0 ? 0 : 1;
  },
  async rebuild(ledger, { entity, id, json }, say) {
    const rebuilt = await ledger.rebuild({ entity, id });
    const refused = rebuilt.filter(({ outcome }) => outcome === "refused");
    if (json) say(JSON.stringify({ rebuilt }));
    else {
      for (const one of rebuilt) say(`${one.entity} ${one.id}: ${one.outcome}, ${one.why.join(", ")}`);
      say(`${rebuilt.length - refused.length} rebuilt, ${refused.length} refused`);
    }
    return refused.length === 0 ? 0 : 1;
  },
  async history(ledger, { words, json }, say) {
    const { entity, id } = recordIn(words, "gesta history orders ID");
    const events = await ledger.history(entity, id);
    if (json) say(JSON.stringify({ events }));
    else {
      for (const { version, at, type, actor, reason, changes } of events) {
        const who = actor.id === null ? actor.type : `${actor.type} ${actor.id}`;
        say(`${version}  ${at}  ${type}  ${who}${reason === null ? "" : `  ${reason}`}`);
        for (const [name, { from, to }] of Object.entries(changes)) {
          say(`   ${name}: ${JSON.stringify(from)} → ${JSON.stringify(to)}`);
        }
      }
    }
    return 0;
  },
  async "as-of"(ledger, { words, version, json }, say) {
    const example = "gesta as-of orders ID 2026-02-28T12:00:00Z";
    const { entity, id } = recordIn(words, example);
    const record = await ledger.asOf(entity, id, pointIn(words[2], version, example));
    if (record === null) {
      if (json) say("null");
      else say(`${entity} ${id} was not there`);
      return 1;
    }
    say(JSON.stringify(record, null, json ? 0 : 2));
    return 0;
  },
  async adopt(ledger, { words }, say) {
    const { entity, id } = recordIn(words, "gesta adopt orders ID");
    say(`${entity} ${id}: ${await ledger.adopt(entity, id)} adopted`);
    return 0;
  },
  async revert(ledger, { words }, say) {
    const { entity, id } = recordIn(words, "gesta revert orders ID");
    say(`${entity} ${id}: ${await ledger.revert(entity, id)} reverted`);
    return 0;
  },
};

type Command = (
  application: RunnableApplication,
  around: Surroundings,
  request: LedgerRequest,
  say: Say,
) => Promise<number>;

/** The commands about records and their events. @returns the exit code */
export const ledgerCommands: Readonly<Record<string, Command>> = Object.fromEntries(
  Object.entries(works).map(([name, work]): [string, Command] => [
    name,
    (application, around, request, say) => withLedger(application, around, (ledger) => work(ledger, request, say)),
  ]),
);

function recordIn([entity, id]: readonly string[], example: string) {
  if (entity === undefined || id === undefined) throw new Error(`Which record? For example: ${example}`);
  return { entity, id };
}

function pointIn(moment: string | undefined, version: string | undefined, example: string) {
  if ((moment === undefined) === (version === undefined)) throw new Error(`As of when? For example: ${example}`);
  if (version !== undefined) {
    if (!/^[1-9]\d{0,8}$/.test(version)) throw new Error(`--version ${version}: use a whole number, 1 or more`);
    return { version: Number(version) };
  }
  const time = new Date(moment ?? "");
  if (!/^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:\d{2})$/i.test(moment ?? "") || Number.isNaN(time.getTime())) {
    throw new Error(`'${moment}' is no moment with an offset. For example: ${example}`);
  }
  return { moment: time.toISOString() };
}
