import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { walletOf } from "../../examples/delivery/wallets.ts";
import { seedId } from "../../src/declare/application.ts";
import { verifyApplication } from "../../src/operations.ts";
import { engines, type Reply, runDelivery, type TestApplication } from "../support/running-application.ts";

const wallet = (name: string) => walletOf(seedId("users", name));
const [one, two] = [wallet("customer1"), wallet("customer2")];
const missing = "01900000-0000-7000-8000-00000000dead";
const codesOf = ({ body: { errors } }: Reply) =>
  Array.isArray(errors) ? errors.map(({ pointer, code }) => `${pointer} ${code}`) : [];

describe.each(engines)("wallets on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runDelivery(engine);
  });
  afterAll(() => app.stop());

  const balance = async (id: string) => (await app.call("GET", `/wallets/${id}`, "admin")).body.balance;
  const top = (id: string, amount: unknown, who: string | null = "admin", headers = {}) =>
    app.call("POST", `/wallets/${id}/top-up`, who, { amount }, headers);
  const transfer = (who: string, body: object, key: string | null = randomUUID()) =>
    app.call("POST", "/transfers", who, body, key === null ? {} : { "idempotency-key": key });
  const of = (amount: number) => ({ from_wallet_id: one, to_wallet_id: two, amount });

  test("are sown with 100.00 for each customer, and for nobody else", async () => {
    const { body } = await app.call("GET", "/wallets?limit=1000", "admin");
    // The contract of a list.
    const stored = body.wallets as readonly { readonly user_id: string; readonly balance: number }[];
    expect(stored.map(({ user_id, balance }) => [user_id, balance]).sort()).toEqual(
      ["customer1", "customer2", "customer3"].map((name) => [seedId("users", name), 100]).sort(),
    );
  });

  test("come with a registration, empty, and are read by their owner and admins alone", async () => {
    const person = { name: "Kim", email: "kim@example.com", password: "long enough" };
    const { body: user } = await app.call("POST", "/users", null, person);
    const own = await app.call("GET", `/wallets/${walletOf(user.id)}`, "admin");
    expect(own.body).toMatchObject({ user_id: user.id, balance: 0, version: 1 });
    expect((await app.call("GET", `/wallets/${one}`, "customer1")).status).toBe(200);
    for (const who of ["customer2", "staff1", "logistician", "manager"]) {
      expect([who, (await app.call("GET", `/wallets/${one}`, who)).status]).toEqual([who, 404]);
    }
    expect((await app.call("GET", `/wallets/${one}`)).status).toBe(401);
  });

  test("a registration that is refused leaves no wallet", async () => {
    const before = (await app.call("GET", "/wallets?limit=1000", "admin")).body.wallets;
    const taken = { name: "Kim", email: "customer1@example.com", password: "long enough" };
    expect((await app.call("POST", "/users", null, taken)).status).toBe(409);
    expect((await app.call("GET", "/wallets?limit=1000", "admin")).body.wallets).toEqual(before);
  });

  test("are topped up by admins; each time is an event, in decimals", async () => {
    const id = wallet("customer3");
    const version = Number((await app.call("GET", `/wallets/${id}`, "admin")).body.version);
    const replies = [await top(id, 0.1), await top(id, 0.2), await top(id, 0.2)];
    expect(replies.map(({ status, body }) => [status, body.balance, body.version])).toEqual([
      [200, 100.1, version + 1],
      [200, 100.3, version + 2],
      [200, 100.5, version + 3],
    ]);
    const key = { "idempotency-key": randomUUID() };
    expect((await top(id, 1, "admin", key)).text).toBe((await top(id, 1, "admin", key)).text);
    expect((await top(id, 1, "admin", { "if-match": `"${version}"` })).status).toBe(412);
    expect((await top(id, 1, "customer3")).status).toBe(403);
    expect((await top(id, 1, "customer2")).status).toBe(404);
    expect((await top(id, 1, null)).status).toBe(401);
    expect(codesOf(await top(id, 0))).toEqual(["/amount above"]);
    expect(codesOf(await top(id, 0.001))).toEqual(["/amount places"]);
    expect(await balance(id)).toBe(101.5);
  });

  test("hold 15 digits and refuse more", async () => {
    const id = wallet("customer3");
    const room = 9_999_999_999_999.99 - 101.5;
    expect(codesOf(await top(id, 9_999_999_999_999.99))).toEqual(["/amount full"]);
    expect((await top(id, Number(room.toFixed(2)))).body.balance).toBe(9_999_999_999_999.99);
    const over = await transfer("customer1", { from_wallet_id: one, to_wallet_id: id, amount: 0.01 });
    expect([over.status, codesOf(over)]).toEqual([422, ["/amount full"]]);
    expect(await balance(one)).toBe(100);
  });

  test("are neither made, changed nor emptied by clients", async () => {
    const own = `/wallets/${one}`;
    // What nobody may do is not to be found out: it has no address, and is no action to ask about.
    for (const who of [null, "customer1", "admin"]) {
      const made = await app.call("POST", "/wallets", who, { user_id: missing });
      expect([made.status, made.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
      for (const name of ["withdraw", "deposit"]) {
        const answers = [
          await app.call("POST", `${own}/${name}`, who, { amount: 1 }),
          await app.call("GET", `${own}/impact?action=${name}`, who),
        ];
        expect(answers.map(({ status }) => status)).toEqual([404, 400]);
      }
    }
    for (const method of ["PATCH", "PUT", "DELETE"]) {
      expect((await app.call(method, own, "admin", { balance: 1 })).status).toBe(405);
    }
    expect(codesOf(await app.call("POST", `${own}/top-up`, "admin", { amount: 1, balance: 5 }))).toEqual([
      "/balance server_owned",
    ]);
  });

  test("a transfer moves money once, whole, and both owners read it", async () => {
    const key = randomUUID();
    const made = await transfer("customer1", of(30.3), key);
    expect([made.status, made.body]).toEqual([201, expect.objectContaining(of(30.3))]);
    expect((await transfer("customer1", of(30.3), key)).text).toBe(made.text);
    expect([await balance(one), await balance(two)]).toEqual([69.7, 130.3]);
    const seen = async (who: string) => (await app.call("GET", `/transfers/${made.body.id}`, who)).status;
    expect(await Promise.all(["customer1", "customer2", "admin", "customer3", "staff1"].map(seen))).toEqual([
      200, 200, 200, 404, 404,
    ]);
    for (const method of ["PATCH", "DELETE"]) {
      expect((await app.call(method, `/transfers/${made.body.id}`, "admin", {})).status).toBe(405);
    }
  });

  test("a transfer is refused without a key, money, a source of one's own, or another target", async () => {
    const before = [await balance(one), await balance(two)];
    const bare = await transfer("customer1", of(1), null);
    expect([bare.status, bare.body.code]).toEqual([400, "idempotency_key_required"]);
    const poor = await transfer("customer1", of(1000));
    expect([poor.status, poor.body.code]).toEqual([409, "insufficient_funds"]);
    expect(codesOf(await transfer("customer1", { ...of(1), to_wallet_id: one }))).toEqual(["/to_wallet_id invalid"]);
    for (const from_wallet_id of [two, missing]) {
      const foreign = await transfer("customer1", { from_wallet_id, to_wallet_id: one, amount: 1 });
      expect([foreign.status, codesOf(foreign)]).toEqual([422, ["/from_wallet_id not_found"]]);
    }
    expect(codesOf(await transfer("customer1", { ...of(1), to_wallet_id: missing }))).toEqual([
      "/to_wallet_id not_found",
    ]);
    // Who reads the wallet and does not own it may know, but not do.
    expect((await transfer("admin", of(1))).status).toBe(403);
    expect([await balance(one), await balance(two)]).toEqual(before);
  });

  test("equal their events in the end", async () => {
    if (engine === "pglite") await app.running.close(); // one process, one opener: verify opens the directory itself
    expect((await verifyApplication(delivery, app.around)).findings).toEqual([]);
  });
});
