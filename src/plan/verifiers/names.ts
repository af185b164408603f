import type { EntityDeclaration } from "../../declare/entity.ts";
import type { Fields } from "../../declare/field.ts";
import type { Finding, Verifier } from "../finding.ts";

const snake = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;

/** Names that every record has, or that addresses of the application use. */
const reservedFields = new Set(["id", "status", "version", "created_at", "updated_at", "deleted_at", "refused"]);
const reservedEntities = new Set([
  "live",
  "sessions",
  "api_keys",
  "webhooks",
  "problems",
  "docs",
  "healthz",
  "readyz",
  "metrics",
  "admin",
]);
const reservedActions = new Set([
  "read",
  "history",
  "actions",
  "impact",
  "restore",
  "undo",
  "detach",
  "bulk",
  "live",
  "me",
]);

/** PostgreSQL cuts names at 63 bytes; the longest that Gesta makes of a name adds `_` and `_index`. */
const longest = 50;

const finding = (path: string, fault: string, remedy: string): Finding => ({ path, fault, remedy });

function nameFindings(path: string, name: string, reserved: ReadonlySet<string>): readonly Finding[] {
  if (!snake.test(name)) return [finding(path, `'${name}' is not snake_case`, "write small letters, digits and _")];
  if (name.length > longest) return [finding(path, `'${name}' is too long`, `use at most ${longest} characters`)];
  return reserved.has(name) ? [finding(path, `'${name}' is a name that Gesta uses itself`, "choose another name")] : [];
}

const fieldFindings = (path: string, fields: Fields, reserved: ReadonlySet<string>): readonly Finding[] =>
  Object.entries(fields).flatMap(([name, field]) => [
    ...nameFindings(`${path}.${name}`, name, reserved),
    ...fieldFindings(`${path}.${name}`, field.element?.fields ?? field.fields ?? {}, new Set()),
  ]);

const entityFindings = (entity: EntityDeclaration): readonly Finding[] => [
  ...nameFindings(entity.name, entity.name, reservedEntities),
  ...fieldFindings(`${entity.name}.fields`, entity.fields, reservedFields),
  ...Object.keys(entity.actions).flatMap((name) =>
    nameFindings(`${entity.name}.actions.${name}`, name, reservedActions),
  ),
];

/** Every name is snake_case, short enough for the database, not one of Gesta's own, and used once. */
export const verifyNames: Verifier = ({ entities }) => {
  const names = entities.map((entity) => entity.name);
  return [
    ...entities.flatMap(entityFindings),
    ...names
      .filter((name, index) => names.indexOf(name) !== index)
      .map((name) => finding(name, "two entities have this name", "rename one of them")),
  ];
};
