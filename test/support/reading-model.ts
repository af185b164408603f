/** What lists mean, said in JavaScript over all records that a caller may see: the thing that queries are held against. */
export type BookRecord = Readonly<Record<string, unknown>> & { readonly id: string };

export interface AskedFilter {
  readonly field: string;
  readonly op: string;
  readonly text: string;
}

export interface AskedKey {
  readonly field: string;
  readonly descending: boolean;
}

export const kinds: Readonly<Record<string, "text" | "email" | "number" | "boolean" | "other" | "list">> = {
  id: "other",
  title: "text",
  note: "text",
  pages: "number",
  weight: "number",
  price: "number",
  lent: "boolean",
  bought: "other",
  printed: "other",
  batch: "other",
  size: "other",
  contact: "email",
  page: "text",
  tags: "list",
  owner_id: "other",
  shelf_id: "other",
  reader_ids: "list",
  rank: "number",
  created_at: "other",
  updated_at: "other",
};

const bytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The order of two values that are there. */
export function compared(field: string, a: unknown, b: unknown): number {
  if (kinds[field] === "number") return Number(a) - Number(b);
  return bytes(String(a), String(b));
}

const lower = (field: string, text: unknown): string => {
  const known = String(text);
  return kinds[field] === "email" ? known.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : known.toLowerCase();
};

/** Whether a record passes a filter. What the caller cannot see of it is absent, and passes nothing. */
export function passes(record: BookRecord, { field, op, text }: AskedFilter): boolean {
  if (!Object.hasOwn(record, field)) return false;
  const value = record[field] ?? null;
  const same = (other: string) => value !== null && compared(field, folded(field, value), folded(field, other)) === 0;
  const options = text.split(/(?<!\\),/).map((each) => each.replaceAll("\\,", ","));
  switch (op) {
    case "is":
      return (value === null) === (text === "null");
    case "eq":
      return same(text);
    case "ne":
      return !same(text);
    case "in":
      return options.some(same);
    case "nin":
      return !options.some(same);
    case "contains":
      return Array.isArray(value)
        ? value.includes(text)
        : value !== null && lower(field, value).includes(lower(field, text));
    case "starts":
      return value !== null && lower(field, value).startsWith(lower(field, text));
  }
  if (value === null) return false;
  const order = compared(field, folded(field, value), folded(field, text));
  return { gt: order > 0, gte: order >= 0, lt: order < 0, lte: order <= 0 }[op] ?? false;
}

const folded = (field: string, value: unknown): string =>
  kinds[field] === "email" ? lower(field, value) : String(value);

/** The order of a list; records without a value come last, descending first. */
export const inOrder =
  (keys: readonly AskedKey[]) =>
  (a: BookRecord, b: BookRecord): number => {
    const tie = { field: "id", descending: keys.at(-1)?.descending ?? false };
    for (const { field, descending } of [...keys, tie]) {
      const [left, right] = [a[field] ?? null, b[field] ?? null];
      const order =
        left === null || right === null ? Number(left === null) - Number(right === null) : compared(field, left, right);
      if (order !== 0) return descending ? -order : order;
    }
    return 0;
  };
