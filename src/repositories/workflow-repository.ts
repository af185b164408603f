import type { Engine } from "../database/engine.ts";
import type { WorkflowSource } from "../plan/workflow-source.ts";

/** A workflow as it was in force from some moment on. */
export interface WorkflowVersion {
  readonly version: number;
  readonly origin: "declaration" | "operator";
  /** The database's login that put it in force. */
  readonly changedBy: string;
  readonly reason: string | null;
  /** UTC, RFC 3339, milliseconds. */
  readonly changedAt: string;
}

export type PutWorkflow =
  | { readonly outcome: "put" | "unchanged"; readonly version: number }
  /** Live records stand in states that the workflow no longer has: state → how many. */
  | { readonly outcome: "stranded"; readonly records: Readonly<Record<string, number>> };

/** The workflows in force, and their history. */
export interface WorkflowRepository {
  /** Whether there is a ledger to ask. */
  exists(): Promise<boolean>;
  inForce(entity: string): Promise<{ readonly version: number; readonly source: WorkflowSource } | null>;
  /** Puts an operator's workflow in force, as the owner. `declared` is what the application declares. */
  put(entity: string, wanted: WorkflowSource, declared: WorkflowSource, reason: string | null): Promise<PutWorkflow>;
  /** The newest first. */
  history(entity: string): Promise<readonly WorkflowVersion[]>;
}

export function workflowRepository(engine: Engine): WorkflowRepository {
  return {
    async exists() {
      const [row] = await engine.inspect("select to_regclass('gesta.workflow_versions')::text");
      return row?.[0] != null;
    },
    async inForce(entity) {
      const text = "select gesta.workflow_in_force($1)";
      const [row] = await engine.run({ name: "workflow_in_force", text, writes: false }, [entity]);
      if (row?.[0] == null) return null;
      const { version, rest } = split(String(row[0]));
      return { version, source: JSON.parse(rest) };
    },
    async put(entity, wanted, declared, reason) {
      const text = "select gesta.put_workflow($1, $2::json, $3::json, 'operator', $4)";
      const [row] = await engine.inspect(text, [entity, JSON.stringify(wanted), JSON.stringify(declared), reason]);
      const answer = String(row?.[0]);
      const [outcome = ""] = answer.split(" ", 1);
      const rest = answer.slice(outcome.length + 1);
      if (outcome === "put" || outcome === "unchanged") return { outcome, version: Number(rest) };
      if (outcome === "stranded") return { outcome, records: JSON.parse(rest) };
      throw new Error(`the database answered '${answer.slice(0, 40)}'`);
    },
    async history(entity) {
      const rows = await engine.inspect(
        `select version, origin, changed_by, reason, gesta.instant(changed_at)
           from gesta.workflow_versions where entity = $1 order by version desc`,
        [entity],
      );
      return rows.map(([version, origin, changedBy, reason, changedAt]) => ({
        version: Number(version),
        origin: origin === "operator" ? "operator" : "declaration",
        changedBy: String(changedBy),
        reason: reason === null || reason === undefined ? null : String(reason),
        changedAt: String(changedAt),
      }));
    },
  };
}

/** `<version> <json>` */
const split = (answer: string) => {
  const space = answer.indexOf(" ");
  return { version: Number(answer.slice(0, space)), rest: answer.slice(space + 1) };
};
