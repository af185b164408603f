import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import delivery from "../../examples/delivery/application.ts";
import type { Application } from "../../src/declare/application.ts";
import { type RunningApplication, type Surroundings, startApplication } from "../../src/gesta.ts";
import { readConfiguration } from "../../src/kernel/configuration.ts";
import { silent } from "../../src/kernel/observation.ts";
import { seededToken } from "../../src/operations.ts";
import { freshDatabase } from "./fresh-database.ts";

export const engines = ["pglite", "postgres"] as const;
export type EngineName = (typeof engines)[number];

const secret = "the secret of the tests, long enough";

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body read as JSON; an empty object when there is none. */
  // Tests reach into replies freely; a wrong path fails the expectation.
  readonly body: Readonly<Record<string, unknown>> & { readonly id: string };
}

/** A delivery application that runs for a test, on either engine. */
export interface TestApplication {
  readonly running: RunningApplication;
  readonly around: Surroundings;
  /** Superuser URL, on PostgreSQL. */
  readonly databaseUrl: string | null;
  call(
    method: string,
    path: string,
    who?: string | null,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Reply>;
  /** Deletes a record with the confirmation that its impact gives. */
  remove(path: string, who: string): Promise<Reply>;
  token(name: string): Promise<string>;
  stop(): Promise<void>;
}

/** Starts delivery, sown, on a free port. */
export const runDelivery = (engine: EngineName): Promise<TestApplication> => runApplication(delivery, engine);

/** Starts an application, sown, on a free port. */
export async function runApplication(declared: Application, engine: EngineName): Promise<TestApplication> {
  const directory = mkdtempSync(join(tmpdir(), "gesta-test-"));
  const database = engine === "postgres" ? await freshDatabase() : null;
  const configuration = readConfiguration(
    {
      PORT: "0",
      HOST: "127.0.0.1",
      GESTA_DATA: directory,
      GESTA_JWT_SECRET: secret,
      ...(database === null ? {} : { DATABASE_URL: database.url }),
    },
    () => "",
  );
  const around: Surroundings = { configuration, secret, observe: silent };
  const running = await startApplication(declared, around);
  const token = (name: string) => seededToken(declared, name, secret);
  const call: TestApplication["call"] = async (method, path, who = null, body, headers = {}) => {
    const reply = await fetch(`${running.url}${path}`, {
      method,
      headers: {
        ...(who === null ? {} : { authorization: `Bearer ${await token(who)}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await reply.text();
    const json = text !== "" && reply.headers.get("content-type")?.includes("json") ? JSON.parse(text) : {};
    return { status: reply.status, headers: reply.headers, text, body: json };
  };
  return {
    running,
    around,
    databaseUrl: database?.url ?? null,
    token,
    call,
    async remove(path, who) {
      const impact = await call("GET", `${path}/impact?action=delete`, who);
      const { confirm } = impact.body;
      return call("DELETE", typeof confirm === "string" ? `${path}?confirm=${confirm}` : path, who);
    },
    async stop() {
      await running.close();
      await database?.drop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
