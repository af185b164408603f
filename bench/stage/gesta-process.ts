import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { repositoryRoot } from "../settings.ts";
import { secret } from "./tokens.ts";

/** Delivery, served by a process of its own. */
export interface GestaProcess {
  readonly origin: string;
  /** The most memory that it ever had in use, in MB; null where the system does not tell. */
  peakMemory(): number | null;
  stop(): Promise<void>;
}

const environmentOf = (databaseUrl: string, more: NodeJS.ProcessEnv) => ({
  ...process.env,
  ...{ DATABASE_URL: databaseUrl, GESTA_JWT_SECRET: secret, HOST: "127.0.0.1", LOG_LEVEL: "error" },
  ...more,
});

/** Starts it, and waits for as long as it sows. @throws Error when it ends instead */
export async function startGesta(
  databaseUrl: string,
  port: number,
  more: NodeJS.ProcessEnv = {},
): Promise<GestaProcess> {
  const child = spawn(process.execPath, ["bin/gesta.js", "start"], {
    cwd: repositoryRoot,
    env: environmentOf(databaseUrl, { ...more, PORT: String(port) }),
    stdio: ["ignore", "ignore", "inherit"],
  });
  const origin = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${origin}/readyz`).catch(() => null))?.ok) {
    if (child.exitCode !== null) throw new Error(`the application ended with ${child.exitCode} before it served`);
    await sleep(100);
  }
  return {
    origin,
    peakMemory() {
      if (process.platform !== "linux") return null;
      const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1];
      return Number(kilobytes) / 1000;
    },
    async stop() {
      if (child.exitCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** Starts a process that sows the database, and ends it: the one that is measured has not sown. */
export async function sow(databaseUrl: string, port: number, orders: number): Promise<void> {
  const sower = await startGesta(databaseUrl, port, { GESTA_SEED: "large", GESTA_SEED_ORDERS: String(orders) });
  await sower.stop();
}

/** What a command of `gesta` says. */
export async function said(databaseUrl: string, words: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, ["bin/gesta.js", ...words], {
    cwd: repositoryRoot,
    env: environmentOf(databaseUrl, {}),
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  for await (const part of child.stdout) text += part;
  return text.trim();
}
