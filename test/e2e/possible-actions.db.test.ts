import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seedId } from "../../src/declare/application.ts";
import { isObject } from "../../src/kernel/json.ts";
import { engines, type Reply, runDelivery, type TestApplication } from "../support/running-application.ts";
import { schemaChecker } from "../support/schema-check.ts";

const order = (index: number) => `/orders/${seedId("orders", String(index))}`;
/** Orders at restaurant 1, by the state that they were sown in; all but the delivered one are of customer1. */
const sown = { pending_payment: 0, new: 6, accepted: 12, on_way: 24, delivered: 28 };

interface Listed {
  readonly name: string;
  readonly allowed: boolean;
  readonly reason: string | null;
  readonly input: object;
}

/** The actions of a reply; the test of the documents holds their shape. */
const actionsOf = ({ body }: Reply): readonly Listed[] => (Array.isArray(body.actions) ? body.actions : []);
const verdictsOf = (reply: Reply) => Object.fromEntries(actionsOf(reply).map(({ name, allowed }) => [name, allowed]));
const inputOf = (reply: Reply, name: string) => actionsOf(reply).find((action) => action.name === name)?.input;
const targetsIn = (schema: object | undefined): unknown => {
  const properties = schema !== undefined && "properties" in schema ? schema.properties : undefined;
  return isObject(properties) ? properties.status : undefined;
};

