import { execFileSync } from "node:child_process";
import { cpus, totalmem } from "node:os";
import { tool } from "../load/load.ts";
import { repositoryRoot, settings } from "../settings.ts";
import { query } from "../stage/ask.ts";

/** When and on what something was measured. Of the machine only what figures depend on. */
export interface Circumstances {
  readonly date: string;
  /** With a `+` where files were changed since. */
  readonly commit: string;
  readonly cores: number;
  readonly memoryGigabytes: number;
  readonly node: string;
  readonly postgres: string;
  readonly tool: string;
  readonly seconds: number;
  readonly rounds: number;
}

export async function circumstances(databaseUrl: string): Promise<Circumstances> {
  const [row] = await query(databaseUrl, "select split_part(current_setting('server_version'), ' ', 1) as version");
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commitHere(),
    cores: cpus().length,
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
    postgres: row?.version ?? "unknown",
    tool,
    seconds: settings.seconds,
    rounds: settings.rounds,
  };
}

function commitHere(): string {
  const git = (...words: string[]) =>
    execFileSync("git", words, { cwd: repositoryRoot, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    // What a run itself writes does not count.
    const changed = git("status", "--porcelain", "--", "src", "examples", "bench/*.ts", "package-lock.json");
    return `${git("rev-parse", "--short=9", "HEAD")}${changed === "" ? "" : "+"}`;
  } catch {
    return "unknown";
  }
}
