import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { repositoryRoot } from "../support/source-tree.ts";

/** The built program, as users run it. `npm test` builds first. */
const program = join(repositoryRoot, "bin/gesta.js");
const drinks = join(repositoryRoot, "examples/drinks/dist/application.js");
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "gesta-cli-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function gesta(words: readonly string[], cwd = directory) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], { cwd, encoding: "utf8" });
  return { status, said: stdout.trimEnd().split("\n"), stderr };
}

/** An application of one entity that anyone may read and change. */
function writeApplication(options: string): string {
  const path = join(directory, "application.mjs");
  const api = join(repositoryRoot, "dist/index.js");
  writeFileSync(
    path,
    `import { anyone, application, crud, entity, text } from ${JSON.stringify(api)};
    const notes = entity("notes", { fields: { line: text() }, read: anyone${options} }, crud({ by: anyone }));
    export default application("notes", { entities: [notes] });`,
  );
  return path;
}

describe("gesta openapi", () => {
  const command = ["openapi", "--application", drinks];

  test("writes the documents, the same bytes each time, and --check is content with them", () => {
    expect(gesta(command)).toMatchObject({ status: 0, said: ["1 documents in openapi, 1 of them new or changed"] });
    const first = readFileSync(join(directory, "openapi/visitor.json"), "utf8");
    expect(gesta(command).said).toEqual(["1 documents in openapi, 0 of them new or changed"]);
    expect(readFileSync(join(directory, "openapi/visitor.json"), "utf8")).toBe(first);
    expect(gesta([...command, "--check"])).toMatchObject({ status: 0, said: [""] });
  });

  test("--check writes nothing, and names what is missing, differs or belongs to nobody", () => {
    const missing = gesta([...command, "--check"]);
    expect([missing.status, missing.said]).toEqual([
      1,
      ["openapi/visitor.json: is missing; run gesta openapi and review the diff"],
    ]);
    expect(readdirSync(directory)).toEqual([]);
    gesta(command);
    writeFileSync(join(directory, "openapi/visitor.json"), "{}");
    writeFileSync(join(directory, "openapi/owner.json"), "{}");
    const differing = gesta([...command, "--check"]);
    expect([differing.status, differing.said]).toEqual([
      1,
      [
        "openapi/owner.json: no audience of that name; remove the file",
        "openapi/visitor.json: differs; run gesta openapi and review the diff",
      ],
    ]);
  });

  test("--check finds this repository's documents as they are committed", () => {
    expect(gesta(["openapi", "--check"], repositoryRoot)).toMatchObject({ status: 0, said: [""] });
  });
});

describe("gesta lint", () => {
  test("is content with the examples, and shows what they accept", () => {
    const { status, said } = gesta(["lint"], repositoryRoot);
    expect(status).toBe(0);
    expect(said.at(-1)).toMatch(/^0 findings, \d+ accepted$/);
    expect(said).toContain("drinks.id: sequential_id: accepted, drinks are no secret");
  });

  test("ends with 1 and says where, what, why and what to do", () => {
    const { status, said } = gesta(["lint", "--application", writeApplication("")]);
    expect(status).toBe(1);
    expect(said).toEqual([
      "notes.fields.line: unbounded_input: nobody said how long it may be: a stranger may fill the database with it; give it a `max`",
      expect.stringMatching(/^notes\.actions\.update\.by: open_write: /),
      expect.stringMatching(/^notes\.actions\.delete\.by: open_write: /),
      "3 findings, 0 accepted",
    ]);
  });

  test("--json is the report as one line", () => {
    const path = writeApplication(', lint: { accept: { open_write: "a wall for everyone to write on" } }');
    const { status, said } = gesta(["lint", "--json", "--application", path]);
    const report = JSON.parse(said.join("\n"));
    expect([status, said.length, Object.keys(report)]).toEqual([1, 1, ["findings", "accepted"]]);
    expect(report.findings[0]).toEqual({
      rule: "unbounded_input",
      path: "notes.fields.line",
      reason: expect.any(String),
      remedy: "give it a `max`",
    });
    expect(report.accepted[1]).toMatchObject({ rule: "open_write", because: "a wall for everyone to write on" });
  });

  test("ends with 2 when it could not run", () => {
    const { status, stderr } = gesta(["lint", "--application", "nowhere.js"]);
    expect([status, stderr]).toEqual([2, expect.stringContaining("There is no ")]);
  });
});
