import { afterEach, describe, expect, test } from "vitest";
import { type RunningApplication, type Surroundings, startApplication } from "../../src/gesta.ts";
import { anyone, application, entity, money, nobody, type Policy, text, workflow } from "../../src/index.ts";
import { readConfiguration } from "../../src/kernel/configuration.ts";
import { silent } from "../../src/kernel/observation.ts";
import { withWorkflows } from "../../src/operations.ts";
import { type FreshDatabase, freshDatabase } from "../support/fresh-database.ts";

type State = "draft" | "sent" | "accepted" | "done";
type Ways = Partial<Record<State, Readonly<Record<string, State>>>>;

const ways: Ways = {
  draft: { send: "sent" },
  sent: { accept: "accepted", send: "sent" },
  accepted: { finish: "done" },
};

const sourceOf = (on: Ways) => ({
  initial: "draft",
  states: {
    draft: { on: { ...on.draft } },
    sent: { on: { ...on.sent } },
    accepted: { on: { ...on.accepted } },
    done: { final: true },
  },
});

/** Offers whose price is frozen from `accepted` on, with some table of transitions. */
const offersWith = (on: Ways, read: Policy<never> = anyone) =>
  application("offers", {
    entities: [
      entity(
        "offers",
        {
          fields: { price: money({ frozenFrom: "accepted" }), note: text({ optional: true }) },
          lifecycle: workflow(sourceOf(on)),
          read,
        },
        ({ creates, updates, moves }) => ({
          make: creates("OfferMade", { by: anyone }),
          update: updates("OfferUpdated", { by: anyone }),
          send: moves("OfferSent", { by: anyone }),
          accept: moves("OfferAccepted", { by: anyone }),
          finish: moves("OfferFinished", { by: anyone }),
        }),
      ),
    ],
  });

const running: RunningApplication[] = [];
let database: FreshDatabase | undefined;
afterEach(async () => {
  for (const one of running.splice(0)) await one.close();
  await database?.drop();
});

async function surroundings(): Promise<Surroundings> {
  database = await freshDatabase();
  const environment = { PORT: "0", HOST: "127.0.0.1", DATABASE_URL: database.url, GESTA_JWT_SECRET: "x".repeat(32) };
  return { configuration: readConfiguration(environment, () => ""), secret: "x".repeat(32), observe: silent };
}

async function started(declared: Parameters<typeof startApplication>[0], around: Surroundings) {
  const one = await startApplication(declared, around);
  running.push(one);
  const call = async (method: string, path: string, body: unknown = {}) => {
    const headers = { "content-type": "application/json" };
    const reply = await fetch(one.url + path, {
      method,
      headers,
      ...(method === "GET" ? {} : { body: JSON.stringify(body) }),
    });
    return { status: reply.status, body: JSON.parse(await reply.text()) };
  };
  return { call, stop: () => one.close() };
}

const inForce = (declared: ReturnType<typeof offersWith>, around: Surroundings) =>
  withWorkflows(declared, around, async (workflows) => {
    const { entity: shown, version } = await workflows.show("offers");
    return { version, ways: shown.lifecycle?.transitions.map(({ action, from, to }) => `${from} ${action} ${to}`) };
  });
const apply = (declared: ReturnType<typeof offersWith>, around: Surroundings, on: Ways) =>
  withWorkflows(declared, around, (workflows) => workflows.apply("offers", sourceOf(on), null));

