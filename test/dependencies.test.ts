import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { allTableRows } from "./support/markdown-table.ts";
import { repositoryRoot } from "./support/source-tree.ts";

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly allowScripts?: Readonly<Record<string, boolean>>;
}

interface Locked {
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Readonly<Record<string, Locked>>;
}

const read = (path: string): string => readFileSync(join(repositoryRoot, path), "utf8");
// npm's own files, of npm's own shape.
const manifestAt = (path: string): Manifest => JSON.parse(read(path)) as Manifest;
const lock = JSON.parse(read("package-lock.json")) as Lock;

const root = manifestAt("package.json");
/** The lock file has the workspaces beside what is installed under node_modules; the root is the empty path. */
const workspaces = Object.keys(lock.packages).filter((path) => path !== "" && !path.includes("node_modules/"));
const manifests = [root, ...workspaces.map((path) => manifestAt(`${path}/package.json`))];

/** `name version` of every package from outside that a package.json names; a workspace names another as `file:`. */
const named = manifests
  .flatMap(({ dependencies, devDependencies, optionalDependencies, peerDependencies }) => [
    ...Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies, ...peerDependencies }),
  ])
  .filter(([, version]) => !version.startsWith("file:"))
  .map(([name, version]) => `${name} ${version}`);

describe("the dependencies", () => {
  it("are named by exact version", () => {
    expect(named.filter((line) => !/ \d+\.\d+\.\d+(-[\w.]+)?$/.test(line))).toEqual([]);
  });

  it("are those of docs/dependencies.md, each with its version and a reason", () => {
    const rows = allTableRows(read("docs/dependencies.md"), ["package", "version", "why"]).flat();
    expect(rows.filter(([, , why = ""]) => why.length < 10)).toEqual([]);
    const listed = rows.map(([name = "", version]) => `${name.replaceAll("`", "")} ${version}`);
    expect(listed.toSorted()).toEqual([...new Set(named)].toSorted());
  });

  it("need no install script: npm runs none that was not denied by name", () => {
    const denied = Object.entries(root.allowScripts ?? {}).filter(([, allowed]) => !allowed);
    const scripted = Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript);
    const names = scripted.map(([path]) => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length));
    expect(names.filter((name) => !denied.some(([other]) => other === name))).toEqual([]);
  });

  it("are locked for every platform: `npm ci` refuses a lock file that lacks one", () => {
    const locked = new Set(Object.keys(lock.packages).map((path) => path.split("node_modules/").at(-1)));
    const wanted = Object.values(lock.packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    expect(wanted.filter((name) => !locked.has(name))).toEqual([]);
  });
});
