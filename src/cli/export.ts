import { createWriteStream, renameSync } from "node:fs";
import { finished } from "node:stream/promises";
import { stringify } from "csv-stringify/sync";
import type { Surroundings } from "../gesta.ts";
import { cellOf, type RunnableApplication, withExport } from "../operations.ts";
import { formatOf, type TransferRequest } from "./import.ts";
import { progressOn } from "./progress.ts";

/** `gesta export ENTITY [FILTER…]`: the records that somebody may read. @returns the exit code */
export async function exportRecords(
  application: RunnableApplication,
  around: Surroundings,
  request: TransferRequest,
  note: (line: string) => void,
): Promise<number> {
  const [entity, ...filters] = request.words;
  if (entity === undefined) throw new Error("Which records? For example: gesta export drinks 'price[gte]=5'");
  const format = formatOf(request.format, request.out);
  const fields = request.fields?.split(",") ?? null;
  const wanted = { entity, fields, parameters: parametersOf(filters) };
  await withExport(application, around, request.as ?? null, wanted, async ({ columns, pages }) => {
    const progress = progressOn(process.stderr);
    // Half of an export is never found under the name of a whole one.
    const partial = request.out === undefined ? null : `${request.out}.partial`;
    const stream: NodeJS.WritableStream =
      partial === null ? process.stdout : createWriteStream(partial, { mode: 0o600 });
    const failed = new Promise<never>((_, reject) => stream.once("error", reject));
    failed.catch(() => undefined);
    const write = async (text: string) => {
      if (!stream.write(text)) await Promise.race([new Promise((drained) => stream.once("drain", drained)), failed]);
    };
    let count = 0;
    for await (const page of pages) {
      // Not before there is a page: a question that is refused leaves no header behind.
      if (format === "csv" && count === 0) await write(stringify([columns]));
      await write(
        format === "csv"
          ? stringify(
              page.map((record) => columns.map((name) => cellOf(record[name]))),
              { quoted_string: true },
            )
          : page.map((record) => `${JSON.stringify(fields === null ? record : picked(record, columns))}\n`).join(""),
      );
      count += page.length;
      progress.show(`${count} records`, null);
    }
    if (partial !== null && request.out !== undefined) {
      stream.end();
      await Promise.race([finished(stream), failed]);
      renameSync(partial, request.out);
    }
    progress.end();
    note(`${count} ${count === 1 ? "record" : "records"}`);
  });
  return 0;
}

const picked = (record: Readonly<Record<string, unknown>>, names: readonly string[]) =>
  Object.fromEntries(names.flatMap((name) => (name in record ? [[name, record[name]]] : [])));

function parametersOf(filters: readonly string[]): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const filter of filters) {
    const equals = filter.indexOf("=");
    if (equals < 1) throw new Error(`'${filter}' is no filter; write 'status=new' or 'price[gte]=5'`);
    const name = filter.slice(0, equals);
    if (parameters.has(name)) throw new Error(`'${name}' is given twice`);
    parameters.set(name, filter.slice(equals + 1));
  }
  return parameters;
}
