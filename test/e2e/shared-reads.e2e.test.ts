import { afterAll, beforeAll, expect, test } from "vitest";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

/** Equal lists that wait at the same moment are asked of the database once: of the same caller, and never of the past. */
let app: TestApplication;
beforeAll(async () => {
  app = await runDelivery("postgres");
});
afterAll(() => app?.stop());

interface Shown {
  readonly id: unknown;
  readonly user_id: unknown;
}

const listed = (body: Readonly<Record<string, unknown>>, name: string) => body[name] as readonly Shown[]; // a list's envelope

test("whoever created a record finds it in the list that all others ask for as well", async () => {
  const write = async (nth: number) => {
    for (let round = 0; round < 20; round++) {
      const made = await app.call("POST", "/drinks", null, { name: `drink ${nth}`, price: round });
      const { body } = await app.call("GET", "/drinks?sort=-id&limit=1000");
      expect(made.status).toBe(201);
      expect(listed(body, "drinks").map(({ id }) => id)).toContain(made.body.id);
    }
  };
  await Promise.all(Array.from({ length: 32 }, (_, nth) => write(nth)));
});

test("callers who ask for the same list at the same moment get each their own", async () => {
  const names = ["customer1", "customer2", "customer3"];
  const people = await Promise.all(
    names.map(async (name) => ({ name, id: (await app.call("GET", "/users/me", name)).body.id })),
  );
  const paths = ["/orders?limit=50", "/orders?limit=50&sort=-created_at"];
  const asks = people.flatMap((person) => paths.map((path) => ({ ...person, path })));
  for (let round = 0; round < 10; round++) {
    const replies = Array.from({ length: 60 }, async (_, nth) => {
      const { name, id, path } = asks[nth % asks.length] ?? { name: "", id: "", path: "" };
      const orders = listed((await app.call("GET", path, name)).body, "orders");
      expect(orders.length).toBeGreaterThan(0);
      expect(orders.filter(({ user_id }) => user_id !== id)).toEqual([]);
    });
    await Promise.all(replies);
  }
});
