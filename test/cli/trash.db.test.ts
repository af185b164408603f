import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { restore, trash } from "../../src/cli/trash.ts";
import { withLedger } from "../../src/operations.ts";
import { engines } from "../support/running-application.ts";
import { runShelves, type Shelves, shelves } from "../support/shelves.ts";

describe.each(engines)("what an operator does about deleted records, on %s", (engine) => {
  let app: Shelves;
  let [top, inside, outside, paper] = ["", "", "", ""];
  beforeAll(async () => {
    app = await runShelves(engine);
    top = await app.made("/folders", { name: "top" });
    inside = await app.made("/notes", { name: "inside", folder_id: top, seen_ids: [] });
    outside = await app.made("/notes", { name: "outside", next_id: Number(inside), seen_ids: [] });
    paper = await app.made("/papers", { name: "paper" });
    await app.call("DELETE", `/folders/${top}`);
    const { confirm } = (await app.call("GET", `/papers/${paper}/impact?action=shred`)).body;
    await app.call("DELETE", `/papers/${paper}?confirm=${confirm}`);
    await app.close();
  });
  afterAll(async () => {
    expect(await app.findings()).toEqual([]);
    await app.drop();
  });

  test("trash lists them, and restore brings one back with what went along", async () => {
    const listed = JSON.parse(await trash(shelves, app.around, undefined, true));
    const moment = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect(listed).toEqual([
      { entity: "folders", id: top, deleted_at: moment, by: "visitor", along: false },
      { entity: "notes", id: inside, deleted_at: moment, by: "visitor", along: true },
      { entity: "papers", id: paper, deleted_at: moment, purge_at: moment, by: "visitor", along: false },
    ]);
    expect(await trash(shelves, app.around, "papers", false)).toMatch(
      new RegExp(`^papers {2}${paper} {2}\\S+ {2}by visitor {2}purge \\S+\n1 deleted records$`),
    );
    expect(await restore(shelves, app.around, ["folders", top], false)).toBe(`folders ${top} is restored`);
    expect(JSON.parse(await trash(shelves, app.around, undefined, true))).toHaveLength(1);
    await expect(restore(shelves, app.around, ["folders", top], false)).rejects.toThrow("The record is not deleted.");
    await expect(trash(shelves, app.around, "paper", false)).rejects.toThrow("did you mean 'papers'?");
    await expect(restore(shelves, app.around, ["papers"], false)).rejects.toThrow("Which record?");
  });

  test("what let go, and has it back, says so by an event of the declared name", async () => {
    const events = await withLedger(shelves, app.around, (ledger) => ledger.history("notes", outside));
    expect(events.map(({ type, changes }) => [type, changes.next_id])).toEqual([
      ["NoteCreated", { from: null, to: Number(inside) }],
      ["NoteUnlinked", { from: Number(inside), to: null }],
      ["NoteUnlinked", { from: null, to: Number(inside) }],
    ]);
  });
});
