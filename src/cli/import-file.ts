import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parse } from "csv-parse";
import { Refusal } from "../kernel/refusal.ts";
import { readJson } from "../kernel/strict-json.ts";
import type { ImportFile, ImportLine } from "../operations.ts";

export const fileFormats = ["csv", "ndjson"] as const;
export type FileFormat = (typeof fileFormats)[number];

/** The file cannot be read on from some place. */
export class UnreadableFile extends Error {
  override readonly name = "UnreadableFile";
}

/** As long as a body of the API may be. */
const longestLine = 1_048_576;

/** Opens a file to import: reads it once for its digest, and the head of it. @param read is told how many bytes were read */
export async function openImportFile(
  path: string,
  format: FileFormat,
  read: (bytes: number) => void,
): Promise<ImportFile> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  const digest = hash.digest("hex");
  if (format === "ndjson") return { digest, header: null, lines: () => linesOfJson(textOf(path, read)) };
  for await (const { cells } of rowsOf(path, () => {})) {
    const header = cells.map((cell) => cell ?? "");
    return { digest, header, lines: () => linesOfCsv(path, read) };
  }
  throw new UnreadableFile(`${path} is empty; its first line must name the fields.`);
}

/** The file as text, UTF-8 with or without a BOM, piece by piece. */
async function* textOf(path: string, read: (bytes: number) => void): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const pieces: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: 1 << 18 });
  try {
    for await (const piece of pieces) {
      read(piece.length);
      yield decoder.decode(piece, { stream: true });
    }
    yield decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) throw new UnreadableFile(`${path} is not UTF-8. Save it as UTF-8 and try again.`);
    throw error;
  }
}

async function* linesOfJson(pieces: AsyncIterable<string>): AsyncGenerator<ImportLine> {
  let rest = "";
  let line = 0;
  const take = (text: string): ImportLine | null => {
    line++;
    const bare = text.endsWith("\r") ? text.slice(0, -1) : text;
    return bare.trim() === "" ? null : { line, content: contentOf(bare), text: bare };
  };
  for await (const piece of pieces) {
    const texts = `${rest}${piece}`.split("\n");
    rest = texts.pop() ?? "";
    for (const text of texts) {
      const taken = take(text);
      if (taken !== null) yield taken;
    }
    if (rest.length > longestLine)
      throw new UnreadableFile(`line ${line + 1} is longer than ${longestLine} characters.`);
  }
  const last = take(rest);
  if (last !== null) yield last;
}

function contentOf(text: string): ImportLine["content"] {
  try {
    return { kind: "value", value: readJson(text) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { kind: "unreadable", why: `is no JSON: ${error.message}` };
  }
}

interface CsvRow {
  readonly line: number;
  readonly cells: readonly (string | null)[];
}

async function* linesOfCsv(path: string, read: (bytes: number) => void): AsyncGenerator<ImportLine> {
  let isHeader = true;
  for await (const { line, cells } of rowsOf(path, read)) {
    if (!isHeader) yield { line, content: { kind: "cells", cells }, text: null };
    isHeader = false;
  }
}

async function* rowsOf(path: string, read: (bytes: number) => void): AsyncGenerator<CsvRow> {
  const parser = parse({
    relax_column_count: true,
    max_record_size: longestLine,
    cast: (text, { quoting }) => (text === "" && !quoting ? null : text),
  });
  const text = Readable.from(textOf(path, read));
  // An error of the file ends the rows, too.
  text.on("error", (error) => parser.destroy(error));
  const rows: AsyncIterable<readonly (string | null)[]> = text.pipe(parser);
  // Counted here: the parser's own count costs as much as its parsing.
  let line = 1;
  try {
    for await (const cells of rows) {
      const isEmpty = cells.length === 1 && cells[0] === null;
      if (!isEmpty) yield { line, cells };
      line++;
      for (const cell of cells) if (cell?.includes("\n")) line += cell.split("\n").length - 1;
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error && String(error.code).startsWith("CSV_"))) throw error;
    throw new UnreadableFile(`${path}: ${error.message}`);
  } finally {
    text.destroy();
  }
}
