import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import type { Application } from "../../src/declare/application.ts";
import { emitSchema } from "../../src/emit/schema-emitter.ts";
import * as gesta from "../../src/index.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { repositoryRoot } from "../support/source-tree.ts";

const page = readFileSync(join(repositoryRoot, "docs/policies.md"), "utf8");
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(([, text = ""]) => text);

/** What the compiler says about each of these files, if they stood where the tests stand. */
function faultsOf(...sources: readonly string[]): readonly (readonly string[])[] {
  const files = new Map(sources.map((source, index) => [join(repositoryRoot, `test/docs/block-${index}.ts`), source]));
  const { config } = ts.readConfigFile(join(repositoryRoot, "test/tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, join(repositoryRoot, "test"));
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (name) => files.has(name) || fileExists(name);
  host.readFile = (name) => files.get(name) ?? readFile(name);
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files.keys()].map((name) =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(name))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n")),
  );
}

/** Runs a block that imports `gesta` alone. @returns its default export */
function run(source: string): unknown {
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2023 },
  });
  const exported: { default?: unknown } = {};
  new Function("require", "exports", outputText)(() => gesta, exported);
  return exported.default;
}

describe("docs/policies.md", () => {
  const [declaration = ""] = blocks("ts");

  test("declares an application that compiles", () => {
    expect(blocks("ts")).toHaveLength(1);
    const [right, wrong] = faultsOf(declaration, declaration.replace('actorIs("author_id")', 'actorIs("writer_id")'));
    expect(right).toEqual([]);
    expect(wrong).not.toEqual([]);
  });

  test("shows the row-level security that comes of it", () => {
    const { tables, objects } = emitSchema(makePlan(run(declaration) as Application).plan); // the block's default export
    expect(blocks("sql").length).toBeGreaterThan(3);
    for (const sql of blocks("sql"))
      expect(
        `${tables}
${objects}`.includes(sql),
        sql,
      ).toBe(true);
  });

  test("explains every predicate", () => {
    const named = ["anyone", "nobody", "signedIn", "actorHas", "actorIs", "actorIn", "anyOf", "allOf"];
    for (const name of named) expect(page).toMatch(new RegExp(`^\\| \`${name}\\b`, "m"));
    const declared = Object.entries(gesta).filter(
      ([, value]) => isPolicy(value) || (typeof value === "function" && named.includes(value.name)),
    );
    expect(declared.map(([name]) => name).sort()).toEqual([...named].sort());
  });
});

/** `anyone` and its like are values, the others functions of the same module. */
const isPolicy = (value: unknown): boolean => typeof value === "object" && value !== null && "kind" in value;
