import type { Surroundings } from "../gesta.ts";
import { type ExplainedPart, type Explanation, explainRequest, type RunnableApplication } from "../operations.ts";

const marks = { yes: "✓", no: "✗", maybe: "?" } as const;

/** The words and options after `gesta explain`. */
export interface ExplainWords {
  readonly words: readonly string[];
  readonly as: string | undefined;
  readonly json: boolean;
}

/** `gesta explain --as NAME METHOD /path`. @returns the text for standard output. */
export async function explain(
  application: RunnableApplication,
  around: Surroundings,
  { words: [method, path], as, json }: ExplainWords,
): Promise<string> {
  if (method === undefined || path === undefined || !path.includes("/")) {
    throw new Error("gesta explain takes a method and a path: gesta explain --as customer2 GET /orders");
  }
  const explanation = await explainRequest(application, around, method, path, as ?? "visitor").catch(notLocked);
  return json ? `${JSON.stringify(explanation)}\n` : explanationText(explanation);
}

/** Nothing is refused here, it only cannot be looked at: the exit code is that of what could not run. */
function notLocked(error: unknown): never {
  throw error instanceof Error && error.name === "DirectoryLocked" ? new Error(error.message) : error;
}

function explanationText({ request, asker, status, code, otherwise, because, policies }: Explanation): string {
  const { name, id, roles } = asker;
  const outcome = code === null ? `${status}${otherwise === null ? "" : ` or ${otherwise}`}` : `${status} ${code}`;
  return [
    `${request} as ${name}${id === null ? "" : ` (${[...roles, id].join(" ")})`}`,
    ...policies.flatMap((policy) => ["", policy.name, ...treeLines(policy.tree, "  ")]),
    "",
    `${outcome}: ${because}`,
    "",
  ].join("\n");
}

const treeLines = ({ part, verdict, because, parts }: ExplainedPart, indent: string): readonly string[] => [
  `${indent}${marks[verdict]} ${part}${because === null ? "" : `: ${because}`}`,
  ...parts.flatMap((each) => treeLines(each, `${indent}  `)),
];
