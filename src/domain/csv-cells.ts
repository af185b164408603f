import type { Fault } from "../kernel/fault.ts";
import { Refusal } from "../kernel/refusal.ts";
import { readJson } from "../kernel/strict-json.ts";
import { nearest } from "../kernel/suggestion.ts";
import { typedText } from "../kernel/typed-text.ts";
import type { FieldPlan } from "../plan/plan.ts";
import { pointTo } from "./pointer.ts";

/** A cell's text; null where nothing stands between two commas. Quotes around nothing are an empty text. */
export type Cell = string | null;

/** What a spreadsheet would take for a formula. Texts that begin so are written behind an apostrophe, and read without it. */
const formula = /^'*[=+\-@\t\r]/;

/** What is wrong with a header for an action: names that it does not take, names given twice. */
export function headerFaults(fields: readonly FieldPlan[], header: readonly string[]): readonly string[] {
  const names = fields.map(({ name }) => name);
  return header.flatMap((name, index) => {
    if (header.indexOf(name) < index) return [`column '${name}' is there twice`];
    if (names.includes(name)) return [];
    const near = nearest(name, names);
    return [
      `column '${name}' cannot be imported; ${near === undefined ? `these can: ${names.join(", ")}` : `did you mean '${near}'?`}`,
    ];
  });
}

/** A row of a CSV file as the input of an action. Empty cells are left out; lists and objects are JSON. */
export function inputOfCells(
  fields: ReadonlyMap<string, FieldPlan>,
  header: readonly string[],
  cells: readonly Cell[],
): { readonly input: Readonly<Record<string, unknown>>; readonly faults: readonly Fault[] } {
  const faults: Fault[] = [];
  const input: Record<string, unknown> = {};
  for (const [index, name] of header.entries()) {
    const cell = cells[index] ?? null;
    const field = fields.get(name);
    if (cell === null || field === undefined) continue;
    if (field.kind !== "list" && field.kind !== "object") {
      const text = formula.test(cell) && cell.startsWith("'") ? cell.slice(1) : cell;
      input[name] = typedText(field.kind, field.targetId === "serial", text);
      continue;
    }
    try {
      input[name] = readJson(cell);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      faults.push({
        pointer: pointTo("", name),
        code: "format",
        parameters: { expected: `JSON, ${exampleOf(field)}` },
      });
    }
  }
  return { input, faults };
}

const exampleOf = ({ kind }: FieldPlan): string => (kind === "list" ? '["a","b"]' : '{"name":"value"}');

/** A value of a record as a cell: what `inputOfCells` reads back. Numbers stay numbers, which need no quotes. */
export function cellOf(value: unknown): Cell | number {
  if (value === null || value === undefined) return null;
  if (typeof value === "object") return JSON.stringify(value);
  if (typeof value === "number") return value;
  if (typeof value !== "string") return String(value);
  return formula.test(value) ? `'${value}` : value;
}
