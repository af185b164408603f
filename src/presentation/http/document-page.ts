import { isObject } from "../../kernel/json.ts";
import { type ProblemCode, problems, type Text } from "../../kernel/problem.ts";

const escaped = (text: unknown): string =>
  String(text ?? "").replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const page = (language: string, title: string, body: string): string => `<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}
pre{background:#f4f4f4;padding:.75rem;overflow-x:auto}h2{margin-top:2.5rem}@media(prefers-color-scheme:dark){
body{background:#161616;color:#e8e8e8}pre{background:#262626}a{color:#8ab4f8}}</style></head>
<body>${body}</body></html>`;

/** The page behind a problem's `type`. */
export function problemPage(code: ProblemCode, language: keyof Text): string {
  const { status, title, help } = problems[code];
  const body = `<h1>${escaped(title[language])}</h1><p><code>${code}</code>, HTTP ${status}</p><p>${escaped(help[language])}</p>`;
  return page(language, title[language], body);
}

/** An OpenAPI document as a page to read: every operation with its input and its answers. */
export function documentPage(document: object): string {
  const root = part(document);
  const info = part(root.info);
  const sections = Object.entries(part(root.paths)).flatMap(([path, item]) =>
    Object.entries(part(item))
      .filter(([method]) => method !== "parameters")
      .map(([method, operation]) => operationSection(root, path, method, part(operation))),
  );
  return page(
    "en",
    String(info.title),
    `<h1>${escaped(info.title)}</h1><p><a href="/openapi.json">openapi.json</a></p>${sections.join("")}`,
  );
}

const part = (value: unknown): Readonly<Record<string, unknown>> => (isObject(value) ? value : {});

/** What a reference inside the document leads to; anything else as it is. */
function resolved(root: Readonly<Record<string, unknown>>, value: unknown): Readonly<Record<string, unknown>> {
  const { $ref } = part(value);
  if (typeof $ref !== "string") return part(value);
  return $ref
    .split("/")
    .slice(1)
    .reduce((at, name) => part(at[name]), root);
}

function operationSection(
  root: Readonly<Record<string, unknown>>,
  path: string,
  method: string,
  operation: Readonly<Record<string, unknown>>,
): string {
  const content = part(part(operation.requestBody).content);
  const { schema, example } = part(content["application/json"]);
  const answers = Object.entries(part(operation.responses)).map(
    ([status, response]) => `<li><code>${escaped(status)}</code> ${escaped(resolved(root, response).description)}</li>`,
  );
  const shown = (title: string, value: unknown) =>
    value === undefined ? "" : `<p>${title}</p><pre>${escaped(JSON.stringify(value, null, 2))}</pre>`;
  const input = shown("Example", example) + shown("Body", schema);
  return `<h2><code>${method.toUpperCase()} ${escaped(path)}</code></h2><p>${escaped(operation.summary)}</p>${input}<ul>${answers.join("")}</ul>`;
}
