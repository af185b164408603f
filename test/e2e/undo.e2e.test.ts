import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { seedId } from "../../src/declare/application.ts";
import { verifyApplication } from "../../src/operations.ts";
import { engines, type Reply, runDelivery, type TestApplication } from "../support/running-application.ts";

const user = (name: string) => `/users/${seedId("users", name)}`;
const restaurant = (number: number) => `/restaurants/${seedId("restaurants", String(number))}`;
const anyVersion = { "if-match": "*" };

interface Event {
  readonly id: string;
  readonly type: string;
  readonly action: string;
  readonly version: number;
  readonly changes: object;
  readonly causation_id: string | null;
}

describe.each(engines)("undoing, on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runDelivery(engine);
  });
  afterAll(async () => {
    await app.running.close();
    expect((await verifyApplication(delivery, app.around)).findings).toEqual([]);
    await app.stop();
  });

  const undo = (path: string, who: string | null, body: object = {}, headers: object = anyVersion, query = "") =>
    app.call("POST", `${path}/undo${query}`, who, body, { ...headers });
  const eventsOf = async (path: string, who: string): Promise<readonly Event[]> =>
    (await app.call("GET", `${path}/history?limit=1000`, who)).body.events as readonly Event[];
  const lastOf = async (path: string, who: string) => (await eventsOf(path, who)).at(-1);
  const changed = async (path: string, who: string, body: object): Promise<Reply> => {
    const reply = await app.call(path.includes("/users/") ? "PATCH" : "POST", path, who, body);
    expect(reply.status, reply.text).toBe(200);
    return reply;
  };
  const refusal = ({ status, body: { code, detail, errors } }: Reply) => ({ status, code, detail, errors });

  test("gives back the values before, by an event that names the one it takes back", async () => {
    const path = user("customer1");
    const before = (await app.call("GET", path, "customer1")).body;
    const after = await changed(`${path}/email`, "customer1", { email: "elsewhere@example.com" });
    const done = await lastOf(path, "customer1");
    const reply = await undo(path, "customer1", {}, { "if-match": after.headers.get("etag") ?? "" });
    expect([reply.status, reply.body.email, reply.body.version]).toEqual([
      200,
      before.email,
      Number(before.version) + 2,
    ]);
    expect(reply.headers.get("etag")).toBe(`"${reply.body.version}"`);
    expect(await lastOf(path, "customer1")).toMatchObject({
      type: "EmailChangedUndone",
      action: "email",
      causation_id: done?.id,
      changes: { email: { from: "elsewhere@example.com", to: before.email } },
    });
    for (const body of [{}, { event: done?.id }]) {
      const again = refusal(await undo(path, "customer1", body));
      expect([again.status, again.code]).toEqual([409, "conflict"]);
    }
    expect(refusal(await undo(path, "customer1", { event: done?.id })).detail).toContain("was undone by version");
  });

  test("takes an earlier event back as long as nothing has touched its fields since", async () => {
    const path = user("customer2");
    await changed(`${path}/name`, "customer2", { name: "First" });
    const first = await lastOf(path, "customer2");
    await changed(`${path}/avatar`, "customer2", { avatar: "https://example.com/a.png" });
    await changed(`${path}/name`, "customer2", { name: "Second" });
    const second = await lastOf(path, "customer2");
    const refused = refusal(await undo(path, "customer2", { event: first?.id }));
    expect(refused).toMatchObject({
      status: 409,
      code: "conflict",
      errors: [
        {
          pointer: "/name",
          code: "changed_since",
          message: `was changed since by UserUpdated, version ${second?.version}`,
        },
      ],
    });
    expect((await undo(path, "customer2", { event: second?.id })).body.name).toBe("First");
    const reply = await undo(path, "customer2", { event: first?.id });
    expect([reply.body.name, reply.body.avatar]).toEqual(["customer2", "https://example.com/a.png"]);
  });

  test("does the action that an action names as its inverse", async () => {
    const path = restaurant(1);
    await changed(`${path}/close`, "staff1", {});
    const closed = await lastOf(path, "staff1");
    const possible = (await app.call("GET", `${path}/actions`, "staff1")).body.actions;
    expect(possible).toContainEqual({
      name: "undo",
      allowed: true,
      reason: null,
      input: expect.objectContaining({ type: "object" }),
    });
    expect((await undo(path, "staff1")).body.status).toBe("open");
    expect(await lastOf(path, "staff1")).toMatchObject({
      type: "RestaurantOpened",
      action: "open",
      causation_id: closed?.id,
    });
    expect((await undo(path, "staff1")).status).toBe(409);
    expect((await app.call("GET", `${path}/actions`, "staff1")).body.actions).toContainEqual(
      expect.objectContaining({ name: "undo", allowed: false, reason: expect.stringContaining("no inverse") }),
    );
    await changed(`${path}/close`, "staff1", {});
    const again = await lastOf(path, "staff1");
    await changed(`${path}/open`, "staff1", {});
    const refused = refusal(await undo(path, "staff1", { event: again?.id }));
    expect(refused.errors).toMatchObject([{ pointer: "/status", code: "changed_since" }]);
  });

  test("asks for the version, for rights, and for an event of this record", async () => {
    const path = user("customer3");
    await changed(`${path}/name`, "customer3", { name: "Third" });
    const event = await lastOf(path, "customer3");
    const codes = async (who: string | null, body: object, headers: object) => {
      const { status, body: told } = await undo(path, who, body, headers);
      return [status, told.code];
    };
    expect(await codes("customer3", {}, {})).toEqual([428, "precondition_required"]);
    expect(await codes("customer3", {}, { "if-match": '"1"' })).toEqual([412, "stale"]);
    expect(await codes(null, {}, anyVersion)).toEqual([401, "unauthenticated"]);
    expect(await codes("admin", {}, anyVersion)).toEqual([403, "forbidden"]);
    expect(await codes("customer1", {}, anyVersion)).toEqual([404, "not_found"]);
    const foreign = await lastOf(user("customer1"), "customer1");
    for (const [wrong, code] of [
      [randomUUID(), "not_found"],
      [foreign?.id, "not_found"],
      ["the last one", "format"],
      [7, "format"],
    ]) {
      const refused = refusal(await undo(path, "customer3", { event: wrong }));
      expect([refused.status, refused.errors], String(wrong)).toMatchObject([422, [{ pointer: "/event", code }]]);
    }
    expect((await undo(path, "customer3", { what: 1 })).status).toBe(422);
    const dry = await undo(path, "customer3", { event: event?.id }, anyVersion, "?dry_run=true");
    expect([dry.status, dry.body.name, dry.headers.get("etag")]).toEqual([200, "customer3", null]);
    expect((await app.call("GET", path, "customer3")).body.name).toBe("Third");
    const keyed = { ...anyVersion, "idempotency-key": randomUUID() };
    const [one, two] = [await undo(path, "customer3", {}, keyed), await undo(path, "customer3", {}, keyed)];
    expect([one.status, two.text]).toEqual([200, one.text]);
    expect(two.headers.get("idempotency-replayed")).toBe("true");
    const none = await undo("/drinks/1", null);
    expect(none.status).toBe(404);
  });

  test("a value taken meanwhile, and what declares no inverse, are in the way", async () => {
    const path = user("staff2");
    await changed(`${path}/email`, "staff2", { email: "moved@example.com" });
    await changed(`${user("staff1")}/email`, "staff1", { email: "staff2@example.com" });
    const taken = refusal(await undo(path, "staff2"));
    expect([taken.status, taken.code, taken.errors]).toMatchObject([409, "unique", [{ pointer: "/email" }]]);
    expect((await undo(user("staff1"), "staff1")).status).toBe(200);
    expect((await undo(path, "staff2")).body.email).toBe("staff2@example.com");
    const registered = refusal(await undo(user("logistician"), "logistician"));
    expect(registered).toMatchObject({ status: 409, detail: expect.stringContaining("UserRegistered (version 1)") });
  });

  test("two at once undo once", async () => {
    const path = user("manager");
    await changed(`${path}/name`, "manager", { name: "Boss" });
    const { id = "" } = (await lastOf(path, "manager")) ?? {};
    const replies = await Promise.all([1, 2, 3].map(() => undo(path, "manager", { event: id })));
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    expect((await eventsOf(path, "manager")).filter((event) => event.causation_id === id)).toHaveLength(1);
  });
});