describe.each(engines)("the actions of a record, on %s", (engine) => {
  let application: TestApplication;
  beforeAll(async () => {
    application = await runDelivery(engine);
  });
  afterAll(() => application.stop());
  const get = (path: string, who: string | null, headers: Readonly<Record<string, string>> = {}) =>
    application.call("GET", `${path}/actions`, who, undefined, headers);

  test("are those of the caller's audience, allowed by its state and its owner", async () => {
    const cases: readonly (readonly [keyof typeof sown, string, Readonly<Record<string, boolean>>])[] = [
      ["pending_payment", "customer1", { confirm_payment: true, cancel: true }],
      ["pending_payment", "staff1", { cancel: true, status: false }],
      ["new", "customer1", { confirm_payment: false, cancel: true }],
      ["new", "staff1", { cancel: true, status: true }],
      ["on_way", "customer1", { confirm_payment: false, cancel: false }],
      ["on_way", "staff1", { cancel: false, status: true }],
      ["delivered", "staff1", { cancel: false, status: false }],
      ["delivered", "admin", { cancel: false, status: false, delete: true }],
      ["new", "manager", {}],
    ];
    for (const [state, who, verdicts] of cases) {
      const reply = await get(order(sown[state]), who);
      expect([reply.status, reply.body.status], `${state} ${who}`).toEqual([200, state]);
      expect(verdictsOf(reply), `${state} ${who}`).toEqual(verdicts);
      for (const { allowed, reason } of actionsOf(reply)) expect(reason === null, `${reason}`).toBe(allowed);
    }
  });

  test("are refused with a reason in the caller's language", async () => {
    const reasons = async (language: string) =>
      actionsOf(await get(order(sown.on_way), "customer1", { "accept-language": language })).map(
        ({ reason }) => reason,
      );
    expect(await reasons("en")).toEqual([
      "No longer: the state `on_way` does not allow it, and no later one will.",
      "No longer: the state `on_way` does not allow it, and no later one will.",
    ]);
    expect(await reasons("ru")).toEqual([
      "Уже нельзя: состояние `on_way` этого не допускает, и ни одно из следующих не допустит.",
      "Уже нельзя: состояние `on_way` этого не допускает, и ни одно из следующих не допустит.",
    ]);
    const early = actionsOf(await get(order(sown.pending_payment), "staff1"));
    expect(early.find(({ name }) => name === "status")?.reason).toContain("Not yet: the state `pending_payment`");
    const foreign = actionsOf(await get(`/restaurants/${seedId("restaurants", "2")}`, "staff1"));
    expect(foreign.map(({ name, reason }) => [name, reason])).toEqual([
      ["open", "This record is not one that you may do it on."],
      ["close", "This record is not one that you may do it on."],
      ["undo", "This record is not one that you may do it on."],
    ]);
  });

  test("take what their schemas say, and `status` only the states that come next", async () => {
    const status = async (state: keyof typeof sown) =>
      targetsIn(inputOf(await get(order(sown[state]), "staff1"), "status"));
    expect(await status("new")).toEqual({ type: "string", enum: ["accepted"] });
    expect(await status("accepted")).toEqual({ type: "string", enum: ["cooking"] });
    expect(await status("delivered")).toEqual({ not: {} });
    const fits = schemaChecker().compile(inputOf(await get(order(sown.new), "staff1"), "cancel") ?? {});
    expect([fits({ reason: "Closed" }), fits({}), fits({ reason: 1 }), fits({ colour: "red" })]).toEqual([
      ...[true, true, false, false],
    ]);
  });

  test("of an entity without a lifecycle have no status", async () => {
    const reply = await get("/drinks/1", null);
    expect([reply.status, reply.body.status]).toEqual([404, 404]);
    const made = await application.call("POST", "/drinks", null, { name: "Jack", price: 10 });
    const drink = await get(`/drinks/${made.body.id}`, null);
    expect([drink.status, drink.body.status, verdictsOf(drink)]).toEqual([200, null, { update: true, delete: true }]);
    expect(inputOf(drink, "update")).not.toHaveProperty("required");
  });

  test("are hidden with the record, and gone with it", async () => {
    const path = order(sown.pending_payment);
    const answers = async (wanted: string, who: string | null) =>
      Promise.all([get(wanted, who), application.call("GET", wanted, who)]).then((both) =>
        both.map(({ status, body }) => [status, body.code, body.deleted_at]),
      );
    for (const [wanted, who, status] of [
      [path, "customer2", 404],
      [path, null, 401],
      [`/orders/${seedId("orders", "none")}`, "admin", 404],
      ["/orders/abc", "admin", 404],
    ] as const) {
      const [actions, record] = await answers(wanted, who);
      expect(actions, `${wanted} ${who}`).toEqual(record);
      expect(actions?.[0], `${wanted} ${who}`).toBe(status);
    }
    expect((await application.remove(path, "admin")).status).toBe(204);
    for (const who of ["customer1", "customer2", "admin"]) {
      const [actions, record] = await answers(path, who);
      expect(actions, who).toEqual(record);
      expect(actions?.[0], who).toBe(who === "customer2" ? 404 : 410);
    }
  });

  test("have a tag of their own, also for HEAD, and take no parameter", async () => {
    const path = order(sown.new);
    const first = await get(path, "staff1");
    const tag = first.headers.get("etag") ?? "";
    expect(tag).toMatch(/^W\/"/);
    expect((await get(path, "staff1", { "if-none-match": tag })).status).toBe(304);
    expect((await get(path, "customer1", { "if-none-match": tag })).status).toBe(200);
    const head = await application.call("HEAD", `${path}/actions`, "staff1");
    expect([head.status, head.text, head.headers.get("etag")]).toEqual([200, "", tag]);
    const asked = await application.call("GET", `${path}/actions?colour=red`, "staff1");
    expect([asked.status, asked.body.code]).toEqual([400, "invalid_query"]);
    expect((await application.call("POST", `${path}/actions`, "staff1", {})).status).toBe(405);
  });

  test("are what a 409 names", async () => {
    for (const who of ["customer1", "staff1", "admin"]) {
      const refused = await application.call("POST", `${order(sown.on_way)}/cancel`, who, {});
      const allowed = actionsOf(await get(order(sown.on_way), who)).filter((action) => action.allowed);
      expect([refused.status, refused.body.status_now]).toEqual([409, "on_way"]);
      expect(refused.body.allowed_actions, who).toEqual(allowed.map(({ name }) => name));
    }
  });

  test("of the caller's own record are found as of any other", async () => {
    const own = await get("/users/me", "customer1");
    const mine = { name: true, email: true, avatar: true, password: true, deactivate: true };
    expect(verdictsOf(own)).toEqual({ ...mine, undo: false });
    const foreign = await get(`/users/${seedId("users", "customer1")}`, "admin");
    expect(verdictsOf(foreign)).toEqual({
      name: false,
      email: false,
      avatar: false,
      password: false,
      deactivate: true,
      delete: true,
      undo: false,
    });
  });
});
