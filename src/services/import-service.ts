import { hash } from "node:crypto";
import { type BulkMode, mostItems } from "../domain/check-bulk.ts";
import { type Cell, headerFaults, inputOfCells } from "../domain/csv-cells.ts";
import { type Fault, faultAdvice } from "../kernel/fault.ts";
import { problems } from "../kernel/problem.ts";
import { Refusal } from "../kernel/refusal.ts";
import { nearest } from "../kernel/suggestion.ts";
import type { ActionPlan, FieldPlan, Plan } from "../plan/plan.ts";
import type { Who } from "../repositories/records-repository.ts";
import type { BulkRequest, BulkService } from "./bulk-service.ts";

/** One line of a file: what was read of it, or why nothing could be. */
export interface ImportLine {
  /** Where it begins, counted from 1. */
  readonly line: number;
  readonly content:
    | { readonly kind: "cells"; readonly cells: readonly Cell[] }
    | { readonly kind: "value"; readonly value: unknown }
    | { readonly kind: "unreadable"; readonly why: string };
  /** The line as it stands in the file; null where the file has cells. */
  readonly text: string | null;
}

/** A file that can be read from its start more than once. */
export interface ImportFile {
  /** SHA-256 of its bytes. */
  readonly digest: string;
  /** The names of its columns; null where each line names its fields itself. */
  readonly header: readonly string[] | null;
  lines(): AsyncIterable<ImportLine>;
}

export interface ImportRequest {
  readonly entity: string;
  /** The creation to do; null for the only one that takes many. */
  readonly action: string | null;
  readonly who: Who;
  readonly mode: BulkMode;
  /** Whether to go on with a file of which a part is stored. */
  readonly resume: boolean;
  readonly file: ImportFile;
  readonly rejected: (line: RejectedLine) => void;
  readonly progress: (progress: ImportProgress) => void;
}

export interface RejectedLine extends ImportLine {
  readonly code: string;
  readonly errors: readonly { readonly pointer: string; readonly code: string; readonly message: string }[];
}

export interface ImportProgress {
  readonly phase: "checking" | "storing";
  readonly lines: number;
}

export interface ImportReport {
  readonly entity: string;
  readonly action: string;
  readonly mode: BulkMode;
  readonly lines: number;
  readonly stored: number;
  /** Stored by an earlier run with the same file. */
  readonly known: number;
  readonly rejected: number;
}

/** The file does not fit what it shall be imported as. */
export class ImportRefused extends Error {
  override readonly name = "ImportRefused";
}

export interface ImportService {
  /**
   * Creates a record for each line, a bulk call for each thousand of them. A call's key is made of the file and its
   * place in it, so no line is stored twice, however often a run ends or is repeated.
   * @throws ImportRefused, Refusal
   */
  run(request: ImportRequest): Promise<ImportReport>;
}

interface Parts {
  readonly plan: Plan;
  readonly bulk: BulkService;
  readonly pause: (milliseconds: number) => Promise<void>;
}

export function importService(parts: Parts): ImportService {
  return {
    async run(request) {
      const action = importable(parts.plan, request);
      const { header } = request.file;
      const faults = header === null ? [] : headerFaults(action.input, header);
      if (faults.length > 0) throw new ImportRefused(faults.join("\n"));
      const job = new Import(parts, request, action);
      // Nothing of an atomic import is stored before all of it was tried.
      if (request.mode === "atomic") await job.pass("checking");
      if (request.mode === "partial" || job.count.rejected === 0) await job.pass("storing");
      return { entity: request.entity, action: action.name, mode: request.mode, ...job.count };
    },
  };
}

function importable(plan: Plan, { entity: name, action: wanted }: ImportRequest): ActionPlan {
  const entity = plan.entities.find((candidate) => candidate.name === name);
  if (entity === undefined) {
    const names = plan.entities.map((candidate) => candidate.name);
    const near = nearest(name, names);
    throw new ImportRefused(
      `No entity '${name}'; ${near === undefined ? `use one of: ${names.join(", ")}` : `did you mean '${near}'?`}`,
    );
  }
  const creations = entity.actions.filter(({ kind, bulk }) => kind === "create" && bulk);
  const [only] = creations;
  if (only === undefined) {
    throw new ImportRefused(`No creation of ${name} is declared with bulk: true, so none can be imported.`);
  }
  if (wanted === null && creations.length === 1) return only;
  const action = creations.find((candidate) => candidate.name === wanted);
  if (action === undefined) {
    throw new ImportRefused(
      `Which creation of ${name}? Pass --action ${creations.map((each) => each.name).join(" or ")}.`,
    );
  }
  return action;
}

interface Result {
  readonly index: number;
  readonly problem?: { readonly code: string; readonly errors: RejectedLine["errors"] };
}

interface ChunkOutcome {
  readonly lines: number;
  /** Stored, now or by an earlier run; in a pass that only checks, such as could be. */
  readonly done: number;
  readonly replayed: boolean;
  readonly rejected: readonly RejectedLine[];
}

/** Refusals of a call that say nothing against it: the same call is good a moment later. */
const passing: ReadonlySet<string> = new Set(["idempotency_in_flight", "overloaded", "outcome_unknown"]);
const mostTries = 120;

class Import {
  readonly #parts: Parts;
  readonly #request: ImportRequest;
  readonly #action: ActionPlan;
  readonly #fields: ReadonlyMap<string, FieldPlan>;
  count = { lines: 0, stored: 0, known: 0, rejected: 0 };

  constructor(parts: Parts, request: ImportRequest, action: ActionPlan) {
    this.#parts = parts;
    this.#request = request;
    this.#action = action;
    this.#fields = new Map(action.input.map((field) => [field.name, field]));
  }

