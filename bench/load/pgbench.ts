import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A statement of the bare peer's and values for its parameters. */
export interface Script {
  readonly text: string;
  readonly values: readonly (string | number)[];
}

/** Where pgbench stands; null where the server came without it. */
export function pgbenchIn(binDirectory: string): string | null {
  const path = join(binDirectory, "pgbench");
  return existsSync(path) ? path : null;
}

/** Transactions per second of statements in turn, prepared, from so many sessions: what the database alone can do. */
export async function pgbenchRate(
  pgbench: string,
  url: string,
  scripts: readonly Script[],
  seconds: number,
  sessions: number,
): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "gesta-bench-"));
  try {
    const files = scripts.flatMap((script, nth) => {
      const file = join(directory, `${nth}.sql`);
      writeFileSync(file, `${statementOf(script)};\n`);
      return ["-f", file];
    });
    const { hostname, port, username, pathname, searchParams } = new URL(url);
    const length = String(Math.max(1, Math.round(seconds)));
    const words = ["-n", "-M", "prepared", "-c", String(sessions), "-T", length, ...files];
    const server = ["-h", hostname, "-p", port || "5432", "-U", decodeURIComponent(username), pathname.slice(1)];
    const env = { ...process.env, PGOPTIONS: searchParams.get("options") ?? "" };
    const { stdout } = await run(pgbench, [...words, ...server], { env });
    const rate = Number(/^tps = ([\d.]+)/m.exec(stdout)?.[1] ?? Number.NaN);
    const failed = Number(/number of failed transactions: (\d+)/.exec(stdout)?.[1] ?? 0);
    if (!(rate > 0) || failed > 0) throw new Error(`pgbench did not finish:\n${stdout}`);
    return rate;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The values in their places, on one line; pgbench takes a colon for a variable of its own, also within a text. */
export function statementOf({ text, values }: Script): string {
  const literal = (value: string | number) =>
    typeof value === "number" ? String(value) : `'${value.replaceAll("'", "''")}'`;
  return text
    .replaceAll(/\$(\d+)/g, (_, nth: string) => literal(values[Number(nth) - 1] ?? ""))
    .replaceAll(/'(?:[^']|'')*'/g, (quoted) =>
      quoted.includes(":") ? `U&${quoted.replaceAll(":", "\\003A")}` : quoted,
    )
    .replaceAll(/\s+/g, " ");
}
