import { createHash } from "node:crypto";
import { DatabaseError, type Engine } from "../database/engine.ts";
import { ledgerSql } from "../database/schema/ledger.ts";
import { rolesSql } from "../database/schema/roles.ts";

/** The database's half of an application, as SQL (see `emitSchema`). */
export interface SchemaScripts {
  readonly tables: string;
  readonly objects: string;
}

/** The stored tables are not those of the declaration, or Gesta's own not of this version; no migration leads there. */
export class SchemaDiffers extends Error {
  constructor(place: string, whose: "declaration" | "version of Gesta") {
    super(
      `The tables in ${place} were made ${whose === "declaration" ? "from" : "by"} another ${whose}. ` +
        `Start with an empty database, or bring back the ${whose} that made them.`,
    );
    this.name = "SchemaDiffers";
  }
}

/** The declared workflow cannot be put in force: it would displace an operator's, or strand records. */
export class WorkflowRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "WorkflowRefused";
  }
}

/** The SQLSTATE with which `gesta.declare_workflow` refuses. */
const workflowRefused = "GW001";

/** One process at a time: the others wait at this lock, then find the work done. */
const lock = "select pg_advisory_xact_lock(hashtextextended('gesta.migrations', 0));";

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Makes the two roles that everything else belongs to or is granted to, where they are missing. */
export const prepareRoles = (engine: Engine): Promise<void> => engine.migrate(rolesSql);

/**
 * Brings the database to the declaration. An empty one gets roles, ledger, tables and objects; in a known one the
 * objects that hold no data are made anew when they changed.
 * @param addition SQL that belongs to the making of an empty one
 * @returns whether the database was empty.
 * @throws SchemaDiffers when the tables are others, or Gesta's own of another version.
 * @throws WorkflowRefused when a changed workflow would displace an operator's, or strand records.
 */
export async function prepareSchema(
  engine: Engine,
  { tables, objects }: SchemaScripts,
  addition = "",
): Promise<{ readonly fresh: boolean }> {
  await prepareRoles(engine);
  const before = await recordedHashes(engine);
  const wanted = { ledger: hashOf(ledgerSql), tables: hashOf(tables), objects: hashOf(objects) };
  if (before.size > 0) {
    if (before.get("ledger") !== wanted.ledger) throw new SchemaDiffers(engine.place, "version of Gesta");
    if (before.get("tables") !== wanted.tables) throw new SchemaDiffers(engine.place, "declaration");
    if (before.get("objects") === wanted.objects) return { fresh: false };
  }

  const record = (name: "ledger" | "tables" | "objects") =>
    `insert into gesta.migrations (name, hash) values ('${name}', '${wanted[name]}')
  on conflict (name) do update set hash = excluded.hash, applied_at = now();`;
  const parts =
    before.size === 0
      ? [ledgerSql, tables, objects, record("ledger"), record("tables"), record("objects"), addition]
      : [objects, record("objects")];
  try {
    await engine.migrate([lock, "set local role gesta_owner;", ...parts].join("\n"));
  } catch (error) {
    // Another process that started at the same moment may have done the work while this one waited at the lock.
    const now = await recordedHashes(engine);
    if (now.get("tables") === wanted.tables && now.get("objects") === wanted.objects) return { fresh: false };
    const cause = error instanceof DatabaseError ? error.cause : error;
    if (cause instanceof Error && "code" in cause && cause.code === workflowRefused) {
      throw new WorkflowRefused(cause.message);
    }
    throw error;
  }
  return { fresh: before.size === 0 };
}

async function recordedHashes(engine: Engine): Promise<ReadonlyMap<string, string>> {
  const [table] = await engine.inspect("select to_regclass('gesta.migrations')::text");
  if (table?.[0] == null) return new Map();
  const rows = await engine.inspect("select name, hash from gesta.migrations");
  return new Map(rows.map(([name, hash]) => [String(name), String(hash)]));
}