describe("a restart", () => {
  const recall: Ways = { ...ways, accepted: { finish: "done", send: "sent" } };

  test("with an unchanged workflow leaves in force what an operator applied, also when all else has changed", async () => {
    const around = await surroundings();
    await (await started(offersWith(ways), around)).stop();
    await apply(offersWith(ways), around, recall);
    const before = await inForce(offersWith(ways), around);
    expect(before).toMatchObject({ version: 2, ways: expect.arrayContaining(["accepted send sent"]) });
    await (await started(offersWith(ways), around)).stop();
    // Another policy makes other objects in the database, so all of them are made anew.
    await (await started(offersWith(ways, nobody), around)).stop();
    expect(await inForce(offersWith(ways), around)).toEqual(before);
  });

  test("with a changed workflow puts it in force where only declared ones were", async () => {
    const around = await surroundings();
    await (await started(offersWith(ways), around)).stop();
    await (await started(offersWith(recall), around)).stop();
    expect(await inForce(offersWith(recall), around)).toMatchObject({
      version: 2,
      ways: expect.arrayContaining(["accepted send sent"]),
    });
  });

  test("with a changed workflow is refused where it would displace an operator's, until somebody decides", async () => {
    const around = await surroundings();
    await (await started(offersWith(ways), around)).stop();
    const hurried: Ways = { ...ways, draft: { send: "sent", accept: "accepted" } };
    await apply(offersWith(ways), around, hurried);
    const next = offersWith(recall);
    await expect(startApplication(next, around)).rejects.toMatchObject({
      name: "WorkflowRefused",
      message: expect.stringContaining("gesta workflow apply FILE --entity offers"),
    });
    expect(await inForce(offersWith(ways), around)).toMatchObject({ version: 2 });
    // What was running goes on as it was.
    await (await started(offersWith(ways), around)).stop();

    const both: Ways = { ...recall, ...{ draft: hurried.draft ?? {} } };
    await apply(next, around, both);
    const app = await started(next, around);
    const { body } = await app.call("POST", "/offers", { price: 1 });
    expect((await app.call("POST", `/offers/${body.id}/accept`)).body.status).toBe("accepted");
    expect((await app.call("POST", `/offers/${body.id}/send`)).body.status).toBe("sent");
  });

  test("with what the operator applied taken over into the declaration is no conflict", async () => {
    const around = await surroundings();
    await (await started(offersWith(ways), around)).stop();
    await apply(offersWith(ways), around, recall);
    await (await started(offersWith(recall), around)).stop();
    await (await started(offersWith(ways), around)).stop();
    expect(await inForce(offersWith(ways), around)).toMatchObject({ version: 4 });
  });
});

describe("a field that is frozen from a state on", () => {
  test("changes before it, and in and after it no more, whatever way the record has gone since", async () => {
    const around = await surroundings();
    const app = await started(offersWith(ways), around);
    const { body } = await app.call("POST", "/offers", { price: 1 });
    const at = `/offers/${body.id}`;
    const reprice = async (price: number) => {
      const reply = await app.call("PATCH", at, { price });
      return reply.status === 200 ? reply.body.price : reply;
    };
    const frozenIn = (state: string) => ({
      status: 409,
      body: { code: "transition_not_allowed", status_now: state, errors: [{ pointer: "/price", code: "frozen" }] },
    });
    expect(await reprice(2)).toBe(2);
    await app.call("POST", `${at}/send`);
    expect(await reprice(3)).toBe(3);
    expect((await app.call("POST", `${at}/accept`)).body.status).toBe("accepted");
    expect(await reprice(4)).toMatchObject(frozenIn("accepted"));
    const possible = (await app.call("GET", `${at}/actions`)).body.actions as readonly {
      readonly name: string;
      readonly allowed: boolean;
    }[];
    const allowed_actions = possible.filter(({ allowed }) => allowed).map(({ name }) => name);
    expect(allowed_actions).toContain("update");
    expect(await reprice(4)).toMatchObject({ body: { allowed_actions } });
    expect((await app.call("PATCH", at, { price: 3, note: "kept" })).body).toMatchObject({ price: 3, note: "kept" });
    expect((await app.call("PUT", at, { price: 4, note: "lost" })).status).toBe(409);

    // A way back makes `sent` a state that comes after `accepted`, and then it is taken away again.
    await apply(offersWith(ways), around, { ...ways, accepted: { finish: "done", send: "sent" } });
    const other = await app.call("POST", "/offers", { price: 9 });
    await app.call("POST", `/offers/${other.body.id}/send`);
    expect((await app.call("PATCH", `/offers/${other.body.id}`, { price: 8 })).status).toBe(409);
    expect((await app.call("POST", `${at}/send`)).body.status).toBe("sent");
    await apply(offersWith(ways), around, ways);
    expect((await app.call("PATCH", `/offers/${other.body.id}`, { price: 8 })).body.price).toBe(8);
    expect(await reprice(5)).toMatchObject(frozenIn("sent"));
  });
});
