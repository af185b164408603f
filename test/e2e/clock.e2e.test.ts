import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { clock } from "../../src/cli/clock.ts";
import { clockHere, seededToken } from "../../src/operations.ts";
import { engines, runDelivery, type TestApplication } from "../support/running-application.ts";

describe.each(engines)("development's clock, on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runDelivery(engine);
  });
  afterAll(() => app.stop());

  const bearer = async (name: string) => ({
    authorization: `Bearer ${await seededToken(delivery, name, app.around.secret, await clockHere(app.around))}`,
  });

  /** Moves it, and waits until the running application has followed: a drink's time of creation is the database's. */
  async function advance(words: string): Promise<number> {
    const { ahead_seconds } = JSON.parse(await clock(app.around, ["advance", words], true));
    const deadline = Date.now() + 20_000;
    for (;;) {
      const { body } = await app.call("POST", "/drinks", null, { name: "Hour", price: 1 });
      const ahead = Date.parse(String(body.created_at)) - Date.now();
      // The application's own clock follows within its next look.
      const token = await app.call("GET", "/users/me", null, undefined, await bearer("customer1"));
      if (ahead > ahead_seconds * 1000 - 5000 && token.status === 200) return ahead_seconds;
      if (Date.now() > deadline) throw new Error(`the clock did not move: ${ahead} of ${ahead_seconds}`);
    }
  }

  test("goes forward alone, and adds up", async () => {
    expect(JSON.parse(await clock(app.around, [], true))).toMatchObject({ ahead_seconds: 0 });
    expect(await clock(app.around, [], false)).toMatch(/Z, the machine's own$/);
    await expect(clock(app.around, ["advance"], true)).rejects.toThrow("gesta clock advance 30d");
    await expect(clock(app.around, ["back", "1d"], true)).rejects.toThrow("gesta clock advance 30d");
    await expect(clock(app.around, ["advance", "-1d"], true)).rejects.toThrow("gesta clock advance 30d");
    expect(await advance("1h")).toBe(3600);
    expect(await advance("90 minutes")).toBe(9000);
    expect(await clock(app.around, [], false)).toMatch(/, 2h 30m ahead of the machine's$/);
  });

  test("is the one of what is kept for a time: replies, sessions, tokens, confirmations", async () => {
    const headers = { "idempotency-key": "a-key-of-a-visitor-01" };
    const drink = { name: "Kept", price: 2 };
    const first = await app.call("POST", "/drinks", null, drink, headers);
    const again = await app.call("POST", "/drinks", null, drink, headers);
    expect([again.headers.get("idempotency-replayed"), again.body.id]).toEqual(["true", first.body.id]);
    const login = { email: "customer1@example.com", password: "customer1-password" };
    const { body: session } = await app.call("POST", "/sessions", null, login);
    const withSession = { authorization: `Bearer ${session.token}` };
    expect((await app.call("GET", "/users/me", null, undefined, withSession)).status).toBe(200);
    const admin = await bearer("admin");
    const { body: customer } = await app.call("GET", "/users/me", null, undefined, withSession);
    const impact = await app.call("GET", `/users/${customer.id}/impact?action=delete`, null, undefined, admin);
    const past = encodeURIComponent(String(customer.updated_at));
    expect((await app.call("GET", `/users/${customer.id}?as_of=${past}`, null, undefined, admin)).status).toBe(200);

    await advance("8d");
    const anew = await app.call("POST", "/drinks", null, drink, headers);
    expect([anew.status, anew.body.id === first.body.id]).toEqual([201, false]);
    const replayed = await app.call("POST", "/drinks", null, drink, headers);
    expect([replayed.headers.get("idempotency-replayed"), replayed.body.id]).toEqual(["true", anew.body.id]);
    expect((await app.call("GET", "/users/me", null, undefined, withSession)).status).toBe(401);
    // The application's own clock follows at its next look.
    const asAdmin = async () => (await app.call("GET", "/users", null, undefined, admin)).status;
    await expect.poll(asAdmin, { timeout: 20_000 }).toBe(401);
    const now = await bearer("admin");
    const late = await app.call("DELETE", `/users/${customer.id}?confirm=${impact.body.confirm}`, null, undefined, now);
    expect([late.status, late.body.code]).toEqual([409, "confirmation_required"]);
    const soon = new Date(Date.now() + 86_400_000).toISOString();
    expect((await app.call("GET", `/drinks?as_of=${soon}`, null)).status).toBe(200);
  });
});
