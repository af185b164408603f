import { createWriteStream, statSync } from "node:fs";
import { finished } from "node:stream/promises";
import { stringify } from "csv-stringify/sync";
import type { Surroundings } from "../gesta.ts";
import { importFile, type RejectedLine, type RunnableApplication } from "../operations.ts";
import { type FileFormat, fileFormats, openImportFile } from "./import-file.ts";
import { progressOn } from "./progress.ts";

/** The words and options of a command that moves records between files and the database. */
export interface TransferRequest {
  readonly words: readonly string[];
  readonly as: string | undefined;
  readonly action: string | undefined;
  readonly mode: string | undefined;
  readonly format: string | undefined;
  readonly fields: string | undefined;
  readonly out: string | undefined;
  readonly errors: string | undefined;
  readonly resume: boolean;
  readonly json: boolean;
}

/** `gesta import ENTITY FILE`: a record for each line. @returns the exit code: 1 when a line was not taken */
export async function importRecords(
  application: RunnableApplication,
  around: Surroundings,
  request: TransferRequest,
  say: (line: string) => void,
): Promise<number> {
  const [entity, path] = request.words;
  if (entity === undefined || path === undefined) {
    throw new Error("What into what? For example: gesta import drinks drinks.csv");
  }
  const { mode = "atomic", json } = request;
  if (mode !== "atomic" && mode !== "partial") throw new Error(`--mode ${mode}: use atomic or partial`);
  const format = formatOf(request.format, path);
  const began = performance.now();
  const size = statSync(path).size;
  const progress = progressOn(process.stderr);
  let bytes = 0;
  const file = await openImportFile(path, format, (read) => {
    bytes += read;
  });
  const mending = request.errors === undefined ? null : mendingFile(request.errors, file.header);
  const passes = mode === "atomic" ? 2 : 1;
  try {
    const report = await importFile(application, around, request.as ?? null, {
      ...{ entity, action: request.action ?? null, mode, resume: request.resume, file },
      rejected: (rejected) => {
        mending?.add(rejected);
        const { line, code, errors } = rejected;
        if (json) say(JSON.stringify({ line, code, errors }));
        else for (const each of errors) say(`line ${line}: ${[each.pointer, each.message].join(" ").trim()}`);
      },
      progress: ({ phase, lines }) =>
        progress.show(`${phase}, ${lines} lines`, size === 0 ? null : bytes / size / passes),
    });
    progress.end();
    const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
    if (json) say(JSON.stringify({ ...report, seconds }));
    else {
      const known = report.known === 0 ? "" : `, ${report.known} stored before`;
      say(`${report.lines} lines: ${report.stored} stored${known}, ${report.rejected} rejected, ${seconds} s`);
      if (mode === "atomic" && report.rejected > 0 && report.stored === 0)
        say("Nothing was stored: mend the lines, or use --mode partial.");
    }
    return report.rejected === 0 ? 0 : 1;
  } finally {
    progress.end();
    await mending?.close();
  }
}

export function formatOf(given: string | undefined, path: string | undefined): FileFormat {
  const wanted = given ?? (path?.match(/\.(ndjson|jsonl)$/i) ? "ndjson" : "csv");
  const format = fileFormats.find((known) => known === wanted);
  if (format === undefined) throw new Error(`--format ${wanted}: use ${fileFormats.join(" or ")}`);
  return format;
}

/** Rejected lines as they came, to be mended and imported as a file of their own. */
function mendingFile(path: string, header: readonly string[] | null) {
  const stream = createWriteStream(path, { mode: 0o600 });
  if (header !== null) stream.write(stringify([header]));
  return {
    add({ content, text }: RejectedLine) {
      if (content.kind === "cells") stream.write(stringify([content.cells], { quoted_string: true }));
      else stream.write(`${text ?? ""}\n`);
    },
    close: () => finished(stream.end()),
  };
}
