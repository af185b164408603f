import { afterAll, beforeAll, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { type RunningApplication, startApplication } from "../../src/gesta.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

/** Two applications on one database; the second stands behind a proxy. */
let first: TestApplication;
let second: RunningApplication;

beforeAll(async () => {
  first = await runDelivery("postgres");
  const configuration = { ...first.around.configuration, trustedProxies: 1, sessionHours: 2 };
  second = await startApplication(delivery, { ...first.around, configuration });
});
afterAll(async () => {
  await second.close();
  await first.stop();
});

const at = ({ url }: { readonly url: string }, method: string, path: string, token: string) =>
  fetch(`${url}${path}`, { method, headers: { authorization: `Bearer ${token}` } });

function attempt({ url }: { readonly url: string }, email: string, password: string, headers = {}) {
  const body = JSON.stringify({ email, password });
  return fetch(`${url}/sessions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
}

async function signIn(name: string): Promise<string> {
  const reply = await attempt(first.running, `${name}@example.com`, `${name}-password`);
  expect(reply.status).toBe(201);
  return String(JSON.parse(await reply.text()).token);
}

test("what one process ends is over in the other, at once", async () => {
  const token = await signIn("customer1");
  const { body: made } = await first.call("POST", "/api_keys", "customer1", { name: "report" });
  const key = String(made.key);
  for (const held of [token, key]) {
    for (const application of [first.running, second]) {
      expect((await at(application, "GET", "/users/me", held)).status).toBe(200);
    }
  }
  expect((await at(first.running, "DELETE", "/sessions/current", token)).status).toBe(204);
  expect((await at(second, "GET", "/users/me", token)).status).toBe(401);
  expect((await first.call("DELETE", `/api_keys/${made.id}`, "customer1")).status).toBe(204);
  expect((await at(second, "GET", "/users/me", key)).status).toBe(401);
});

test("30 wrong passwords at once through both processes: ten are looked at", async () => {
  const replies = await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      attempt(index % 2 === 0 ? first.running : second, "customer2@example.com", `wrong ${index}`),
    ),
  );
  const statuses = replies.map(({ status }) => status).sort();
  expect(statuses).toEqual([...Array.from({ length: 10 }, () => 401), ...Array.from({ length: 20 }, () => 429)]);
  for (const reply of replies) {
    if (reply.status === 429) expect(Number(reply.headers.get("retry-after"))).toBeGreaterThan(0);
  }
});

test("sessions opened and keys made while the password changes are over once it has", async () => {
  const email = "staff1@example.com";
  const tokens = await Promise.all(Array.from({ length: 4 }, () => signIn("staff1")));
  const { body: me } = await first.call("GET", "/users/me", "staff1");
  const [changed, ...opened] = await Promise.all([
    first.call("PATCH", `/users/${me.id}/password`, "staff1", {
      password: "another password",
      current_password: "staff1-password",
    }),
    ...Array.from({ length: 4 }, () => attempt(second, email, "staff1-password")),
  ]);
  const made = await Promise.all(
    tokens.map((token) =>
      fetch(`${second.url}/api_keys`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/x-www-form-urlencoded" },
        body: "name=late",
      }),
    ),
  );
  expect([changed.status, made.map(({ status }) => status)]).toEqual([200, [401, 401, 401, 401]]);
  const late = await Promise.all(
    opened.filter(({ status }) => status === 201).map(async (reply) => String(JSON.parse(await reply.text()).token)),
  );
  for (const token of [...tokens, ...late]) {
    expect((await at(second, "GET", "/users/me", token)).status).toBe(401);
  }
});

test("behind a proxy that speaks TLS the cookie is for TLS and this host alone", async () => {
  const headers = { "x-forwarded-proto": "https", "x-forwarded-host": "shop.example", "x-forwarded-for": "192.0.2.1" };
  const reply = await attempt(second, "customer1@example.com", "customer1-password", {
    ...headers,
    origin: "https://shop.example",
  });
  const cookie = reply.headers.get("set-cookie") ?? "";
  const attributes = "; Path=/; HttpOnly; SameSite=Strict; Max-Age=7200; Secure";
  expect([reply.status, cookie.slice(0, 24), cookie.slice(-attributes.length)]).toEqual([
    ...[201, "__Host-gesta_session=gs_", attributes],
  ]);
  const [pair = ""] = cookie.split(";");
  const get = (sent: Readonly<Record<string, string>>) => fetch(`${second.url}/sessions`, { headers: sent });
  const list = await get({ ...headers, cookie: pair });
  expect(list.status).toBe(200);
  expect(JSON.parse(await list.text()).sessions.at(-1)).toMatchObject({ address: "192.0.2.1", current: true });
  // The name for plain HTTP is one that any neighbour could plant.
  expect((await get({ ...headers, cookie: pair.replace("__Host-", "") })).status).toBe(401);
  const write = { method: "POST", headers: { ...headers, cookie: pair, origin: "https://shop.example" } };
  expect((await fetch(`${second.url}/drinks`, write)).status).toBe(422);
  const foreign = { ...write, headers: { ...write.headers, origin: "http://shop.example" } };
  expect((await fetch(`${second.url}/drinks`, foreign)).status).toBe(403);
});

test("without a proxy nobody chooses an address", async () => {
  const headers = { "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https" };
  const reply = await attempt(first.running, "customer3@example.com", "customer3-password", headers);
  expect(reply.headers.get("set-cookie")).toMatch(/^gesta_session=/);
  const list = await at(first.running, "GET", "/sessions", String(JSON.parse(await reply.text()).token));
  expect(JSON.parse(await list.text()).sessions.at(-1).address).toBe("127.0.0.1");
});
