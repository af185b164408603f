import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { engines } from "../support/running-application.ts";
import { runShelves, type Shelves } from "../support/shelves.ts";

describe.each(engines)("what references say of deletes, on %s", (engine) => {
  let app: Shelves;
  let later = 0;
  beforeAll(async () => {
    app = await runShelves(engine, { now: () => new Date(Date.now() + later) });
  });
  afterAll(async () => {
    await app.close();
    expect(await app.findings()).toEqual([]);
    await app.drop();
  });
  const statusOf = async (path: string) => (await app.call("GET", path)).status;
  let count = 0;
  const folder = (parent_id: string | null = null) => app.made("/folders", { name: `folder ${++count}`, parent_id });
  const note = (more: object = {}) => app.made("/notes", { name: `note ${++count}`, seen_ids: [], ...more });

  test("a folder takes all that is below along, and brings exactly that back", async () => {
    const top = await folder();
    const [inner, neighbour] = [await folder(top), await folder(top)];
    const deep = await note({ folder_id: inner });
    const outside = await note({ next_id: Number(deep), seen_ids: [Number(deep), Number(deep)] });
    const early = await note({ folder_id: inner });
    expect((await app.call("DELETE", `/notes/${early}`)).status).toBe(204);
    expect((await app.call("DELETE", `/folders/${neighbour}`)).status).toBe(204);

    const { body } = await app.call("GET", `/folders/${top}/impact?action=delete`);
    const edge = (entity: string, field: string, id: string) => ({ entity, field, count: 1, ids: [id], more: false });
    expect(body).toEqual({
      blocked_by: [],
      cascades: [edge("folders", "parent_id", inner), edge("notes", "folder_id", deep)],
      detaches: [edge("notes", "next_id", outside), edge("notes", "seen_ids", outside)],
      reactions: [],
      notifies: [],
      confirm: null,
    });
    expect((await app.call("DELETE", `/folders/${top}`)).status).toBe(204);
    for (const path of [`/folders/${top}`, `/folders/${inner}`, `/notes/${deep}`])
      expect(await statusOf(path)).toBe(410);
    expect((await app.call("GET", `/notes/${outside}`)).body).toMatchObject({
      next_id: null,
      seen_ids: [],
      version: 2,
    });

    const alone = await app.call("POST", `/notes/${deep}/restore`);
    expect([alone.status, alone.body.code, alone.body.detail]).toEqual([
      409,
      "conflict",
      "A deleted record stands in `folder_id` of notes. Restore that one first.",
    ]);
    expect((await app.call("POST", `/folders/${top}/restore`)).status).toBe(200);
    for (const path of [`/folders/${top}`, `/folders/${inner}`, `/notes/${deep}`])
      expect(await statusOf(path)).toBe(200);
    expect((await app.call("GET", `/notes/${outside}`)).body).toMatchObject({
      next_id: Number(deep),
      seen_ids: [Number(deep), Number(deep)],
      version: 3,
    });
    expect([await statusOf(`/notes/${early}`), await statusOf(`/folders/${neighbour}`)]).toEqual([410, 410]);
  });

  test("a field that holds something else by now keeps it, and a full list stays as it is", async () => {
    const gone = await note();
    const others = [await note(), await note(), await note()].map(Number);
    const holder = await note({ next_id: Number(gone), seen_ids: [others[0], Number(gone)] });
    expect((await app.call("DELETE", `/notes/${gone}`)).status).toBe(204);
    const changed = await app.call("PATCH", `/notes/${holder}`, { next_id: others[0], seen_ids: others });
    expect(changed.status).toBe(200);
    expect((await app.call("POST", `/notes/${gone}/restore`)).status).toBe(200);
    expect((await app.call("GET", `/notes/${holder}`)).body).toMatchObject({
      next_id: others[0],
      seen_ids: others,
      version: 3,
    });
  });

  test("what is sealed stands in the way, of what is above it too", async () => {
    const top = await folder();
    const inside = await note({ folder_id: top });
    const seal = await app.made("/seals", { note_id: Number(inside) });
    const by = [{ entity: "seals", field: "note_id", count: 1, ids: [seal], more: false }];
    for (const path of [`/notes/${inside}`, `/folders/${top}`]) {
      const refused = await app.call("DELETE", path);
      expect([refused.status, refused.body.code, refused.body.blocked_by]).toEqual([409, "blocked_by_references", by]);
      expect(refused.body.impact).toBe(`${path}/impact?action=delete`);
      expect((await app.call("GET", `${path}/impact?action=delete`)).body.blocked_by).toEqual(by);
      expect(await statusOf(path)).toBe(200);
    }
    expect((await app.call("DELETE", `/seals/${seal}`)).status).toBe(204);
    expect((await app.call("DELETE", `/folders/${top}`)).status).toBe(204);
    // The seal cannot come back to a note that is gone.
    expect((await app.call("POST", `/seals/${seal}/restore`)).body.code).toBe("conflict");
    expect((await app.call("POST", `/folders/${top}/restore`)).status).toBe(200);
    expect((await app.call("POST", `/seals/${seal}/restore`)).status).toBe(200);
  });

  test("circles are gone round once", async () => {
    const self = await folder();
    expect((await app.call("PATCH", `/folders/${self}`, { parent_id: self })).status).toBe(200);
    expect((await app.call("DELETE", `/folders/${self}`)).status).toBe(204);
    expect((await app.call("POST", `/folders/${self}/restore`)).body.parent_id).toBe(self);

    const left = await app.made("/lefts", {});
    const right = await app.made("/rights", { left_id: left });
    expect((await app.call("PATCH", `/lefts/${left}`, { right_id: right })).status).toBe(200);
    expect((await app.call("DELETE", `/rights/${right}`)).status).toBe(204);
    expect([await statusOf(`/lefts/${left}`), await statusOf(`/rights/${right}`)]).toEqual([410, 410]);
    expect((await app.call("POST", `/rights/${right}/restore`)).body.left_id).toBe(left);
    expect([await statusOf(`/lefts/${left}`), await statusOf(`/rights/${right}`)]).toEqual([200, 200]);
  });

  test("a unique value of one that went along is a conflict too", async () => {
    const top = await folder();
    const inside = await note({ folder_id: top });
    const { name } = (await app.call("GET", `/notes/${inside}`)).body;
    expect((await app.call("DELETE", `/folders/${top}`)).status).toBe(204);
    const thief = await note({ name });
    const refused = await app.call("POST", `/folders/${top}/restore`);
    expect([refused.status, refused.body.code, await statusOf(`/folders/${top}`)]).toEqual([409, "unique", 410]);
    expect((await app.call("PATCH", `/notes/${thief}`, { name: "another" })).status).toBe(200);
    expect((await app.call("POST", `/folders/${top}/restore`)).status).toBe(200);
    expect(await statusOf(`/notes/${inside}`)).toBe(200);
  });

  test("nobody can begin to refer to what is deleted", async () => {
    const gone = await note();
    expect((await app.call("DELETE", `/notes/${gone}`)).status).toBe(204);
    const refused = await app.call("POST", "/seals", { note_id: Number(gone) });
    expect([refused.status, refused.body.code]).toEqual([422, "invalid"]);
  });

  test("a confirmation ends after fifteen minutes, and the purge date is shown", async () => {
    const path = `/papers/${await app.made("/papers", { name: "draft" })}`;
    const { confirm } = (await app.call("GET", `${path}/impact?action=shred`)).body;
    later = 15 * 60_000 + 1;
    expect((await app.call("DELETE", `${path}?confirm=${confirm}`)).body.code).toBe("confirmation_required");
    later = 14 * 60_000;
    expect((await app.call("DELETE", `${path}?confirm=${confirm}`)).status).toBe(204);
    later = 0;
    const { deleted_at, purge_at } = (await app.call("GET", path)).body;
    expect(Date.parse(String(purge_at)) - Date.parse(String(deleted_at))).toBe(2 * 3600_000);
  });

  test("a dry run does it all and leaves nothing", async () => {
    const top = await folder();
    const inside = await note({ folder_id: top });
    expect((await app.call("DELETE", `/folders/${top}?dry_run=true`)).status).toBe(204);
    expect([await statusOf(`/folders/${top}`), await statusOf(`/notes/${inside}`)]).toEqual([200, 200]);
    await app.made("/seals", { note_id: Number(inside) });
    expect((await app.call("DELETE", `/folders/${top}?dry_run=true`)).body.code).toBe("blocked_by_references");
    expect((await app.call("DELETE", `/folders/${top}?dry_run=maybe`)).status).toBe(400);
  });
});
