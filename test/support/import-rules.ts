import { posix } from "node:path";
import { importCycles } from "./import-cycles.ts";
import { type SourceSyntax, syntaxOf } from "./source-syntax.ts";

/** Path from the repository's root, with `/`, -> text of the file. */
export type SourceTree = ReadonlyMap<string, string>;

/** Layer -> the layers that it may import. A layer is a folder of src, or a file that stands directly in src. */
export type ImportTable = Readonly<Record<string, readonly string[]>>;

/** A broken rule: where, and what is wrong there. */
export interface Finding {
  readonly path: string;
  readonly message: string;
}

const longestFile = 500;
const longestRoot = 200;
/** Names that say nothing about what is in them, so that everything ends in them. */
const emptyNames = /^(utils?|helpers?|common|managers?|types)$/;
const entryFiles = ["src/index.ts", "src/testing/index.ts", "src/database/index.ts"];
/** Packages and modules that belong to one layer alone. */
const owned: readonly { readonly layer: string; readonly module: RegExp }[] = [
  { layer: "database", module: /^(pg|pg-[a-z-]+|@electric-sql\/.+|postgres|redis|ioredis)(\/|$)/ },
  { layer: "presentation", module: /^(fastify|@fastify\/.+|(node:)?https?|(node:)?http2|ws)(\/|$)/ },
];
const sqlLayers = ["repositories", "emit", "database"];
const sql = new RegExp(
  `^(\\s|--.*\\n)*(${[
    "select\\s[^]+\\sfrom\\s",
    "select\\s+[\\w.]+\\(",
    "with\\s+(recursive\\s+)?\\S+(\\s*\\([^)]*\\))?\\s+as\\s+(not\\s+materialized\\s+|materialized\\s+)?\\(",
    "insert\\s+into\\s",
    "update\\s+\\S+\\s+(as\\s+\\S+\\s+)?set\\s",
    "delete\\s+from\\s",
    "truncate\\s+(table\\s+)?\\S+$",
    "(create|alter|drop)\\s+(or\\s+replace\\s+|unique\\s+)*(table|index|view|function|procedure|trigger|policy|schema|role|user|type|sequence|domain|extension|database)\\s",
    "(grant|revoke)\\s[^]+\\s(on|to|from)\\s",
    "set\\s+(local|role|session)\\s",
    "(begin|commit|rollback|savepoint\\s+\\S+|listen\\s+\\S+)\\s*;?\\s*$",
    "do\\s+\\$",
  ].join("|")})`,
  "i",
);

/**
 * Every broken rule of the tree, in the order of its files; the cycles come last.
 * @param entries the names under which the package can be imported
 */
export function findingsIn(tree: SourceTree, table: ImportTable, entries: readonly string[]): readonly Finding[] {
  const graph = new Map<string, readonly string[]>();
  const findings: Finding[] = [];
  for (const [path, source] of tree) {
    const report = (message: string): unknown => findings.push({ path, message });
    checkNameAndSize(path, source, report);
    if (!path.endsWith(".ts")) continue;
    const syntax = syntaxOf(path, source);
    if (path.startsWith("src/")) graph.set(path, checkSource(path, syntax, tree, table, report));
    if (path.startsWith("examples/")) checkExample(path, syntax, tree, entries, report);
  }
  for (const cycle of importCycles(graph))
    findings.push({ path: cycle[0] ?? "", message: `imports itself: ${cycle.join(" → ")}` });
  return findings;
}

type Report = (message: string) => unknown;

function checkNameAndSize(path: string, source: string, report: Report): void {
  const lines = source.replace(/\n$/, "").split("\n").length;
  const most = path === "src/gesta.ts" || path === "src/operations.ts" ? longestRoot : longestFile;
  if (lines > most) report(`has ${lines} lines, more than ${most}`);
  for (const part of path.split("/")) {
    const name = part.split(".")[0] ?? part;
    const role = name.split("-").at(-1) ?? name;
    if (emptyNames.test(name) || emptyNames.test(role)) report(`"${part}" says nothing: name what is in it`);
  }
  if (path.startsWith("src/") && posix.basename(path) === "index.ts" && !entryFiles.includes(path))
    report("is a barrel: import the file that owns the name");
}

/** The files of src that this file imports. */
function checkSource(path: string, syntax: SourceSyntax, tree: SourceTree, table: ImportTable, report: Report) {
  const layer = layerOf(path);
  const allowed = Object.hasOwn(table, layer) ? table[layer] : undefined;
  if (!allowed) report(`"${layer}" is not in the table of layers`);
  const targets: string[] = [];
  // `gesta start` loads the user's declaration; nobody else has a module to load that the compiler does not know.
  if (syntax.computedImports > 0 && layer !== "cli") report("imports a module whose name is computed");
  for (const name of syntax.imports) {
    const target = resolve(path, name);
    if (target === undefined) {
      if (/^gesta(-|\/|$)/.test(name)) report(`imports "${name}" by name, past the table`);
      for (const { layer: owner, module } of owned)
        if (owner !== layer && module.test(name)) report(`imports "${name}", which only ${owner} may`);
    } else if (!tree.has(target) || !target.startsWith("src/")) report(`imports "${name}", which is not a file of src`);
    else {
      targets.push(target);
      const other = layerOf(target);
      if (other !== layer && !allowed?.includes(other)) report(`${layer} may not import ${other} ("${name}")`);
    }
  }
  const written = sqlLayers.includes(layer) ? undefined : syntax.texts.find((text) => sql.test(text));
  if (written !== undefined) report(`has SQL in it: ${JSON.stringify(written.trim().slice(0, 40))}`);
  return targets;
}

/** An example stands where a user stands: it knows the package's name, its neighbours' names and its own folder. */
function checkExample(
  path: string,
  syntax: SourceSyntax,
  tree: SourceTree,
  entries: readonly string[],
  report: Report,
): void {
  const home = path.split("/").slice(0, 2).join("/");
  for (const name of syntax.imports) {
    const target = resolve(path, name);
    if (target === undefined) {
      if (/^gesta(\/|$)/.test(name) && !entries.includes(name)) report(`imports "${name}", which no package exports`);
      continue;
    }
    if (!target.startsWith(`${home}/`)) report(`imports "${name}", outside of ${home}: use the package's name`);
    else if (!tree.has(target)) report(`imports "${name}", which is not there`);
  }
}

/** `src/plan/verifiers/names.ts` -> `plan`; `src/gesta.ts` -> `gesta.ts`. */
function layerOf(path: string): string {
  return path.split("/")[1] ?? path;
}

/** Path from the root of what a file's import names; undefined for a package or a module of Node. */
function resolve(path: string, name: string): string | undefined {
  if (name.startsWith("/") || name.startsWith("file:")) return name;
  return name.startsWith(".") ? posix.join(posix.dirname(path), name) : undefined;
}
