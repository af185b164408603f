import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { act } from "../../src/declare/action.ts";
import { application } from "../../src/declare/application.ts";
import { entity } from "../../src/declare/entity.ts";
import { money, reference, text } from "../../src/declare/field.ts";
import { one } from "../../src/declare/need.ts";
import { anyone, nobody } from "../../src/declare/policy.ts";
import { workflow } from "../../src/declare/workflow.ts";
import { type RunningApplication, startApplication } from "../../src/gesta.ts";
import { readConfiguration } from "../../src/kernel/configuration.ts";
import { silent } from "../../src/kernel/observation.ts";
import { verifyApplication } from "../../src/operations.ts";
import { freshDatabase } from "../support/fresh-database.ts";

const boxes = entity(
  "boxes",
  {
    fields: { name: text({ max: 20 }), held: money({ min: 0, default: 0 }) },
    lifecycle: workflow({ initial: "open", states: { open: { on: { put: "open", take: "open" } } } }),
    read: anyone,
  },
  ({ creates, moves }) => ({
    make: creates("BoxMade", { by: anyone }),
    put: moves("PutIn", {
      by: nobody,
      input: { amount: money({ above: 0 }) },
      sets: ["held"],
      decide: ({ state, input }) => ({ held: state.held + input.amount }),
    }),
    take: moves("TakenOut", {
      by: nobody,
      input: { amount: money({ above: 0 }) },
      sets: ["held"],
      decide: ({ state, input, conflict }) =>
        state.held < input.amount ? conflict("insufficient_funds") : { held: state.held - input.amount },
    }),
  }),
);

const moves = entity(
  "moves",
  {
    fields: {
      from_id: reference("boxes", { setBy: "create" }),
      to_id: reference("boxes", { setBy: "create" }),
      amount: money({ setBy: "create", above: 0 }),
    },
    read: anyone,
  },
  ({ creates }) => ({
    make: creates("Moved", {
      by: anyone,
      demandsKey: true,
      needs: ({ input }) => ({ from: one(boxes, input.from_id) }),
      decide: ({ input, refuse }) =>
        input.from_id === input.to_id ? refuse({ pointer: "/to_id", code: "invalid" }) : {},
      effects: ({ input }) => [
        act(boxes, input.from_id, "take", { amount: input.amount }),
        act(boxes, input.to_id, "put", { amount: input.amount }),
      ],
    }),
  }),
);

const declared = application("boxes", { entities: [boxes, moves] });

interface Box {
  readonly id: string;
  readonly held: number;
  readonly version: number;
}

describe.each(["pglite", "postgres"] as const)("effects on other records, on %s", (engine) => {
  const directory = mkdtempSync(join(tmpdir(), "gesta-effects-"));
  const secret = "the secret of the tests, long enough";
  let running: RunningApplication;
  let stop: () => Promise<void>;
  let around: Parameters<typeof startApplication>[1];
  beforeAll(async () => {
    const database = engine === "postgres" ? await freshDatabase() : null;
    const place = database === null ? { GESTA_DATA: directory } : { DATABASE_URL: database.url };
    const environment = { PORT: "0", HOST: "127.0.0.1", GESTA_JWT_SECRET: secret, ...place };
    around = { configuration: readConfiguration(environment, () => ""), secret, observe: silent };
    running = await startApplication(declared, around);
    stop = async () => {
      await running.close();
      const report = await verifyApplication(declared, around);
      await database?.drop();
      rmSync(directory, { recursive: true, force: true });
      expect(report.findings).toEqual([]);
    };
  });
  afterAll(() => stop());

  const post = async (path: string, body: object, headers: Readonly<Record<string, string>> = {}) => {
    const reply = await fetch(`${running.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
    return { status: reply.status, body: JSON.parse(await reply.text()) };
  };
  const box = async (held: number): Promise<string> => (await post("/boxes", { name: "box", held })).body.id;
  const look = async (id: string): Promise<Box> => JSON.parse(await (await fetch(`${running.url}/boxes/${id}`)).text());
  let used = 0;
  const move = (
    from_id: string,
    to_id: string,
    amount: number,
    key = `a key of the tests ${used++}`.replaceAll(" ", "-"),
  ) => post("/moves", { from_id, to_id, amount }, { "idempotency-key": key });

  test("happen with the action, once, also when it is sent again", async () => {
    const [from, to] = [await box(10), await box(0)];
    const replies = [
      await move(from, to, 4, "the-same-key-each-time"),
      await move(from, to, 4, "the-same-key-each-time"),
    ];
    expect(replies.map(({ status }) => status)).toEqual([201, 201]);
    expect(replies[1]).toEqual(replies[0]);
    expect([(await look(from)).held, (await look(to)).held]).toEqual([6, 4]);
  });

  test("take the action down with them when one declines", async () => {
    const [from, to] = [await box(3), await box(0)];
    const reply = await move(from, to, 4);
    expect([reply.status, reply.body.code]).toEqual([409, "insufficient_funds"]);
    expect([(await look(from)).version, (await look(to)).version]).toEqual([1, 1]);
  });

  test("are no one's to ask for, and the action demands its key", async () => {
    const id = await box(1);
    expect((await post(`/boxes/${id}/put`, { amount: 1 })).status).toBe(404);
    const bare = await post("/moves", { from_id: id, to_id: id, amount: 1 });
    expect([bare.status, bare.body.code]).toEqual([400, "idempotency_key_required"]);
    expect((await move(id, id, 1)).body.errors).toMatchObject([{ pointer: "/to_id" }]);
  });

  // Concurrency is a matter for the server.
  if (engine === "pglite") return;
  test("keep the total when many move at once, and nothing below zero", async () => {
    const ids = await Promise.all(Array.from({ length: 6 }, () => box(20)));
    const pick = (n: number) => ids[n % ids.length] ?? "";
    const replies = await Promise.all(
      Array.from({ length: 300 }, (_, n) => move(pick(n * 7), pick(n * 7 + 1 + (n % 5)), 1 + (n % 13))),
    );
    for (const { status } of replies) expect([201, 409]).toContain(status);
    expect(replies.filter(({ status }) => status === 201).length).toBeGreaterThan(0);
    const held = await Promise.all(ids.map(async (id) => (await look(id)).held));
    expect(Math.min(...held)).toBeGreaterThanOrEqual(0);
    expect(held.reduce((sum, each) => sum + each, 0)).toBe(120);
  });
});
