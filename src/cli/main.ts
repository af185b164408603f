import { parseArgs } from "node:util";
import { faultAdvice } from "../kernel/fault.ts";
import { Refusal } from "../kernel/refusal.ts";
import { clockHere, seededToken } from "../operations.ts";
import { clock } from "./clock.ts";
import { doctor } from "./doctor.ts";
import { explain } from "./explain.ts";
import { exportRecords } from "./export.ts";
import { importRecords, type TransferRequest } from "./import.ts";
import { type LedgerRequest, ledgerCommands } from "./ledger.ts";
import { lint } from "./lint.ts";
import { loadApplication } from "./load-application.ts";
import { openapi } from "./openapi.ts";
import { type PurgeRequest, purge } from "./purge.ts";
import { start } from "./start.ts";
import { surroundingsHere } from "./surroundings.ts";
import { restore, trash } from "./trash.ts";
import { type WorkflowRequest, workflow } from "./workflow.ts";

const help = `gesta <command> [--application FILE]

  start                 serve the application
  token --as NAME       print a bearer token for a sown user (development only)
  clock [advance 30d] [--json]
                        show development's clock, or move it forward (development only)
  explain --as NAME METHOD /path [--json]
                        which policy decides a request by what is stored now (development only);
                        a sown user, a user's id or visitor
  verify [--json]       compare every record with its events
  rebuild [--entity ENTITY] [--id ID] [--json]
                        restore records that differ from their events, also while the application runs
  history ENTITY ID [--json]
                        what happened to a record
  as-of ENTITY ID MOMENT|--version N [--json]
                        the record as it was
  adopt ENTITY ID, revert ENTITY ID
                        accept, or take back, what was changed by hand in the database
  import ENTITY FILE [--as NAME] [--mode atomic|partial] [--action ACTION] [--resume] [--errors FILE]
         [--format csv|ndjson] [--json]
                        make a record of each line; never twice of the same file
  export ENTITY [FILTER…] [--as NAME] [--format csv|ndjson] [--fields NAMES] [--out FILE]
                        the records that NAME may read; all of them without a name
  openapi [--check]     write each audience's document to openapi/, or compare
  lint [--json]         report what the documents tell strangers
  doctor [--json]       report indexes that are missing, broken or unused, and tables that lack ANALYZE or VACUUM
  trash [--entity ENTITY] [--json]
                        deleted records: when, by whom, and when they are purged
  restore ENTITY ID [--json]
                        bring a deleted record back, and what went with it
  purge --due | ENTITY ID --reason TEXT | --list | --reapply FILE [--json]
                        remove for good what is due, or a deleted record before its time; list what was
                        purged; purge it again in a database restored from an older backup
  workflow show ENTITY [--format table|mermaid|xstate|json] [--declared]
                        the workflow in force, or as it is declared
  workflow apply FILE [--entity ENTITY] [--reason TEXT]
                        put the workflow of a JSON file in force, also while the application runs
  workflow history ENTITY
                        every version that was in force, and who put it there

Exit codes: 0 done and clean, 1 findings or refused, 2 could not run.
`;

const say = (text: string) => process.stdout.write(`${text}\n`);

class Refused extends Error {}

/** Errors that say no to what was asked; all others mean that it could not be tried. */
const refusals: ReadonlySet<string> = new Set([
  ...["DirectoryLocked", "DeclarationError", "UnsafeStart", "ConfigurationError"],
  "Refusal",
  ...["ImportRefused", "ExportRefused", "UnreadableFile", "SeedUnfinished"],
  ...["WorkflowRefused", "WorkflowFaults", "WorkflowFileFault", "RecordsStranded", "LedgerRefused", "EventsAhead"],
  ...["PurgeRefused", "WrongReplicas"],
]);

interface Options {
  readonly application?: string | undefined;
  readonly as?: string | undefined;
  readonly json: boolean;
  readonly check: boolean;
  readonly entity?: string | undefined;
  /** What stands behind the command. */
  readonly words: readonly string[];
  readonly workflow: WorkflowRequest;
  readonly ledger: LedgerRequest;
  readonly transfer: TransferRequest;
  readonly purge: PurgeRequest;
}

