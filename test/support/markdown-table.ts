/**
 * The rows of the first table with this heading, cell by cell; without the padding that the formatter puts in.
 * @example tableRows(text, ["layer", "may import"]) // [["`kernel`", "–"], …]
 */
export function tableRows(markdown: string, heading: readonly string[]): readonly (readonly string[])[] {
  return allTableRows(markdown, heading)[0] ?? [];
}

/** The rows of every table with this heading. */
export function allTableRows(
  markdown: string,
  heading: readonly string[],
): readonly (readonly (readonly string[])[])[] {
  const tables = markdown.match(/(?:^\|.*\|[ \t]*\n)+/gm) ?? [];
  return tables
    .map((table) => table.trimEnd().split("\n").map(cells))
    .filter(([first]) => first?.join("|") === heading.join("|"))
    .map((rows) => rows.slice(2));
}

const cells = (row: string): readonly string[] =>
  row
    .trim()
    .slice(1, -1)
    .split("|")
    .map((cell) => cell.trim());
