import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { seedId } from "../../src/declare/application.ts";
import { verifyApplication } from "../../src/operations.ts";
import { engines, type Reply, runDelivery, type TestApplication } from "../support/running-application.ts";

const sownFile = (number: number) => seedId("files", String(number));
const sownDocument = (number: number) => seedId("documents", String(number));

describe.each(engines)("files and documents, on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runDelivery(engine);
  });
  afterAll(async () => {
    await app.running.close();
    expect((await verifyApplication(delivery, app.around)).findings).toEqual([]);
    await app.stop();
  });

  const made = async (path: string, who: string, body: object): Promise<string> => {
    const reply = await app.call("POST", path, who, body);
    expect(reply.status, reply.text).toBe(201);
    return reply.body.id;
  };
  const impact = (path: string, who: string, action = "delete"): Promise<Reply> =>
    app.call("GET", `${path}/impact?action=${action}`, who);
  const confirmed = async (path: string, who: string): Promise<Reply> => {
    const { body } = await impact(path, who);
    return app.call("DELETE", `${path}?confirm=${body.confirm}`, who);
  };
  const linksOf = async (id: string) => (await app.call("GET", `/documents/${id}`, "admin")).body.file_ids;

  test("a file that documents of others link to is seen, confirmed, detached and put back", async () => {
    const neighbour = await made("/files", "customer1", { name: "old.txt", size: 1 });
    const document = await made("/documents", "customer2", {
      title: "Both",
      file_ids: [neighbour, sownFile(1), sownFile(2)],
    });
    // The neighbour goes first, on its own.
    expect((await confirmed(`/files/${neighbour}`, "customer1")).status).toBe(204);
    expect(await linksOf(document)).toEqual([sownFile(1), sownFile(2)]);

    const path = `/files/${sownFile(1)}`;
    const { status, body } = await impact(path, "customer1");
    expect(status).toBe(200);
    const ids = [sownDocument(1), sownDocument(2), document].sort();
    expect(body).toEqual({
      blocked_by: [],
      cascades: [],
      detaches: [{ entity: "documents", field: "file_ids", count: 3, ids, more: false }],
      reactions: [],
      notifies: [],
      confirm: expect.stringMatching(/^\S{20,}$/),
    });

    const refused = await app.call("DELETE", path, "customer1");
    expect([refused.status, refused.body.code]).toEqual([409, "confirmation_required"]);
    expect(refused.body.impact).toBe(`${path}/impact?action=delete`);
    expect((await app.call("GET", path, "customer1")).status).toBe(200);

    const before = await Promise.all(ids.map(linksOf));
    const deleted = await app.call("DELETE", `${path}?confirm=${body.confirm}`, "customer1");
    expect([deleted.status, deleted.text]).toEqual([204, ""]);
    expect((await app.call("DELETE", path, "customer1")).status).toBe(204);
    expect((await app.call("GET", path, "customer2")).status).toBe(410);
    for (const id of ids) expect(await linksOf(id)).not.toContain(sownFile(1));

    const restored = await app.call("POST", `${path}/restore`, "customer1");
    expect([restored.status, restored.body.id, restored.body.version]).toEqual([200, sownFile(1), 3]);
    expect(restored.headers.get("etag")).toBe('"3"');
    expect(await Promise.all(ids.map(linksOf))).toEqual(before);
    expect((await app.call("GET", `/files/${neighbour}`, "customer1")).status).toBe(410);
    const again = await app.call("POST", `${path}/restore`, "customer1");
    expect([again.status, again.body.code]).toEqual([409, "conflict"]);
  });

  test("a file in no document is deleted without a question", async () => {
    const path = `/files/${sownFile(5)}`;
    expect((await impact(path, "manager")).body.detaches).toEqual([]);
    expect((await app.call("DELETE", path, "manager")).status).toBe(204);
    expect((await app.call("POST", `${path}/restore`, "manager")).status).toBe(200);
  });

  test("only what was let go comes back, where it still has its place", async () => {
    const file = await made("/files", "customer1", { name: "a.txt", size: 1 });
    const other = await made("/files", "customer1", { name: "b.txt", size: 1 });
    const [kept, gone, changed] = [
      await made("/documents", "customer2", { title: "kept", file_ids: [other, file] }),
      await made("/documents", "customer2", { title: "gone", file_ids: [file] }),
      await made("/documents", "customer2", { title: "changed", file_ids: [file, other] }),
    ];
    expect((await confirmed(`/files/${file}`, "customer1")).status).toBe(204);
    expect((await app.call("DELETE", `/documents/${gone}`, "customer2")).status).toBe(204);
    expect((await app.call("PATCH", `/documents/${changed}`, "customer2", { file_ids: [] })).status).toBe(200);
    const linked = await app.call("PATCH", `/documents/${kept}`, "customer2", { file_ids: [file] });
    expect([linked.status, linked.body.errors]).toEqual([
      422,
      [{ pointer: "/file_ids/0", code: "not_found", message: "does not exist" }],
    ]);
    expect((await app.call("POST", `/files/${file}/restore`, "customer1")).status).toBe(200);
    expect(await linksOf(kept)).toEqual([other, file]);
    expect(await linksOf(changed)).toEqual([file]);
    expect((await app.call("GET", `/documents/${gone}`, "customer2")).status).toBe(410);
    // It was deleted without the file, and comes back without it.
    expect((await app.call("POST", `/documents/${gone}/restore`, "customer2")).body.file_ids).toEqual([]);
  });

  test("a confirmation is for one caller, one record and one world, and whole", async () => {
    const file = await made("/files", "customer1", { name: "a.txt", size: 1 });
    const second = await made("/files", "customer1", { name: "b.txt", size: 1 });
    const document = await made("/documents", "customer2", { title: "one", file_ids: [file, second] });
    const path = `/files/${file}`;
    const { body } = await impact(path, "customer1");
    const token = String(body.confirm);
    const refused = async (who: string, target: string, confirm: string) => {
      const reply = await app.call("DELETE", `${target}?confirm=${encodeURIComponent(confirm)}`, who);
      expect([reply.status, reply.body.code]).toEqual([409, "confirmation_required"]);
    };
    await refused("admin", path, token);
    await refused("customer1", `/files/${second}`, token);
    await refused("customer1", path, `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`);
    // The last letter has two bits to spare: the next one stands for the same bytes.
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    await refused(
      "customer1",
      path,
      token.replace(/.$/, (last) => letters.charAt(letters.indexOf(last) + 1)),
    );
    await refused(
      "customer1",
      path,
      token.replace(/^./, (digit) => (digit === "z" ? "y" : "z")),
    );
    await refused("customer1", path, "");
    await refused("customer1", path, "x".repeat(10_000));
    // The world changes: another document links to the file.
    await made("/documents", "customer3", { title: "two", file_ids: [file] });
    await refused("customer1", path, token);
    const fresh = String((await impact(path, "customer1")).body.confirm);
    // And again: a document that is concerned is changed.
    expect((await app.call("PATCH", `/documents/${document}`, "customer2", { title: "uno" })).status).toBe(200);
    await refused("customer1", path, fresh);
    const last = String((await impact(path, "customer1")).body.confirm);
    expect((await app.call("DELETE", `${path}?confirm=${last}`, "customer1")).status).toBe(204);
    expect((await app.call("POST", `${path}/restore`, "customer1")).status).toBe(200);
    await refused("customer1", path, last);
  });

  test("who may not delete learns nothing, and wrong questions are told apart", async () => {
    const path = `/files/${sownFile(1)}`;
    const answers = async (who: string | null, query: string) => {
      const reply = await app.call("GET", `${path}/impact${query}`, who);
      return [reply.status, reply.body.code];
    };
    expect(await answers(null, "?action=delete")).toEqual([401, "unauthenticated"]);
    expect(await answers("customer2", "?action=delete")).toEqual([403, "forbidden"]);
    expect(await answers("customer1", "")).toEqual([400, "invalid_query"]);
    expect(await answers("customer1", "?action=delete&x=1")).toEqual([400, "invalid_query"]);
    expect(await answers("customer1", "?action=remove")).toEqual([400, "invalid_query"]);
    expect((await impact(`/files/${sownFile(9)}`, "customer1")).status).toBe(404);
    expect((await app.call("POST", `${path}/restore`, "customer2")).status).toBe(403);
    expect((await app.call("POST", `${path}/restore`)).status).toBe(401);
    expect((await app.call("DELETE", `/drinks/1?confirm=x`)).status).toBe(400);
    const { body } = await impact(path, "customer1", "update");
    expect(body).toEqual({ blocked_by: [], cascades: [], detaches: [], reactions: [], notifies: [], confirm: null });
  });

  test("an order is deleted by confirmation and waits thirty days", async () => {
    const path = `/orders/${seedId("orders", "0")}`;
    expect((await app.call("DELETE", path, "admin")).status).toBe(409);
    const { body } = await impact(path, "admin");
    expect(body.notifies).toEqual([{ who: "admins", of: "the coming purge", after_seconds: 30 * 24 * 3600 }]);
    expect((await app.call("DELETE", `${path}?confirm=${body.confirm}`, "admin")).status).toBe(204);
    const gone = await app.call("GET", path, "admin");
    expect([gone.status, gone.body.code]).toEqual([410, "gone"]);
    const [from, to] = [gone.body.deleted_at, gone.body.purge_at].map((moment) => Date.parse(String(moment)));
    expect(Number(to) - Number(from)).toBe(30 * 24 * 3600 * 1000);
    expect((await app.call("GET", path, "customer2")).status).toBe(404);
    const past = await app.call("GET", `${path}?as_of_version=2`, "customer1");
    expect([past.status, past.body.purge_at]).toEqual([410, gone.body.purge_at]);
    // 410 stands before 403: whoever could read the order learns that it is gone, not that others may delete it.
    for (const who of ["admin", "customer1"]) {
      for (const action of ["delete", "restore", "cancel"]) {
        expect((await impact(path, who, action)).status, `${action} ${who}`).toBe(410);
      }
    }
    expect((await impact(path, "customer2")).status).toBe(404);
    const restored = await app.call("POST", `${path}/restore`, "admin");
    expect([restored.status, restored.body.status]).toEqual([200, "pending_payment"]);
  });

  test("a unique value that was taken meanwhile is a conflict, and another can be given", async () => {
    const period = { starts_at: "2026-01-01T00:00:00Z", ends_at: "2026-02-01T00:00:00Z" };
    const first = await made("/promotions", "manager", { code: "ONCE", percent: 5, ...period });
    expect((await app.call("DELETE", `/promotions/${first}`, "manager")).status).toBe(204);
    await made("/promotions", "manager", { code: "ONCE", percent: 6, ...period });
    const path = `/promotions/${first}/restore`;
    const taken = await app.call("POST", path, "manager");
    expect([taken.status, taken.body.code]).toEqual([409, "unique"]);
    expect(taken.body.errors).toEqual([{ pointer: "/code", code: "unique", message: "is already taken" }]);
    expect(taken.body.detail).toContain('{"code": …}');
    const restored = await app.call("POST", path, "manager", { code: "TWICE" });
    expect([restored.status, restored.body.code, restored.body.percent]).toEqual([200, "TWICE", 5]);
  });
});
