import { describe, expect, it } from "vitest";
import { differences, replyFailure, runBlocks, shellBlocks } from "../scripts/readme-blocks.mjs";

const readme = `# Title
\`\`\`sh
npm ci && npm start
\`\`\`
Text between them.
\`\`\`json
{ "not": "a reply" }
\`\`\`
\`\`\`sh
curl http://localhost:5000/drinks/1
\`\`\`

\`\`\`json
{ "id": 1 }
\`\`\`
\`\`\`ts
const a = 1;
\`\`\`
`;

describe("the shell blocks of a README", () => {
  it("are the sh ones, each with the json block directly after it", () => {
    expect(shellBlocks(readme)).toEqual([
      { line: 2, text: "npm ci && npm start\n" },
      { line: 9, text: "curl http://localhost:5000/drinks/1\n", reply: '{ "id": 1 }\n' },
    ]);
  });

  it("are run in one shell, up to the first that fails", () => {
    const blocks = ["NAME=Jack", 'printf \'{"name":"%s"}\' "$NAME"', "false\necho late", "echo never"];
    const outcomes = runBlocks(
      blocks.map((text, index) => ({ line: index, text, ...(index === 1 ? { reply: '{"name":"Jack"}' } : {}) })),
      process.env,
    );
    expect(outcomes).toMatchObject([
      { output: "" },
      { output: '{"name":"Jack"}' },
      { output: "", failure: expect.stringContaining("ended with 1") },
    ]);
    expect(outcomes[1]).not.toHaveProperty("failure");
  });

  it("fail when the reply differs, and say where", () => {
    const block = { line: 1, text: "", reply: '{"id":1}' };
    expect(replyFailure(block, '{"id":1}\n')).toBeUndefined();
    expect(replyFailure(block, '{"id":2}')).toContain("/id: 1 expected, 2 came");
    expect(replyFailure(block, "<html>")).toContain("not one JSON value");
    expect(replyFailure({ line: 1, text: "" }, "anything")).toBeUndefined();
  });
});

describe("the comparison of replies", () => {
  it.each([
    [
      { id: 1, name: "Jack" },
      { name: "Jack", id: 1 },
    ],
    [{ at: "…" }, { at: "2030-01-01T00:00:00.000Z" }],
    [{ drinks: [{ id: 1 }, "…"] }, { drinks: [{ id: 1 }, { id: 2 }] }],
    [
      { id: 1, "…": "…" },
      { id: 1, version: 3 },
    ],
    ["…", null],
  ])("accepts %j for %j", (expected, actual) => {
    expect(differences(expected, actual)).toEqual([]);
  });

  it.each([
    [{ id: 1 }, { id: "1" }, '/id: 1 expected, "1" came'],
    [{ id: 1 }, {}, "/id: missing"],
    [{}, { id: 1 }, "/id: not expected"],
    [[1, 2], [1], "/: 2 elements expected, 1 came"],
    [[1, "…"], [], "/: 1 elements expected, 0 came"],
    [{ a: [{ b: null }] }, { a: [{ b: 0 }] }, "/a/0/b: null expected, 0 came"],
    [{ a: {} }, { a: [] }, "/a: {} expected, [] came"],
  ])("refuses %j for %j", (expected, actual, difference) => {
    expect(differences(expected, actual)).toEqual([difference]);
  });
});
