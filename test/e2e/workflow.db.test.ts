import { type SpawnSyncReturns, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as streamText } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import source from "../../examples/delivery/order.workflow.json" with { type: "json" };
import { seedId } from "../../src/declare/application.ts";
import type { WorkflowSource } from "../../src/declare/workflow.ts";
import { startApplication } from "../../src/gesta.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

const items = [{ menu_item_id: seedId("menu_items", "100"), quantity: 1 }];
const order = { restaurant_id: seedId("restaurants", "1"), items };
const declared: WorkflowSource = source;

/** The declared workflow with some states written anew; `null` leaves one out. */
const workflowWith = (changes: Readonly<Record<string, WorkflowSource["states"][string] | null>>): WorkflowSource => ({
  ...declared,
  states: Object.fromEntries(
    Object.entries({ ...declared.states, ...changes }).flatMap(([name, state]) =>
      state === null ? [] : [[name, state]],
    ),
  ),
});
const withoutCancelWhileCooking = workflowWith({ cooking: { on: { status: "on_way" } } });

/** `gesta workflow …`, the built program, while the application of the test runs. */
describe("a workflow that an operator changes while the application runs", () => {
  let app: TestApplication;
  let client: pg.Client;
  let directory: string;
  beforeAll(async () => {
    app = await runDelivery("postgres");
    client = new pg.Client({ connectionString: app.databaseUrl ?? "" });
    await client.connect();
    directory = mkdtempSync(join(tmpdir(), "gesta-workflow-"));
  });
  afterAll(async () => {
    await client.end();
    await app.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  async function gesta(
    ...words: readonly string[]
  ): Promise<Pick<SpawnSyncReturns<string>, "status" | "stdout" | "stderr">> {
    const env = { ...process.env, DATABASE_URL: app.databaseUrl ?? "", GESTA_DATA: directory };
    const child = spawn(process.execPath, ["bin/gesta.js", "workflow", ...words], { env });
    const said = Promise.all([streamText(child.stdout), streamText(child.stderr)]);
    const [status] = await once(child, "exit");
    const [stdout, stderr] = await said;
    return { status, stdout, stderr };
  }

  /** Applies a workflow, or a text that is none. */
  async function apply(value: unknown, ...more: readonly string[]) {
    const path = join(directory, "order.workflow.json");
    writeFileSync(path, typeof value === "string" ? value : JSON.stringify(value));
    return gesta("apply", path, ...more);
  }

  async function orderIn(state: "pending_payment" | "accepted" | "cooking"): Promise<string> {
    const placed = await app.call("POST", "/orders", "customer1", order);
    const at = `/orders/${placed.body.id}`;
    if (state !== "pending_payment") await app.call("POST", `${at}/confirm-payment`, "customer1");
    if (state === "cooking") await app.call("POST", `${at}/status`, "staff1", { status: "cooking" });
    return placed.body.id;
  }

  /** As the application's role, past all of Gesta's own checks. */
  async function writePlainly(command: object): Promise<unknown> {
    const plain = new pg.Client({ connectionString: app.databaseUrl ?? "", options: "-c role=gesta_app" });
    await plain.connect();
    try {
      const { rows } = await plain.query("select app.write_orders($1::jsonb) as answer", [JSON.stringify([command])]);
      return rows[0].answer;
    } finally {
      await plain.end();
    }
  }

  test("is in force at once for every process, for plain SQL and for orders already under way", async () => {
    const other = await startApplication(delivery, app.around);
    try {
      const id = await orderIn("cooking");
      const before = await app.call("POST", `/orders/${id}/status`, "staff1", { status: "delivered" });
      expect(before.body.allowed_actions).toEqual(["cancel", "status"]);

      const applied = await apply(withoutCancelWhileCooking, "--reason", "food is not thrown away");
      expect(applied).toEqual({
        status: 0,
        stdout: "orders: version 2 is in force\n  - cancel: cooking → cancelled\n",
        stderr: "",
      });

      const refused = await app.call("POST", `/orders/${id}/cancel`, "customer1");
      expect(refused.status).toBe(409);
      expect(refused.body).toMatchObject({
        code: "transition_not_allowed",
        status_now: "cooking",
        allowed_actions: [],
      });
      const asStaff = await app.call("POST", `/orders/${id}/cancel`, "staff1");
      expect(asStaff.body.allowed_actions).toEqual(["status"]);
      const elsewhere = await fetch(`${other.url}/orders/${id}/cancel`, {
        method: "POST",
        headers: { authorization: `Bearer ${await app.token("staff1")}` },
      });
      expect([elsewhere.status, JSON.parse(await elsewhere.text()).allowed_actions]).toEqual([409, ["status"]]);
      const command = { action: "cancel", id, version: 3, to: "cancelled", type: "OrderCancelled", secrets: {} };
      expect(await writePlainly({ ...command, actor: seedId("users", "customer1"), set: {} })).toBe(
        "transition_not_allowed cooking",
      );

      const back = await apply(declared);
      expect(back.stdout).toBe("orders: version 3 is in force\n  + cancel: cooking → cancelled\n");
      expect((await apply(declared)).stdout).toBe("orders: version 3 is in force already, nothing has changed\n");
      expect((await app.call("POST", `/orders/${id}/cancel`, "customer1")).body.status).toBe("cancelled");
    } finally {
      await other.close();
    }
  });

  test("tells every version that was in force, when, and who put it there", async () => {
    const { status, stdout } = await gesta("history", "orders");
    expect(status).toBe(0);
    const login = new URL(app.databaseUrl ?? "").username;
    const lines = stdout.trimEnd().split("\n");
    const moment = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;
    expect(lines.map((line) => line.replace(new RegExp(moment), "<moment>"))).toEqual([
      `3  <moment>  operator  ${login}`,
      `2  <moment>  operator  ${login}  food is not thrown away`,
      `1  <moment>  declaration  ${login}`,
    ]);
  });

  test("is shown as it is in force, and as it is declared", async () => {
    await apply(withoutCancelWhileCooking);
    const shown = await gesta("show", "orders", "--format", "json");
    expect([shown.status, JSON.parse(shown.stdout)]).toEqual([0, withoutCancelWhileCooking]);
    expect((await gesta("show", "orders", "--format", "mermaid")).stdout).not.toContain("cooking --> cancelled");
    const asDeclared = await gesta("show", "orders", "--declared", "--format", "mermaid");
    expect(asDeclared.stdout).toContain("cooking --> cancelled: cancel");
    expect((await gesta("show", "orders")).stdout).toMatch(/^from +action +to\n/);
    await apply(declared);
  });

  test("is refused with the number of live records that it would strand, and then nothing changes", async () => {
    await orderIn("cooking");
    const { rows } = await client.query(
      "select status, count(*)::int as n from app.orders where deleted_at is null and status in ('new', 'cooking') group by 1 order by 1",
    );
    const counts: Readonly<Record<string, number>> = Object.fromEntries(rows.map(({ status, n }) => [status, n]));
    const leavingOut = workflowWith({
      pending_payment: { on: { confirm_payment: "accepted", cancel: "cancelled" } },
      new: null,
      accepted: { on: { status: "on_way", cancel: "cancelled" } },
      cooking: null,
    });
    const refused = await apply(leavingOut);
    expect(refused.status).toBe(1);
    expect(refused.stdout).toBe("");
    expect(refused.stderr).toContain(`${(counts.new ?? 0) + (counts.cooking ?? 0)} live record(s) of 'orders'`);
    expect(refused.stderr).toContain(`new: ${counts.new}\n`);
    expect(refused.stderr).toContain(`cooking: ${counts.cooking}\n`);
    expect(JSON.parse((await gesta("show", "orders", "--format", "json")).stdout)).toEqual(declared);
  });

  test("is refused with all its faults at once; what cannot be tried at all exits with 2", async () => {
    const faulty = workflowWith({ new: { on: { statuss: "accepted" } }, cooking: { on: { status: "on_the_way" } } });
    const refused = await apply(faulty);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toBe(
      "gesta: The workflow for 'orders' has 2 fault(s):\n" +
        "  states.new.on.statuss: no action 'statuss' that moves orders; did you mean 'status'?\n" +
        "  states.cooking.on.status: no state 'on_the_way'; use one of: pending_payment, new, accepted, cooking, on_way, delivered, cancelled\n",
    );
    const twice = await apply('{ "initial": "new", "initial": "new" }', "--entity", "orders");
    expect([twice.status, twice.stderr]).toEqual([1, expect.stringContaining("order.workflow.json: ")]);
    const missing = await gesta("apply", join(directory, "none.json"));
    expect([missing.status, missing.stderr]).toEqual([2, expect.stringContaining("none.json")]);
    const unknown = await gesta("show", "ordrs");
    expect([unknown.status, unknown.stderr]).toEqual([2, expect.stringContaining("did you mean 'orders'?")]);
    const format = await gesta("show", "orders", "--format", "svg");
    expect([format.status, format.stderr]).toEqual([2, expect.stringContaining("mermaid, table, xstate, json")]);
  });

  test("changes by no other way, not even a superuser's", async () => {
    for (const text of [
      "insert into gesta.workflow values ('orders', 'status', 'new', 'delivered')",
      "delete from gesta.workflow",
      "truncate gesta.workflow",
      "update gesta.workflow_versions set version = version",
      "delete from gesta.workflow_versions",
      "truncate gesta.workflow_versions",
    ])
      await expect(client.query(text), text).rejects.toMatchObject({ code: "42501" });
    const names = [
      "select gesta.put_workflow('orders', '{}', '{}', 'operator', null)",
      "table gesta.workflow_versions",
    ];
    await client.query("set role gesta_app");
    for (const text of names) await expect(client.query(text), text).rejects.toMatchObject({ code: "42501" });
    await client.query("reset role");
  });

  test("lets no order that is in flight go a way that is no longer in force", async () => {
    let going = true;
    const cook = async () => {
      while (going) {
        const id = await orderIn("cooking");
        const reply = await app.call("POST", `/orders/${id}/cancel`, "customer1");
        expect([200, 409]).toContain(reply.status);
        if (reply.status === 409) expect(reply.body).toMatchObject({ status_now: "cooking", allowed_actions: [] });
      }
    };
    const cooks = Promise.all(Array.from({ length: 8 }, cook));
    for (let round = 0; round < 2; round++) {
      expect((await apply(withoutCancelWhileCooking)).status).toBe(0);
      expect((await apply(declared)).status).toBe(0);
    }
    going = false;
    await cooks;
    // Each event against the workflow that was in force at its time.
    const { rows } = await client.query(
      `with moves as (
         select e.at, e.action, e.data->>'status' as after, e.stream_id,
                lag(e.data->>'status') over (partition by e.stream_id order by e.version) as before
           from gesta.events e where e.entity = 'orders' and e.data ? 'status'
       )
       select m.before, m.action, m.after, v.version,
              (v.source::jsonb #> array['states', m.before, 'on', m.action]) ? m.after as allowed
         from moves m
         cross join lateral (select w.* from gesta.workflow_versions w
           where w.entity = 'orders' and w.changed_at <= m.at order by w.version desc limit 1) v
        where m.before is not null`,
    );
    expect(rows.filter(({ allowed }) => allowed !== true)).toEqual([]);
    const cancelled = rows.filter(({ before, action }) => before === "cooking" && action === "cancel");
    expect(cancelled.length).toBeGreaterThan(0);
  });

  describe("and an order that is on its way into a state that goes", () => {
    const withoutNew = workflowWith({
      pending_payment: { on: { confirm_payment: "accepted", cancel: "cancelled" } },
      new: null,
    });
    const entering = (id: string) => ({
      ...{ action: "confirm_payment", id, version: 1, to: "new", type: "PaymentConfirmed", set: {}, secrets: {} },
      actor: seedId("users", "customer1"),
    });
    const waiting = async () => {
      const text =
        "select from pg_locks l join pg_database d on d.oid = l.database where not l.granted and d.datname = current_database()";
      while ((await client.query(text)).rowCount === 0) await pause(10);
    };
    const ordersIn = async (state: string): Promise<number> => {
      const text = "select count(*)::int as n from app.orders where status = $1 and deleted_at is null";
      return (await client.query(text, [state])).rows[0].n;
    };

    test("the change waits for the order and is refused for its sake", async () => {
      const before = await ordersIn("new");
      const id = await orderIn("pending_payment");
      const writer = new pg.Client({ connectionString: app.databaseUrl ?? "" });
      await writer.connect();
      await writer.query("begin");
      const { rows } = await writer.query("select app.write_orders($1) as answer", [JSON.stringify([entering(id)])]);
      expect(rows[0].answer).toMatch(/^done 2 /);
      const applying = apply(withoutNew);
      await waiting();
      await writer.query("commit");
      await writer.end();
      expect(await applying).toMatchObject({ status: 1, stderr: expect.stringContaining(`new: ${before + 1}\n`) });
    });

    test("the order waits for the change and may not go there any more", async () => {
      const { rows } = await client.query("select id from app.orders where status = 'new' and deleted_at is null");
      for (const row of rows) await app.call("POST", `/orders/${row.id}/cancel`, "admin");
      const id = await orderIn("pending_payment");
      const operator = new pg.Client({ connectionString: app.databaseUrl ?? "" });
      await operator.connect();
      await operator.query("begin");
      const put = await operator.query("select gesta.put_workflow('orders', $1, $2, 'operator', null) as answer", [
        JSON.stringify(withoutNew),
        JSON.stringify(declared),
      ]);
      expect(put.rows[0].answer).toMatch(/^put /);
      const written = writePlainly(entering(id));
      await waiting();
      await operator.query("commit");
      await operator.end();
      expect(await written).toBe("transition_not_allowed pending_payment");
      expect(await ordersIn("new")).toBe(0);
      expect((await apply(declared)).status).toBe(0);
    });
  });
});