const commands: Readonly<Record<string, (options: Options) => Promise<number>>> = {
  start: async ({ application }) => {
    await start(await loadApplication(application), surroundingsHere());
    return 0;
  },
  token: async ({ application, as }) => {
    const around = surroundingsHere();
    const { configuration, secret } = around;
    if (configuration.environment === "production") throw new Refused("gesta token works in development only.");
    if (as === undefined) throw new Refused("Whose token? Pass --as NAME.");
    say(await seededToken(await loadApplication(application), as, secret, await clockHere(around)));
    return 0;
  },
  clock: async ({ words, json }) => {
    const around = surroundingsHere();
    if (around.configuration.environment === "production") {
      throw new Refused("gesta clock works in development only: production's time is the server's.");
    }
    say(await clock(around, words, json));
    return 0;
  },
  explain: async ({ application, as, words, json }) => {
    const around = surroundingsHere();
    if (around.configuration.environment === "production") {
      throw new Refused("gesta explain works in development only: it tells what policies hide.");
    }
    process.stdout.write(await explain(await loadApplication(application), around, { words, as, json }));
    return 0;
  },
  ...Object.fromEntries(
    Object.entries(ledgerCommands).map(([name, command]) => [
      name,
      async ({ application, ledger }: Options) =>
        command(await loadApplication(application), surroundingsHere(), ledger, say),
    ]),
  ),
  import: async ({ application, transfer }) =>
    importRecords(await loadApplication(application), surroundingsHere(), transfer, say),
  export: async ({ application, transfer }) =>
    exportRecords(await loadApplication(application), surroundingsHere(), transfer, (line) => {
      process.stderr.write(`${line}\n`);
    }),
  openapi: async ({ application, check }) => openapi(await loadApplication(application), check, say),
  lint: async ({ application, json }) => lint(await loadApplication(application), json, say),
  doctor: async ({ application, json }) => doctor(await loadApplication(application), surroundingsHere(), json, say),
  trash: async ({ application, entity, json }) => {
    say(await trash(await loadApplication(application), surroundingsHere(), entity, json));
    return 0;
  },
  restore: async ({ application, words, json }) => {
    say(await restore(await loadApplication(application), surroundingsHere(), words, json));
    return 0;
  },
  purge: async ({ application, purge: request }) =>
    purge(await loadApplication(application), surroundingsHere(), request, say),
  workflow: async ({ application, workflow: request }) => {
    const note = (text: string) => void process.stderr.write(text);
    process.stdout.write(await workflow(await loadApplication(application), surroundingsHere, request, note));
    return 0;
  },
};

/** Runs one command line. @returns the exit code. */
export async function main(words: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        application: { type: "string" },
        as: { type: "string" },
        json: { type: "boolean", default: false },
        check: { type: "boolean", default: false },
        entity: { type: "string" },
        format: { type: "string" },
        reason: { type: "string" },
        declared: { type: "boolean", default: false },
        id: { type: "string" },
        version: { type: "string" },
        action: { type: "string" },
        mode: { type: "string" },
        fields: { type: "string" },
        out: { type: "string" },
        errors: { type: "string" },
        resume: { type: "boolean", default: false },
        due: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        reapply: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    const command = commands[positionals[0] ?? ""];
    if (values.help || command === undefined) {
      process.stderr.write(help);
      return values.help ? 0 : 2;
    }
    const { application, as, json, check, entity, format, reason, declared, id, version, due, list, reapply } = values;
    const { action, mode, fields, out, errors, resume } = values;
    return await command({
      application,
      as,
      json,
      check,
      entity,
      words: positionals.slice(1),
      workflow: { words: positionals.slice(1), entity, format, reason, declared },
      transfer: { words: positionals.slice(1), as, action, mode, format, fields, out, errors, resume, json },
      ledger: { words: positionals.slice(1), entity, id, version, json },
      purge: { words: positionals.slice(1), reason, due, list, reapply, json },
    });
  } catch (error) {
    process.stderr.write(`gesta: ${error instanceof Error ? error.message : String(error)}\n`);
    for (const fault of error instanceof Refusal ? (error.told.errors ?? []) : []) {
      process.stderr.write(`  ${fault.parameter ?? fault.pointer ?? ""} ${faultAdvice(fault)}\n`);
    }
    return error instanceof Refused || (error instanceof Error && refusals.has(error.name)) ? 1 : 2;
  }
}
