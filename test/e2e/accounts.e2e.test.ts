import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seedId } from "../../src/declare/application.ts";
import { engines, type Reply, runDelivery, type TestApplication } from "../support/running-application.ts";

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const withCookie = (token: string) => ({ cookie: `gesta_session=${token}` });
const nobody = "01900000-0000-7000-8000-00000000dead";
const user = (name: string) => seedId("users", name);

/** A body without what differs between any two replies. */
const told = ({ status, body: { request_id: _, ...rest } }: Reply) => ({ status, rest });

describe.each(engines)("accounts on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runDelivery(engine);
  });
  afterAll(() => app.stop());

  const attempt = (email: string, password: string, headers = {}) =>
    app.call("POST", "/sessions", null, { email, password }, headers);
  async function signIn(name: string, password = `${name}-password`): Promise<string> {
    const reply = await attempt(`${name}@example.com`, password);
    expect(reply.status, reply.text).toBe(201);
    return String(reply.body.token);
  }
  const as = (token: string, method: string, path: string, body?: unknown) =>
    app.call(method, path, null, body, bearer(token));
  async function makeKey(token: string, scopes?: readonly string[]) {
    const reply = await as(token, "POST", "/api_keys", { name: "report", ...(scopes === undefined ? {} : { scopes }) });
    expect(reply.status, reply.text).toBe(201);
    return { id: String(reply.body.id), key: String(reply.body.key), scopes: reply.body.scopes };
  }
  async function listed(token: string, name: "sessions" | "api_keys"): Promise<readonly Record<string, unknown>[]> {
    const reply = await as(token, "GET", `/${name}`);
    expect(reply.status, reply.text).toBe(200);
    expect(reply.body.page).toEqual({ limit: 100, skip: 0, next: null, total: null });
    // The contract of lists; a wrong shape fails the expectations on it.
    return reply.body[name] as readonly Record<string, unknown>[];
  }
  const currentOf = async (token: string) =>
    String((await listed(token, "sessions")).find(({ current }) => current === true)?.id);
  /** A user of its own, for whoever changes or leaves. */
  async function registered(): Promise<string> {
    const name = `u${randomUUID()}`;
    const body = { name, email: `${name}@example.com`, password: `${name}-password` };
    expect((await app.call("POST", "/users", null, body)).status).toBe(201);
    return name;
  }

  describe("signing in", () => {
    test("gives a token, its end, the user and a cookie; e-mail addresses have no case", async () => {
      const reply = await attempt("Customer1@EXAMPLE.com", "customer1-password");
      expect([reply.status, Object.keys(reply.body)]).toEqual([201, ["token", "expires_at", "user"]]);
      expect(reply.body.token).toMatch(/^gs_[\w-]{43}$/);
      const left = new Date(String(reply.body.expires_at)).getTime() - Date.now();
      expect(Math.round(left / 3_600_000)).toBe(168);
      expect(reply.body.user).toEqual((await app.call("GET", "/users/me", "customer1")).body);
      expect(reply.headers.get("cache-control")).toBe("no-store");
      expect(reply.headers.get("set-cookie")).toBe(
        `gesta_session=${reply.body.token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=604800`,
      );
    });

    test("takes a form, and ignores a cookie that is good for nothing", async () => {
      const form = { "content-type": "application/x-www-form-urlencoded", cookie: "gesta_session=gs_old" };
      const body = "email=customer1%40example.com&password=customer1-password";
      expect((await app.call("POST", "/sessions", null, body, form)).status).toBe(201);
    });

    test("an unknown address, a wrong password and a user who left are told the same", async () => {
      const gone = await registered();
      const token = await signIn(gone);
      const { key } = await makeKey(token);
      expect(
        (await as(token, "POST", `/users/${(await as(token, "GET", "/users/me")).body.id}/deactivate`)).status,
      ).toBe(200);
      const replies = [
        await attempt(`nobody${randomUUID()}@example.com`, "customer1-password"),
        await attempt("customer1@example.com", "not this one"),
        await attempt("customer1@example.com", "x"),
        await attempt(`${gone}@example.com`, `${gone}-password`),
        await attempt(`${gone}@example.com`, "not this one"),
      ];
      expect(replies[0]).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
      for (const reply of replies) expect(told(reply)).toEqual(told(replies[0] ?? reply));
      // Whatever that user still holds is good for nothing, at once.
      for (const held of [token, key]) {
        for (const path of ["/users/me", "/orders", "/sessions", "/api_keys", "/openapi.json"]) {
          expect((await as(held, "GET", path)).status, path).toBe(401);
        }
        expect((await as(held, "DELETE", "/sessions/current")).status).toBe(401);
        expect((await as(held, "POST", "/api_keys", { name: "x" })).status).toBe(401);
      }
    });

    test.each<[unknown, readonly string[]]>([
      [{}, ["/email required", "/password required"]],
      [{ email: "a@b.c", password: "" }, ["/password min_length"]],
      [{ email: "no address", password: "x" }, ["/email format"]],
      [{ email: 1, password: null }, ["/email type", "/password required"]],
      [{ email: "a@b.c", password: "x", pasword: 1 }, ["/pasword unknown_field"]],
      [{ email: "a@b.c", password: "x\0" }, ["/password text"]],
      [[], [" type"]],
      ["null", [" type"]],
    ])("refuses %j", async (body, faults) => {
      const reply = await app.call("POST", "/sessions", null, body);
      const errors = (reply.body.errors ?? []) as readonly { readonly pointer: string; readonly code: string }[]; // of a problem
      expect([reply.status, errors.map(({ pointer, code }) => `${pointer} ${code}`)]).toEqual([422, faults]);
    });

    test("is refused with a bad token, an unknown parameter, another type", async () => {
      const good = { email: "customer1@example.com", password: "customer1-password" };
      const sent = (path: string, headers: Readonly<Record<string, string>>, body: unknown = good) =>
        app.call("POST", path, null, body, headers).then(({ status }) => status);
      expect(await sent("/sessions", bearer("nonsense"))).toBe(401);
      expect(await sent("/sessions?dry=1", {})).toBe(400);
      expect(await sent("/sessions", { "content-type": "text/plain" })).toBe(415);
      expect(await sent("/sessions", {}, '{"email":"a@b.c","email":"a@b.c","password":"x"}')).toBe(400);
    });

    test("twice with one Idempotency-Key opens two sessions: no reply with a secret is kept", async () => {
      const headers = { "idempotency-key": randomUUID() };
      const [one, two] = [
        await attempt("customer1@example.com", "customer1-password", headers),
        await attempt("customer1@example.com", "customer1-password", headers),
      ];
      expect([one.status, two.status, one.body.token === two.body.token]).toEqual([201, 201, false]);
      expect(two.headers.get("idempotency-replayed")).toBeNull();
    });
  });

  describe("sessions", () => {
    test("are listed to their user, without their tokens", async () => {
      const [one, two] = [await signIn("logistician"), await signIn("logistician")];
      const sessions = await listed(two, "sessions");
      expect(sessions.map(({ current }) => current)).toEqual([...sessions.slice(1).map(() => false), true]);
      expect(Object.keys(sessions[0] ?? {})).toEqual([
        ...["id", "created_at", "expires_at", "address", "user_agent", "current"],
      ]);
      expect(sessions.at(-1)).toMatchObject({ address: "127.0.0.1", user_agent: expect.any(String) });
      expect(JSON.stringify(sessions)).not.toMatch(/gs_|hash/);
      const first = await as(one, "GET", "/sessions?limit=1");
      const page = first.body.page as Readonly<Record<string, unknown>>; // the envelope of every list
      expect(first.headers.get("link")).toBe(`</sessions?limit=1&cursor=${page.next}>; rel="next"`);
      const second = await as(one, "GET", `/sessions?limit=1&cursor=${page.next}`);
      expect([first, second].map(({ body }) => (body.sessions as readonly object[]).length)).toEqual([1, 1]);
      expect(second.text).not.toContain(String(sessions[0]?.id));
    });

    test("end at once, again too; those of others are not there", async () => {
      const [mine, other] = [await signIn("manager"), await signIn("manager")];
      const id = await currentOf(other);
      for (const stranger of [await signIn("staff1"), await app.token("staff1")]) {
        expect((await as(stranger, "DELETE", `/sessions/${id}`)).status).toBe(404);
      }
      expect((await as(other, "GET", "/users/me")).status).toBe(200);
      const ended = await as(mine, "DELETE", `/sessions/${id}`);
      expect([ended.status, (await as(mine, "DELETE", `/sessions/${id}`)).status]).toEqual([204, 204]);
      expect((await as(other, "GET", "/users/me")).status).toBe(401);
      for (const none of [nobody, "abc"]) expect((await as(mine, "DELETE", `/sessions/${none}`)).status).toBe(404);
      expect((await app.call("DELETE", `/sessions/${id}`)).status).toBe(401);
      expect((await as(mine, "DELETE", `/sessions/${id}`, { force: true })).status).toBe(422);
    });

    test("the current one ends and takes the cookie along; other callers have none", async () => {
      const token = await signIn("staff2");
      const ended = await app.call("DELETE", "/sessions/current", null, undefined, {
        ...withCookie(token),
        "sec-fetch-site": "same-origin",
      });
      expect([ended.status, ended.headers.get("set-cookie")]).toEqual([
        204,
        "gesta_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0",
      ]);
      expect((await as(token, "GET", "/users/me")).status).toBe(401);
      const { key } = await makeKey(await app.token("staff2"), ["orders:read"]);
      expect((await app.call("DELETE", "/sessions/current", "staff2")).status).toBe(404);
      expect((await as(key, "DELETE", "/sessions/current")).status).toBe(404);
      expect((await app.call("DELETE", "/sessions/current")).status).toBe(401);
    });
  });

  describe("the cookie", () => {
    const drink = { name: "Water", price: 1 };

    test("reads for whoever asks, and writes for pages of this origin alone", async () => {
      const token = await signIn("customer2");
      const cookie = withCookie(token);
      const me = await app.call("GET", "/users/me", null, undefined, { ...cookie, "sec-fetch-site": "cross-site" });
      expect([me.status, me.body.id]).toEqual([200, user("customer2")]);
      const own = new URL(app.running.url).origin;
      for (const proof of [{ "sec-fetch-site": "same-origin" }, { "sec-fetch-site": "none" }, { origin: own }]) {
        const path = `/users/${user("customer2")}/name`;
        const reply = await app.call("PATCH", path, null, { name: "Kim" }, { ...cookie, ...proof });
        expect(reply.status, JSON.stringify(proof)).toBe(200);
      }
    });

    test("20 forms of other sites change nothing", async () => {
      const token = await signIn("customer2");
      const own = new URL(app.running.url);
      const forms: readonly Readonly<Record<string, string>>[] = [
        {},
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
        { "sec-fetch-site": "" },
        { "sec-fetch-site": "SAME-ORIGIN" },
        { "sec-fetch-site": "same-origin, cross-site" },
        { "sec-fetch-site": "cross-site", origin: own.origin },
        { "sec-fetch-site": "same-site", origin: own.origin },
        { origin: "null" },
        { origin: "" },
        { origin: "https://evil.example" },
        { origin: `https://${own.host}` },
        { origin: `http://${own.hostname}` },
        { origin: `http://${own.hostname}:1` },
        { origin: `${own.origin}.evil.example` },
        { origin: `http://evil.example/${own.origin}` },
        { origin: `http://${own.host}@evil.example` },
        { origin: `${own.origin}, http://evil.example` },
        { referer: `${own.origin}/`, "sec-fetch-mode": "navigate" },
        { "x-requested-with": "XMLHttpRequest", "x-forwarded-host": "evil.example", origin: "http://evil.example" },
      ];
      const before = (await app.call("GET", "/drinks?limit=1000")).text;
      for (const [index, headers] of forms.entries()) {
        const type = ["application/x-www-form-urlencoded", "application/json"][index % 2] ?? "";
        const body = type.includes("json") ? drink : "name=Water&price=1";
        const sent = { ...withCookie(token), "content-type": type, ...headers };
        for (const [method, path] of [
          ["POST", "/drinks"],
          ["PUT", "/drinks/1"],
          ["PATCH", "/drinks/1"],
        ] as const) {
          const reply = await app.call(method, path, null, body, sent);
          expect([reply.status, reply.body.code], `${method} ${JSON.stringify(headers)}`).toEqual([403, "forbidden"]);
          expect(reply.body.detail).toContain("Authorization: Bearer");
        }
        const bare = { ...withCookie(token), ...headers };
        for (const path of ["/drinks/1", "/sessions/current", `/sessions/${nobody}`, `/api_keys/${nobody}`]) {
          expect((await app.call("DELETE", path, null, undefined, bare)).status, path).toBe(403);
        }
        expect((await app.call("POST", "/api_keys", null, { name: "x" }, bare)).status).toBe(403);
      }
      expect((await app.call("GET", "/drinks?limit=1000")).text).toBe(before);
      expect((await as(token, "GET", "/users/me")).status).toBe(200);
    });

    test("no other site signs a browser in", async () => {
      for (const headers of [{ "sec-fetch-site": "cross-site" }, { origin: "https://evil.example" }]) {
        const reply = await attempt("customer1@example.com", "customer1-password", headers);
        expect([reply.status, reply.headers.get("set-cookie")]).toEqual([403, null]);
      }
      expect((await attempt("customer1@example.com", "customer1-password", { "sec-fetch-site": "none" })).status).toBe(
        201,
      );
    });

    test("does not count beside an Authorization header, nor twice, nor with another token in it", async () => {
      const token = await signIn("customer2");
      const get = async (headers: Readonly<Record<string, string>>) =>
        (await app.call("GET", "/users/me", null, undefined, headers)).status;
      expect(await get({ ...withCookie(token), ...bearer("nonsense") })).toBe(401);
      const mixed = { ...withCookie(token), authorization: `Bearer ${await app.token("customer3")}` };
      expect((await app.call("GET", "/users/me", null, undefined, mixed)).body.id).toBe(user("customer3"));
      // With a header of its own the request is no browser's doing, so it needs no proof.
      expect((await app.call("POST", "/drinks", null, drink, mixed)).status).toBe(201);
      expect(await get({ cookie: `gesta_session=${token}; gesta_session=gs_other` })).toBe(401);
      expect(await get(withCookie(await app.token("customer2")))).toBe(401);
      expect(await get(withCookie((await makeKey(token)).key))).toBe(401);
      expect(await get({ cookie: `other=1; gesta_session=${token}` })).toBe(200);
      expect(await get({ cookie: `Xgesta_session=${token}` })).toBe(401);
    });
  });

  describe("API keys", () => {
    test("are good for what their user may do, or for less", async () => {
      const token = await signIn("customer1");
      const all = await makeKey(token);
      expect(all.key).toMatch(/^gk_[\w-]{43}$/);
      expect(all.scopes).toEqual(expect.arrayContaining(["orders:read", "orders:cancel", "users:password"]));
      // Nobody learns of the actions of others.
      expect(all.scopes).not.toContain("orders:status");
      expect((await as(all.key, "GET", "/users/me")).body.id).toBe(user("customer1"));

      const narrow = await makeKey(token, ["orders:cancel", "orders:read"]);
      expect(narrow.scopes).toEqual(["orders:read", "orders:cancel"]);
      const orders = await as(narrow.key, "GET", "/orders?limit=1000");
      expect(orders.text).toBe((await app.call("GET", "/orders?limit=1000", "customer1")).text);
      const foreign = seedId("orders", "1");
      expect((await as(narrow.key, "GET", `/orders/${foreign}`)).status).toBe(404);
      const outside: readonly [string, string, unknown?][] = [
        ["GET", "/users/me"],
        ["GET", "/drinks"],
        ["POST", "/orders", {}],
        ["POST", `/orders/${seedId("orders", "0")}/confirm-payment`, {}],
        ["POST", `/orders/${foreign}/status`, { status: "accepted" }],
        ["GET", "/api_keys"],
        ["GET", "/sessions"],
      ];
      for (const [method, path, body] of outside) {
        const reply = await as(narrow.key, method, path, body);
        expect([reply.status, reply.body.code], `${method} ${path}`).toEqual([403, "forbidden"]);
      }
      expect((await as(narrow.key, "GET", "/openapi.json")).status).toBe(200);
      // An action that there is not is wrong, whatever a key is good for.
      const impact = (action: string) =>
        as(narrow.key, "GET", `/orders/${seedId("orders", "0")}/impact?action=${action}`);
      expect([(await impact("canzel")).status, (await impact("confirm_payment")).status]).toEqual([400, 403]);
      const keys = await listed(all.key, "api_keys");
      expect(keys.filter(({ current }) => current === true).map(({ id }) => id)).toEqual([all.id]);
      expect(Object.keys(keys[0] ?? {})).toEqual(["id", "name", "scopes", "created_at", "current"]);
      expect(JSON.stringify(keys)).not.toMatch(/gk_|hash/);
    });

    test.each<[unknown, readonly string[], string?]>([
      [{}, ["/name required"]],
      [{ name: "", scopes: [] }, ["/name min_length", "/scopes min_items"]],
      [{ name: "x", scopes: ["orders:reed"] }, ["/scopes/0 enum"], "orders:read"],
      [{ name: "x", scopes: ["orders:read", "*", 1] }, ["/scopes/1 enum", "/scopes/2 enum"]],
      [{ name: "x", scopes: ["orders:status"] }, ["/scopes/0 enum"]],
      [{ name: "x", key: "gk_mine" }, ["/key unknown_field"]],
      [[1], [" type"]],
    ])("refuse %j", async (body, faults, suggestion) => {
      const reply = await app.call("POST", "/api_keys", "customer1", body);
      const errors = (reply.body.errors ?? []) as readonly Readonly<Record<string, unknown>>[]; // of a problem
      expect([reply.status, errors.map(({ pointer, code }) => `${pointer} ${code}`)]).toEqual([422, faults]);
      if (suggestion !== undefined) expect(errors[0]?.suggestion).toBe(suggestion);
    });

    test("make and end neither keys nor sessions", async () => {
      const token = await signIn("customer3");
      const { id, key } = await makeKey(token);
      const session = await currentOf(token);
      expect((await as(key, "POST", "/api_keys", { name: "another" })).status).toBe(403);
      for (const path of [`/api_keys/${id}`, `/api_keys/${nobody}`, `/sessions/${session}`]) {
        expect((await as(key, "DELETE", path)).status, path).toBe(403);
      }
    });

    test("end at once, again too; those of others are not there", async () => {
      const token = await signIn("customer3");
      const { id, key } = await makeKey(token);
      expect((await app.call("DELETE", `/api_keys/${id}`, "customer2")).status).toBe(404);
      expect((await as(key, "GET", "/users/me")).status).toBe(200);
      expect((await app.call("DELETE", `/api_keys/${id}`, "customer3")).status).toBe(204);
      expect((await as(key, "GET", "/users/me")).status).toBe(401);
      expect((await as(token, "DELETE", `/api_keys/${id}`)).status).toBe(204);
      expect((await listed(token, "api_keys")).map((shown) => shown.id)).not.toContain(id);
      expect((await app.call("POST", "/api_keys", null, { name: "x" })).status).toBe(401);
    });

    test("of the right form that nobody has, or of a wrong one, are 401", async () => {
      const token = await signIn("customer3");
      const { key } = await makeKey(token);
      const swapped = [`gk_${token.slice(3)}`, `gs_${key.slice(3)}`];
      const odd = [...swapped, `gk_${"A".repeat(43)}`, "gk_", "gs_x", `${key}A`, key.slice(0, -1), key.toUpperCase()];
      for (const each of odd) expect((await as(each, "GET", "/drinks")).status, each).toBe(401);
    });
  });

  describe("a new password", () => {
    const change = (path: string, password: string, next: string, headers: Readonly<Record<string, string>>) =>
      app.call("PATCH", path, null, { password: next, current_password: password }, headers);

    test("ends all other sessions and all keys of the user, and nobody else's", async () => {
      const name = await registered();
      const [mine, other, stranger] = [await signIn(name), await signIn(name), await signIn("customer1")];
      const { key } = await makeKey(mine);
      const path = `/users/${(await as(mine, "GET", "/users/me")).body.id}/password`;
      const statuses = async () => {
        const replies = await Promise.all([mine, other, key, stranger].map((held) => as(held, "GET", "/users/me")));
        return replies.map(({ status }) => status);
      };
      const refused = await change(path, "not this one", "a new password", bearer(mine));
      expect([refused.status, await statuses()]).toEqual([422, [200, 200, 200, 200]]);
      const stale = await change(path, `${name}-password`, "a new password", { ...bearer(mine), "if-match": '"9"' });
      expect([stale.status, await statuses()]).toEqual([412, [200, 200, 200, 200]]);
      const changed = await change(path, `${name}-password`, "a new password", bearer(mine));
      expect([changed.status, await statuses()]).toEqual([200, [200, 401, 401, 200]]);
      expect((await attempt(`${name}@example.com`, `${name}-password`)).status).toBe(401);
      expect(await listed(mine, "sessions")).toHaveLength(1);
      expect(await listed(mine, "api_keys")).toEqual([]);
      // Another change of the same user ends nothing.
      const again = await signIn(name, "a new password");
      await as(again, "PATCH", path.replace("password", "name"), { name: "Kim" });
      expect(await listed(mine, "sessions")).toHaveLength(2);
    });

    test("that came with a key or a JWT ends all of them", async () => {
      const name = await registered();
      const token = await signIn(name);
      const { key } = await makeKey(token, ["users:password"]);
      const path = `/users/${(await as(token, "GET", "/users/me")).body.id}/password`;
      expect((await change(path, `${name}-password`, "a new password", bearer(key))).status).toBe(200);
      for (const held of [token, key]) expect((await as(held, "GET", "/drinks")).status).toBe(401);

      const jwt = await app.token("staff1");
      const session = await signIn("staff1");
      const next = { password: "staff1-password", current_password: "staff1-password" };
      const reply = await app.call("PATCH", `/users/${user("staff1")}/password`, null, next, bearer(jwt));
      expect(reply.status).toBe(200);
      expect([(await as(session, "GET", "/users/me")).status, (await as(jwt, "GET", "/users/me")).status]).toEqual([
        401, 200,
      ]);
    });
  });

  test("ten failures a minute are an account's, however it is spelt, and the right password waits as well", async () => {
    const name = await registered();
    // What succeeds does not count.
    for (let times = 0; times < 11; times++) await signIn(name);
    for (const email of [`${name}@example.com`, `nobody${randomUUID()}@example.com`]) {
      const statuses: number[] = [];
      for (let times = 0; times < 10; times++) {
        statuses.push((await attempt(times % 2 === 0 ? email : email.toUpperCase(), "not this one")).status);
      }
      expect(statuses).toEqual(Array.from({ length: 10 }, () => 401));
      const refused = await attempt(email, `${name}-password`);
      expect(refused).toMatchObject({ status: 429, body: { code: "rate_limited" } });
      expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(Number(refused.headers.get("retry-after"))).toBeLessThanOrEqual(60);
    }
    expect((await attempt("customer1@example.com", "customer1-password")).status).toBe(201);
  });
});
