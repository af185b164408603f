import { nearest } from "../../kernel/suggestion.ts";
import { didYouMean, type Finding, type PlanVerifier } from "../finding.ts";
import type { FieldKind, FieldPlan } from "../plan.ts";

const ordered: ReadonlySet<FieldKind> = new Set([
  "text",
  "integer",
  "decimal",
  "money",
  "boolean",
  "instant",
  "date",
  "uuid",
  "enum",
  "email",
  "url",
  "reference",
]);

/** Lists of these are arrays, whose entries an index finds. */
const listed: ReadonlySet<FieldKind> = new Set(["text", "email", "url", "enum", "integer", "uuid", "reference"]);

/** Every option of a field makes sense for its kind. */
export const verifyFields: PlanVerifier = ({ entities }) =>
  entities.flatMap((entity) =>
    entity.fields.flatMap((field) => fieldFindings(`${entity.name}.fields.${field.name}`, field, entity.fields)),
  );

function fieldFindings(path: string, field: FieldPlan, siblings: readonly FieldPlan[]): readonly Finding[] {
  const findings: Finding[] = [];
  const say = (fault: string, remedy: string) => findings.push({ path, fault, remedy });
  if ((field.sort || field.unique) && !ordered.has(field.kind)) {
    say(`a ${field.kind} cannot be sorted by or unique`, "remove `sort` and `unique`");
  }
  if (field.filter && !ordered.has(field.kind) && field.kind !== "list") {
    say(`a ${field.kind} cannot be filtered on`, "remove `filter`");
  }
  if (field.kind === "list" && field.filter && !listed.has(field.element?.kind ?? "object")) {
    say(`a list of ${field.element?.kind} cannot be filtered on`, "remove `filter`");
  }
  if (field.expand && field.target === null) say("only references can be expanded", "remove `expand`");
  if (field.min !== null && field.max !== null && field.min > field.max) {
    say(`min ${field.min} is greater than max ${field.max}`, "exchange them");
  }
  if ((field.kind === "decimal" || field.kind === "money") && (field.places < 0 || field.places > 15)) {
    say(`${field.places} decimal places`, "use 0 to 15: a number has at most 15 significant digits");
  }
  if (field.kind === "enum" && field.values.length === 0) say("an enum without values", 'list them: values: ["…"]');
  if (field.pattern !== null && !isPattern(field.pattern))
    say(`/${field.pattern}/ is no regular expression`, "correct it");
  if (field.default !== null && !fits(field, field.default)) {
    say(`the default ${JSON.stringify(field.default)} is not valid`, `give a valid ${field.kind}`);
  }
  if (field.example !== null && !fits(field, field.example)) {
    say(`the example ${JSON.stringify(field.example)} is not valid`, `give a valid ${field.kind}`);
  }
  if (field.setBy === "actor" && field.kind !== "reference") {
    say("only a reference can be set by the actor", 'use reference(…, { setBy: "actor" })');
  }
  if (field.after !== null && siblings.find(({ name }) => name === field.after)?.kind !== "instant") {
    const instants = siblings.filter(({ kind }) => kind === "instant").map(({ name }) => name);
    say(
      `no instant '${field.after}' to be after`,
      didYouMean(nearest(field.after, instants), "name an instant of this entity"),
    );
  }
  return [
    ...findings,
    ...(field.element === null ? [] : fieldFindings(path, field.element, [])),
    ...field.fields.flatMap((part) => fieldFindings(`${path}.${part.name}`, part, field.fields)),
  ];
}

const isPattern = (pattern: string): boolean => {
  try {
    new RegExp(pattern, "u");
    return true;
  } catch {
    return false;
  }
};

function fits(field: FieldPlan, value: string | number | boolean): boolean {
  switch (field.kind) {
    case "boolean":
      return typeof value === "boolean";
    case "integer":
      return Number.isSafeInteger(value) && isWithin(field, Number(value));
    case "decimal":
    case "money":
      return typeof value === "number" && Number.isFinite(value) && isWithin(field, value);
    case "enum":
      return field.values.includes(String(value));
    case "list":
    case "object":
    case "password":
      return false;
    case "text":
      return (
        typeof value === "string" &&
        isWithin(field, [...value].length) &&
        (field.pattern === null || !isPattern(field.pattern) || new RegExp(`^(?:${field.pattern})$`, "u").test(value))
      );
    default:
      return typeof value === "string";
  }
}

const isWithin = ({ min, max, above }: FieldPlan, size: number): boolean =>
  (min === null || size >= min) && (max === null || size <= max) && (above === null || size > above);
