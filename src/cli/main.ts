import { parseArgs } from "node:util";
import { seededToken, verifyApplication } from "../gesta.ts";
import { lint } from "./lint.ts";
import { loadApplication } from "./load-application.ts";
import { openapi } from "./openapi.ts";
import { start } from "./start.ts";
import { surroundingsHere } from "./surroundings.ts";

const help = `gesta <command> [--application FILE]

  start                 serve the application
  token --as NAME       print a bearer token for a sown user (development only)
  verify [--json]       compare every record with its events
  openapi [--check]     write each audience's document to openapi/, or compare
  lint [--json]         report what the documents tell strangers

Exit codes: 0 done and clean, 1 findings or refused, 2 could not run.
`;

const say = (text: string) => process.stdout.write(`${text}\n`);

class Refused extends Error {}

interface Options {
  readonly application?: string | undefined;
  readonly as?: string | undefined;
  readonly json: boolean;
  readonly check: boolean;
}

const commands: Readonly<Record<string, (options: Options) => Promise<number>>> = {
  start: async ({ application }) => {
    await start(await loadApplication(application), surroundingsHere());
    return 0;
  },
  token: async ({ application, as }) => {
    const { configuration, secret } = surroundingsHere();
    if (configuration.environment === "production") throw new Refused("gesta token works in development only.");
    if (as === undefined) throw new Refused("Whose token? Pass --as NAME.");
    say(await seededToken(await loadApplication(application), as, secret));
    return 0;
  },
  verify: async ({ application, json }) => {
    const report = await verifyApplication(await loadApplication(application), surroundingsHere());
    if (json) say(JSON.stringify(report));
    else {
      for (const { entity, stream, fault, at } of report.findings)
        say(`${entity} ${stream}: ${fault} ${at.join(", ")}`);
      say(`${report.streams} records, ${report.events} events, ${report.findings.length} findings`);
    }
    return report.findings.length === 0 ? 0 : 1;
  },
  openapi: async ({ application, check }) => openapi(await loadApplication(application), check, say),
  lint: async ({ application, json }) => lint(await loadApplication(application), json, say),
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
        help: { type: "boolean", default: false },
      },
    });
    const command = commands[positionals[0] ?? ""];
    if (values.help || command === undefined) {
      process.stderr.write(help);
      return values.help ? 0 : 2;
    }
    return await command(values);
  } catch (error) {
    process.stderr.write(`gesta: ${error instanceof Error ? error.message : String(error)}\n`);
    const refusals = ["DirectoryLocked", "DeclarationError", "UnsafeRole", "ConfigurationError"];
    return error instanceof Refused || (error instanceof Error && refusals.includes(error.name)) ? 1 : 2;
  }
}
