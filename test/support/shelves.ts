import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crud } from "../../src/declare/action.ts";
import { application } from "../../src/declare/application.ts";
import { entity } from "../../src/declare/entity.ts";
import { list, reference, text } from "../../src/declare/field.ts";
import { anyone } from "../../src/declare/policy.ts";
import { startApplication } from "../../src/gesta.ts";
import type { Clock } from "../../src/kernel/clock.ts";
import { readConfiguration } from "../../src/kernel/configuration.ts";
import { silent } from "../../src/kernel/observation.ts";
import { verifyApplication } from "../../src/operations.ts";
import { freshDatabase } from "./fresh-database.ts";
import type { EngineName } from "./running-application.ts";

const name = text({ min: 1, max: 50, unique: true });

/** Folders hold folders and notes, notes may point to other notes, seals keep a note from being deleted. */
const folders = entity(
  "folders",
  { fields: { name, parent_id: reference("folders", { optional: true, onDelete: "cascade" }) }, read: anyone },
  crud({ by: anyone }),
);
const notes = entity(
  "notes",
  {
    id: "serial",
    fields: {
      name,
      folder_id: reference("folders", { optional: true, onDelete: "cascade" }),
      next_id: reference("notes", { optional: true, onDelete: "detach" }),
      seen_ids: list(reference("notes", { onDelete: "detach" }), { max: 3 }),
    },
    read: anyone,
    detachEvent: "NoteUnlinked",
  },
  crud({ by: anyone }),
);
const seals = entity(
  "seals",
  { fields: { note_id: reference("notes", { onDelete: "restrict" }) }, read: anyone },
  crud({ by: anyone }),
);
/** Two that cannot be without each other. */
const left = entity(
  "lefts",
  { fields: { right_id: reference("rights", { optional: true, onDelete: "cascade" }) }, read: anyone },
  crud({ by: anyone }),
);
const right = entity(
  "rights",
  { fields: { left_id: reference("lefts", { optional: true, onDelete: "cascade" }) }, read: anyone },
  crud({ by: anyone }),
);
const papers = entity("papers", { fields: { name: text({ max: 50 }) }, read: anyone }, ({ creates, deletes }) => ({
  create: creates("PaperMade", { by: anyone }),
  shred: deletes("PaperShredded", { by: anyone, confirm: true, wait: "2 hours" }),
}));

export const shelves = application("shelves", { entities: [folders, notes, seals, left, right, papers] });

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Shelves {
  readonly databaseUrl: string | null;
  readonly around: Parameters<typeof startApplication>[1];
  call(method: string, path: string, body?: object): Promise<Answer>;
  /** Posts a record. @returns its id */
  made(path: string, body: object): Promise<string>;
  /** Compares all records with their events. */
  findings(): Promise<readonly unknown[]>;
  close(): Promise<void>;
  drop(): Promise<void>;
}

/** Starts an application of records that hang on each other. */
export async function runShelves(engine: EngineName, clock?: Clock): Promise<Shelves> {
  const directory = mkdtempSync(join(tmpdir(), "gesta-shelves-"));
  const database = engine === "postgres" ? await freshDatabase() : null;
  const secret = "the secret of the tests, long enough";
  const place = database === null ? { GESTA_DATA: directory } : { DATABASE_URL: database.url };
  const environment = { PORT: "0", HOST: "127.0.0.1", GESTA_JWT_SECRET: secret, ...place };
  const configuration = readConfiguration(environment, () => "");
  const around = { configuration, secret, observe: silent, ...(clock === undefined ? {} : { clock }) };
  const running = await startApplication(shelves, around);
  const call = async (method: string, path: string, body?: object): Promise<Answer> => {
    const reply = await fetch(`${running.url}${path}`, {
      method,
      ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    const sent = await reply.text();
    return { status: reply.status, body: sent === "" ? {} : JSON.parse(sent) };
  };
  return {
    databaseUrl: database?.url ?? null,
    around,
    call,
    async made(path, body) {
      const reply = await call("POST", path, body);
      if (reply.status !== 201) throw new Error(`POST ${path}: ${JSON.stringify(reply)}`);
      return String(reply.body.id);
    },
    findings: async () => (await verifyApplication(shelves, around)).findings,
    close: () => running.close(),
    async drop() {
      await database?.drop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
