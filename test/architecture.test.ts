import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Finding, findingsIn, type ImportTable, type SourceTree } from "./support/import-rules.ts";
import { tableRows } from "./support/markdown-table.ts";
import { readSourceTree, repositoryRoot } from "./support/source-tree.ts";

/** The arrows of the architecture, type imports included. Whatever is not listed is an error; there are no exceptions. */
const mayImport: ImportTable = {
  kernel: [],
  declare: ["kernel"],
  plan: ["kernel", "declare"],
  emit: ["kernel", "plan"],
  domain: ["kernel", "plan"],
  database: ["kernel"],
  repositories: ["kernel", "plan", "domain", "database"],
  services: ["kernel", "plan", "domain", "repositories"],
  presentation: ["kernel", "plan", "services"],
  background: ["kernel", "plan", "services"],
  client: ["kernel"],
  "reading.ts": ["kernel", "plan", "domain", "database", "repositories", "services", "presentation"],
  "gesta.ts": [
    ...["kernel", "declare", "plan", "emit", "domain", "database", "repositories", "services"],
    ...["presentation", "background", "client", "reading.ts"],
  ],
  "operations.ts": [
    ...["kernel", "declare", "plan", "emit", "domain", "database", "repositories", "services"],
    ...["presentation", "background", "client", "reading.ts", "gesta.ts"],
  ],
  "index.ts": ["kernel", "declare", "plan", "gesta.ts"],
  testing: [
    ...["kernel", "declare", "plan", "emit", "domain", "database", "repositories", "services"],
    ...["presentation", "background", "client", "gesta.ts", "operations.ts"],
  ],
  cli: ["kernel", "gesta.ts", "operations.ts"],
};

/** `gesta`, `gesta/testing`, …: what package.json lets users import. */
const entries = Object.keys(JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8")).exports).map(
  (path) => path.replace(/^\./, "gesta"),
);