  /** Goes through the file once; in an atomic import, a chunk that cannot be stored is the last one. */
  async pass(phase: ImportProgress["phase"]): Promise<void> {
    this.count = { lines: 0, stored: 0, known: 0, rejected: 0 };
    const { file, mode } = this.#request;
    const alone = phase === "storing" && mode === "atomic";
    let nth = 0;
    // While the database writes a chunk, the next one is checked.
    const underWay: Promise<ChunkOutcome>[] = [];
    try {
      for await (const chunk of chunksOf(file.lines())) {
        const outcome = this.#chunk(chunk, nth, phase);
        outcome.catch(() => undefined);
        underWay.push(outcome);
        // The first one goes alone: it tells of an earlier run.
        if (nth++ === 0 || alone || underWay.length === 2) await this.#settle(underWay, phase);
        if (alone && this.count.rejected > 0) return;
      }
      while (underWay.length > 0) await this.#settle(underWay, phase);
    } finally {
      await Promise.allSettled(underWay);
    }
  }

  async #settle(underWay: Promise<ChunkOutcome>[], phase: ImportProgress["phase"]): Promise<void> {
    const outcome = await underWay.shift();
    if (outcome === undefined) return;
    const { lines, done, replayed, rejected } = outcome;
    if (replayed && !this.#request.resume) {
      throw new ImportRefused(
        "A part of this file, or all of it, is stored already. --resume goes on behind it; nothing is stored twice.",
      );
    }
    for (const line of rejected) this.#request.rejected(line);
    const { count } = this;
    this.count = {
      lines: count.lines + lines,
      stored: count.stored + (replayed || phase === "checking" ? 0 : done),
      known: count.known + (replayed ? done : 0),
      rejected: count.rejected + rejected.length,
    };
    this.#request.progress({ phase, lines: this.count.lines });
  }

  async #chunk(chunk: readonly ImportLine[], nth: number, phase: ImportProgress["phase"]): Promise<ChunkOutcome> {
    const items: unknown[] = [];
    const sent: ImportLine[] = [];
    const rejected: RejectedLine[] = [];
    for (const line of chunk) {
      const read = this.#read(line);
      if ("errors" in read) rejected.push({ ...line, code: "invalid", errors: read.errors });
      else {
        items.push(read.input);
        sent.push(line);
      }
    }
    if (items.length === 0) return { lines: chunk.length, done: 0, replayed: false, rejected };
    const { results, replayed } = await this.#call(items, nth, phase);
    const unread = rejected.length;
    for (const { index, problem } of results) {
      const line = sent[index];
      if (problem !== undefined && line !== undefined) rejected.push({ ...line, ...problem });
    }
    const refused = rejected.length - unread;
    return {
      lines: chunk.length,
      done: this.#request.mode === "atomic" && refused > 0 ? 0 : items.length - refused,
      replayed,
      rejected: rejected.sort((one, other) => one.line - other.line),
    };
  }

  #read({ content }: ImportLine): { readonly input: unknown } | Pick<RejectedLine, "errors"> {
    switch (content.kind) {
      case "value":
        return { input: content.value };
      case "unreadable":
        return { errors: [{ pointer: "", code: "malformed", message: content.why }] };
      case "cells": {
        const header = this.#request.file.header ?? [];
        if (content.cells.length !== header.length) {
          const message = `has ${content.cells.length} cells, the header has ${header.length}`;
          return { errors: [{ pointer: "", code: "malformed", message }] };
        }
        const { input, faults } = inputOfCells(this.#fields, header, content.cells);
        return faults.length > 0 ? { errors: faults.map(told) } : { input };
      }
    }
  }

  async #call(items: readonly unknown[], nth: number, phase: ImportProgress["phase"]) {
    const { entity, mode, who, file } = this.#request;
    const key = hashed([who ?? "visitor", entity, this.#action.name, file.digest, String(nth)]);
    const request: BulkRequest = {
      ...{ entity, action: this.#action.name, who, input: { mode, items }, requestId: null },
      idempotency: { key, fingerprint: key },
      lasting: true,
      dryRun: phase === "checking",
      status: 201,
      resultOf: (index, { code, message, told: { errors } }) => ({
        index,
        status: problems[code].status,
        problem: { code, errors: errors?.map(told) ?? [{ pointer: "", code, message }] },
      }),
    };
    for (let attempt = 1; ; attempt++) {
      try {
        const { body, replayed } = await this.#parts.bulk.execute(request);
        // The shape that `resultOf` and the database's reply to a bulk call have.
        const { results } = JSON.parse(body) as { readonly results: readonly Result[] };
        return { results, replayed };
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        // What `resultOf` made of each.
        if (error.code === "bulk_refused") return { results: error.told.results as readonly Result[], replayed: false };
        if (!passing.has(error.code) || attempt === mostTries) throw error;
        await this.#parts.pause(1000 * (error.told.retryAfter ?? 1));
      }
    }
  }
}

const told = (fault: Fault) => ({
  pointer: fault.pointer ?? "",
  code: fault.code,
  message: faultAdvice(fault),
});

/** The first half of a SHA-256, as a UUIDv8 (RFC 9562 § 5.8). */
function hashed(words: readonly string[]): string {
  const digest = hash("sha256", JSON.stringify(["import", ...words]), "hex");
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}

/** The lines by the thousand: where a chunk ends depends on the file alone. */
async function* chunksOf(lines: AsyncIterable<ImportLine>): AsyncGenerator<readonly ImportLine[]> {
  let chunk: ImportLine[] = [];
  for await (const line of lines) {
    chunk.push(line);
    if (chunk.length < mostItems) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
