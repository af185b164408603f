import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A server to be compared with, in a process of its own. @throws Error when it ends before it serves */
export async function startPeer(name: string, port: number, databaseUrl: string): Promise<{ stop(): Promise<void> }> {
  const child = fork(fileURLToPath(new URL(`../peers/${name}-peer.js`, import.meta.url)), {
    env: { ...process.env, DATABASE_URL: databaseUrl, PORT: String(port) },
  });
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`the ${name} peer ended with ${code} before it served`);
  });
  await Promise.race([once(child, "message"), ended]);
  ended.catch(() => {});
  return {
    async stop() {
      if (child.exitCode !== null) return;
      const exit = once(child, "exit");
      child.kill("SIGTERM");
      await exit;
    },
  };
}