describe("the architecture", () => {
  it("is kept by every file of src, examples, bench and test", () => {
    const tree = readSourceTree(["src", "examples", "bench", "test"]);
    expect(tree.size).toBeGreaterThan(50);
    expect([...tree.keys()].some((path) => path.startsWith("test/"))).toBe(true);
    expect(findingsIn(tree, mayImport, entries).map(({ path, message }) => `${path}: ${message}`)).toEqual([]);
  });

  it("is shown in ARCHITECTURE.md by the same table", () => {
    const rows = Object.entries(mayImport).map(([layer, others]) => [`\`${layer}\``, others.join(", ") || "–"]);
    const page = readFileSync(join(repositoryRoot, "ARCHITECTURE.md"), "utf8");
    expect(tableRows(page, ["layer", "may import"])).toEqual(rows);
  });

  it("is told in every layer's folder by a README of at most ten lines", () => {
    const folders = readdirSync(join(repositoryRoot, "src"), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    for (const { name } of folders) {
      const lines = readFileSync(join(repositoryRoot, "src", name, "README.md"), "utf8")
        .trimEnd()
        .split("\n");
      expect(lines.length, name).toBeLessThanOrEqual(10);
      const others = mayImport[name]?.join(", ") || "nothing of Gesta";
      expect(lines, name).toContain(`- May import: ${name === "testing" ? "everything but cli" : others}.`);
    }
  });
});

/** A tree that keeps every rule, with some files changed or added. */
const treeWith = (files: Readonly<Record<string, string>>): SourceTree =>
  new Map(
    Object.entries({
      "src/kernel/clock.ts": "export type Clock = () => Date;",
      "src/plan/plan.ts":
        'import type { Clock } from "../kernel/clock.ts";\nexport interface Plan { readonly clock: Clock }',
      "src/services/command.ts": 'import type { Plan } from "../plan/plan.ts";\nexport type Command = Plan;',
      "src/index.ts": 'export type { Plan } from "./plan/plan.ts";',
      "examples/drinks/application.ts": 'import { entity } from "gesta";\nexport const drinks = entity("drinks");',
      ...files,
    }),
  );

const found = (files: Readonly<Record<string, string>>): readonly Finding[] =>
  findingsIn(treeWith(files), mayImport, entries);

describe("the check of the architecture", () => {
  it("has nothing to say about a tree that keeps the rules", () => {
    expect(found({})).toEqual([]);
  });

  it.each([
    ["a value import", 'import { command } from "../services/command.ts";'],
    ["a type import", 'import type { Command } from "../services/command.ts";'],
    ["a type in braces", 'import { type Command } from "../services/command.ts";'],
    ["a re-export", 'export * from "../services/command.ts";'],
    ["an import() type", 'export type Mine = import("../services/command.ts").Command;'],
    ["an import()", "const quote = /[`\"']/;\nexport const it = import(`../services/command.ts`);"],
    ["a require()", 'const it = require("../services/command.ts");'],
  ])("finds an upward import: %s", (_name, source) => {
    expect(found({ "src/kernel/up.ts": source })).toEqual([
      { path: "src/kernel/up.ts", message: 'kernel may not import services ("../services/command.ts")' },
    ]);
  });

  it("finds a sideways import and a layer that nobody declared", () => {
    const messages = found({
      "src/emit/sideways.ts": 'import "../domain/decide.ts";',
      "src/domain/decide.ts": "",
      "src/extras/more.ts": "",
    }).map(({ message }) => message);
    expect(messages).toEqual([
      'emit may not import domain ("../domain/decide.ts")',
      '"extras" is not in the table of layers',
    ]);
  });

  it("finds a cycle of three files made of type imports", () => {
    expect(
      found({
        "src/plan/a.ts": 'import type { B } from "./b.ts";',
        "src/plan/b.ts": 'export type { C } from "./c.ts";',
        "src/plan/c.ts": 'export type C = import("./a.ts").A;',
      }),
    ).toEqual([
      {
        path: "src/plan/a.ts",
        message: "imports itself: src/plan/a.ts → src/plan/b.ts → src/plan/c.ts → src/plan/a.ts",
      },
    ]);
  });

  it("finds a file of 501 lines, and none of 500", () => {
    expect(found({ "bench/long.ts": "\n".repeat(500) })).toEqual([]);
    for (const path of ["bench/long.ts", "test/long.test.ts"])
      expect(found({ [path]: `${"\n".repeat(500)}1` })).toEqual([{ path, message: "has 501 lines, more than 500" }]);
  });

  it.each([
    "src/plan/utils.ts",
    "src/plan/helpers/name.ts",
    "src/plan/lock-manager.ts",
    "examples/drinks/types.d.ts",
    "test/support/helpers.ts",
  ])("finds a name that says nothing: %s", (path) => {
    expect(found({ [path]: "" })).toMatchObject([{ path, message: expect.stringContaining("says nothing") }]);
  });

  it.each([
    ["a barrel", "src/plan/index.ts", "", "is a barrel"],
    ["a driver", "src/services/pool.ts", 'import pg from "pg";', 'imports "pg", which only database may'],
    ["PGlite", "src/gesta.ts", 'import "@electric-sql/pglite/x";', "which only database may"],
    ["a server", "src/services/serve.ts", 'import type {} from "fastify";', "which only presentation may"],
    ["node:http", "src/cli/serve.ts", 'import "node:http";', "which only presentation may"],
    ["itself by name", "src/services/self.ts", 'import { entity } from "gesta";', "past the table"],
    ["the built files", "src/cli/built.ts", 'import "../../dist/gesta.js";', "not a file of src"],
    ["a file without its extension", "src/cli/short.ts", 'import "../kernel/clock";', "not a file of src"],
    ["a computed module", "src/plan/load.ts", "export const load = (name: string) => import(name);", "computed"],
    ["an example's way into src", "examples/drinks/in.ts", 'import "../../src/index.ts";', "use the package's name"],
    [
      "an example's way past the exports",
      "examples/drinks/in.ts",
      'import "gesta/services/command";',
      "no package exports",
    ],
    [
      "an example's way to another",
      "examples/drinks/in.ts",
      'import "../delivery/users.ts";',
      "use the package's name",
    ],
  ])("finds %s", (_name, path, source, message) => {
    expect(found({ [path]: source })).toMatchObject([{ path, message: expect.stringContaining(message) }]);
  });

  it.each([
    'const text = "select id from app.drinks where id = $1";',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the source of a template
    "const text = `\n  -- one row\n  SELECT gesta.read(${1})`;",
    'const text = "insert into gesta.events values ($1)";',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the source of a template
    "const text = `update ${table} set name = $1`;",
    'const text = "delete from app.drinks";',
    "const text = `create or replace function app.f() returns void`;",
    "const text = `with found as (select 1) select * from found`;",
    'const text = "BEGIN";',
    'const text = "set local role gesta_app";',
  ])("finds SQL outside of its layers: %s", (source) => {
    expect(found({ "src/services/query.ts": source })).toMatchObject([{ message: expect.stringContaining("has SQL") }]);
    expect(found({ "src/repositories/query.ts": source })).toEqual([]);
  });

  it.each(["create", "Update a drink", "Delete one from the list", "select", "Set the price", "Grant a bonus"])(
    "takes words for words: %s",
    (words) => {
      expect(found({ "src/services/words.ts": `const text = ${JSON.stringify(words)};` })).toEqual([]);
    },
  );
});
