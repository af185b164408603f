import type { Fault } from "../../kernel/fault.ts";
import { nearest } from "../../kernel/suggestion.ts";
import { operatorsOf } from "../../plan/operators.ts";
import type { FieldPlan } from "../../plan/plan.ts";
import { readValue, valuesIn } from "./filter-value.ts";

/** A filter as it was asked for and checked. */
export interface Filter {
  readonly field: string;
  readonly op:
    | "eq"
    | "ne"
    | "gt"
    | "gte"
    | "lt"
    | "lte"
    | "in"
    | "nin"
    | "contains"
    | "starts"
    | "has"
    | "null"
    | "not_null";
  readonly value: string | readonly string[] | null;
}

export const mostFilters = 20;
export const mostValues = 100;

/**
 * Reads one parameter of a query as a filter: `price=5`, `price[gte]=5`.
 * @param members what the caller may read of a record; anything else is as if it did not exist.
 * @param others names of parameters that are no filters, for the suggestion.
 */
export function readFilter(
  parameter: string,
  text: string,
  members: readonly FieldPlan[],
  others: readonly string[],
): Filter | Fault {
  const [, name = "", bracketed] = /^([^[\]]+)(?:\[([^[\]]*)\])?$/.exec(parameter) ?? [];
  const field = members.find((member) => member.name === name);
  const open = members.filter(({ filter }) => filter).map((member) => member.name);
  if (field === undefined) {
    const near = nearest(name === "" ? parameter : name, bracketed === undefined ? [...others, ...open] : open);
    const suggestion = near === undefined || bracketed === undefined ? near : `${near}[${bracketed}]`;
    return { parameter, code: "unknown_parameter", ...(suggestion === undefined ? {} : { suggestion }) };
  }
  if (!field.filter) {
    const suggestion = nearest(name, open);
    return {
      parameter,
      code: "not_filterable",
      parameters: { fields: open.join(", ") },
      ...(suggestion === undefined ? {} : { suggestion }),
    };
  }
  const op = bracketed ?? "eq";
  const operators = operatorsOf(field);
  if (!operators.includes(op)) {
    const near = bracketed === undefined ? operators[0] : nearest(op, operators);
    return {
      parameter,
      code: "unknown_operator",
      parameters: { operators: operators.join(", ") },
      ...(near === undefined ? {} : { suggestion: `${name}[${near}]` }),
    };
  }
  return readOperand(parameter, field, op, text);
}

function readOperand(parameter: string, field: FieldPlan, op: string, text: string): Filter | Fault {
  const wrong = (expected: string, suggestion?: string): Fault => ({
    parameter,
    code: "invalid_parameter",
    parameters: { expected },
    ...(suggestion === undefined ? {} : { suggestion }),
  });
  const { name } = field;
  switch (op) {
    case "is":
      return text === "null" || text === "not_null"
        ? { field: name, op: text, value: null }
        : wrong("must be null or not_null", nearest(text, ["null", "not_null"]));
    case "in":
    case "nin": {
      const values = valuesIn(text).map((part) => readValue(field, part));
      if (values.length > mostValues) return wrong(`must have at most ${mostValues} values`);
      const fault = values.find((each) => each.value === null);
      if (fault?.value === null) return wrong(fault.expected, fault.suggestion);
      return { field: name, op, value: values.flatMap(({ value }) => value ?? []) };
    }
    case "contains":
      if (field.kind !== "list") return { field: name, op, value: text };
      break;
    case "starts":
      return { field: name, op, value: text };
  }
  const read = readValue(field, text);
  if (read.value === null) return wrong(read.expected, read.suggestion);
  // The operator is one of `operatorsOf`; those that take another operand have returned above.
  return { field: name, op: op === "contains" ? "has" : (op as Filter["op"]), value: read.value };
}
