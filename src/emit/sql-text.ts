/** Words that PostgreSQL does not take as a bare name (reserved, or reserved as a function or type name). */
const reserved = new Set(
  (
    "all analyse analyze and any array as asc asymmetric authorization between binary both case cast check collate " +
    "collation column concurrently constraint create cross current_catalog current_date current_role current_schema " +
    "current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch for " +
    "foreign freeze from full grant group having ilike in initially inner intersect into is isnull join lateral " +
    "leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps " +
    "placing primary references returning right select session_user similar some symmetric table tablesample then to " +
    "trailing true union unique user using variadic verbose when where window with"
  ).split(" "),
);

/**
 * A name as SQL. Planned names are snake_case, so only reserved words need quotes.
 * @throws RangeError for anything else: a name must never carry SQL.
 */
export function ident(name: string): string {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(name)) throw new RangeError(`not a name: ${JSON.stringify(name)}`);
  return reserved.has(name) ? `"${name}"` : name;
}

/** A text constant as SQL. */
export const literal = (value: string): string =>
  value.includes("\\")
    ? ` E'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`
    : `'${value.replaceAll("'", "''")}'`;

/** A list of text constants as SQL: `array['a', 'b']`. */
export const literals = (values: readonly string[]): string =>
  values.length === 0 ? "array[]::text[]" : `array[${values.map(literal).join(", ")}]`;

/** Every line of a text moved right by so many spaces. */
export const indent = (text: string, spaces: number): string =>
  text
    .split("\n")
    .map((line) => (line === "" ? line : " ".repeat(spaces) + line))
    .join("\n");

/** A part of a statement, as it stands within a quoted text. */
export const inText = (part: string): string => part.replaceAll("'", "''");
