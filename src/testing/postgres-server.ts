import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { postgresBinaries } from "./postgres-binaries.ts";

/** A PostgreSQL server of one's own, in a temporary directory, on loopback. */
export interface PostgresServer {
  readonly port: number;
  /** `postgres://postgres@127.0.0.1:port/database`: a superuser, as on a developer's machine. */
  url(database?: string, user?: string): string;
  /** SIGKILL to the postmaster: a crash. */
  kill(): Promise<void>;
  /** Starts again after a crash, on the same port and data. */
  restart(): Promise<void>;
  /** Stops it and removes its directory. */
  stop(): Promise<void>;
}

interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

/** The server refuses to run as root; then it runs as `postgres`, or as `nobody`. */
function identity(): Identity {
  if (process.getuid?.() !== 0) return {};
  for (const user of ["postgres", "nobody"]) {
    const { status, stdout } = spawnSync("id", ["-u", user], { encoding: "utf8" });
    const group = spawnSync("id", ["-g", user], { encoding: "utf8" });
    if (status === 0) return { uid: Number(stdout), gid: Number(group.stdout) };
  }
  throw new Error("PostgreSQL does not run as root, and there is neither a user postgres nor nobody.");
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => (typeof address === "object" && address !== null ? resolve(address.port) : reject(address)));
    });
  });

/**
 * Starts a server with a fresh data directory; stop it in the end.
 * @param settings server settings, such as `{ fsync: "off" }` for tests that crash nothing.
 * @example
 * const server = await startPostgres({ fsync: "off" });
 * try { await work(server.url()); } finally { await server.stop(); }
 */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
  const binaries = postgresBinaries();
  const as = identity();
  const root = mkdtempSync(join(tmpdir(), "gesta-postgres-"));
  if (as.uid !== undefined && as.gid !== undefined) chownSync(root, as.uid, as.gid);
  const data = join(root, "data");
  execFileSync(join(binaries, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"], {
    ...as,
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const port = await freePort();
  const options = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: root,
    max_connections: "200",
    ...settings,
  };
  let child = await run();

  async function run(): Promise<ChildProcess> {
    const words = Object.entries(options).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const started = spawn(join(binaries, "postgres"), ["-D", data, ...words], { ...as, cwd: root, stdio: "ignore" });
    for (let attempt = 0; attempt < 600; attempt++) {
      if (started.exitCode !== null) throw new Error(`postgres ended with ${started.exitCode}`);
      const answer = spawnSync(join(binaries, "pg_isready"), ["-h", "127.0.0.1", "-p", String(port)], {
        stdio: "ignore",
      });
      if (answer.status === 0 || (answer.error !== undefined && attempt > 20)) return started;
      await sleep(50);
    }
    throw new Error("postgres did not become ready within 30 s");
  }

  const end = (signal: NodeJS.Signals): Promise<void> =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once("exit", () => resolve());
      child.kill(signal);
    });

  return {
    port,
    url: (database = "postgres", user = "postgres") => `postgres://${user}@127.0.0.1:${port}/${database}`,
    kill: () => end("SIGKILL"),
    restart: async () => {
      child = await run();
    },
    stop: async () => {
      await end("SIGINT");
      rmSync(root, { recursive: true, force: true });
    },
  };
}
