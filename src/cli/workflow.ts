import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Surroundings } from "../gesta.ts";
import { readJson } from "../kernel/strict-json.ts";
import { declaredWorkflow, type RunnableApplication, withWorkflows, workflowFormats } from "../operations.ts";

/** The words and options after `gesta workflow`. */
export interface WorkflowRequest {
  readonly words: readonly string[];
  readonly entity: string | undefined;
  readonly format: string | undefined;
  readonly reason: string | undefined;
  /** Show what is declared instead of what is in force; asks no database. */
  readonly declared: boolean;
}

type Say = (text: string) => void;

/** `gesta workflow show|apply|history`. @returns the text for standard output. */
export async function workflow(
  application: RunnableApplication,
  surroundings: () => Surroundings,
  { words: [verb, word], entity, format, reason, declared }: WorkflowRequest,
  note: Say,
): Promise<string> {
  switch (verb) {
    case "show": {
      const name = wordFor("entity", word ?? entity, "gesta workflow show orders --format mermaid");
      const shown = formatNamed(format ?? "table");
      if (declared) return shown(declaredWorkflow(application, name));
      const { entity: found, version } = await withWorkflows(application, surroundings(), (on) => on.show(name));
      if (version === null) note("No workflow is in force yet; this is the declared one.\n");
      return shown(found);
    }
    case "apply": {
      const file = wordFor("file", word, "gesta workflow apply order.workflow.json");
      const value = readWorkflowFile(file);
      const applied = await withWorkflows(application, surroundings(), (on) =>
        on.apply(entity ?? null, value, reason ?? null),
      );
      const at = `${applied.entity}: version ${applied.version}`;
      if (!applied.changed) return `${at} is in force already, nothing has changed\n`;
      const lines = [
        ...applied.removed.map(({ action, from, to }) => `  - ${action}: ${from} → ${to}`),
        ...applied.added.map(({ action, from, to }) => `  + ${action}: ${from} → ${to}`),
      ];
      return [`${at} is in force`, ...lines, ""].join("\n");
    }
    case "history": {
      const name = wordFor("entity", word ?? entity, "gesta workflow history orders");
      const versions = await withWorkflows(application, surroundings(), (on) => on.history(name));
      return versions
        .map(
          ({ version, origin, changedAt, changedBy, reason: why }) =>
            `${version}  ${changedAt}  ${origin}  ${changedBy}${why === null ? "" : `  ${why}`}\n`,
        )
        .join("");
    }
    default:
      throw new Error("gesta workflow takes show ENTITY, apply FILE or history ENTITY");
  }
}

function wordFor(what: string, word: string | undefined, example: string): string {
  if (word === undefined) throw new Error(`Which ${what}? For example: ${example}`);
  return word;
}

function formatNamed(name: string) {
  const found = Object.entries(workflowFormats).find(([format]) => format === name);
  if (found === undefined) {
    throw new Error(`No format '${name}'; use one of: ${Object.keys(workflowFormats).join(", ")}`);
  }
  return found[1];
}

/** A file that is no JSON has a fault like any other. */
export class WorkflowFileFault extends Error {
  constructor(file: string, why: string) {
    super(`${basename(file)}: ${why}`);
    this.name = "WorkflowFileFault";
  }
}

function readWorkflowFile(file: string): unknown {
  const text = readFileSync(file, "utf8");
  try {
    return readJson(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new WorkflowFileFault(file, error instanceof Error ? error.message : String(error));
  }
}
