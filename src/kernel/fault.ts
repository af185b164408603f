import type { Text } from "./problem.ts";

type Parameters = Readonly<Record<string, string | number>>;

const fill = (en: string, ru: string) => ({ en, ru });

/**
 * The rules that one value, or one query parameter, can break. `{name}` is filled from the fault's parameters.
 * The key is the stable `code` of an entry in a problem's `errors`.
 */
export const faults = {
  required: fill("is required", "обязательное поле"),
  type: fill("must be {expected}", "должно быть: {expected}"),
  min: fill("must be at least {limit}", "не меньше {limit}"),
  max: fill("must be at most {limit}", "не больше {limit}"),
  above: fill("must be greater than {limit}", "больше {limit}"),
  min_length: fill("must have at least {limit} characters", "не короче {limit} символов"),
  max_length: fill("must have at most {limit} characters", "не длиннее {limit} символов"),
  min_items: fill("must have at least {limit} entries", "не меньше {limit} элементов"),
  max_items: fill("must have at most {limit} entries", "не больше {limit} элементов"),
  pattern: fill("must match {pattern}", "должно соответствовать {pattern}"),
  format: fill("must be {expected}", "должно быть: {expected}"),
  places: fill("must have at most {limit} decimal places", "не больше {limit} знаков после запятой"),
  inexact: fill(
    "cannot be kept exactly: a number has at most 15 significant digits",
    "не хранится точно: у числа не больше 15 значащих цифр",
  ),
  text: fill(
    "must not contain NUL or half of a surrogate pair",
    "не может содержать NUL или половину суррогатной пары",
  ),
  enum: fill("must be one of: {values}", "одно из: {values}"),
  unknown_field: fill("is not a field of this operation", "этой операции такое поле неизвестно"),
  server_owned: fill("is decided by the server and cannot be sent", "определяется сервером и не принимается"),
  not_found: fill("does not exist", "не существует"),
  unique: fill("is already taken", "уже занято"),
  repeated: fill("stands in an earlier item already", "уже есть в одном из предыдущих элементов"),
  invalid: fill("is not valid", "неверное значение"),
  after: fill("must be later than {field}", "должно быть позже {field}"),
  wrong_password: fill("is not the current password", "не совпадает с текущим паролем"),
  frozen: fill("cannot change any more", "больше не меняется"),
  changed_since: fill(
    "was changed since by {event}, version {version}",
    "с тех пор изменено: {event}, версия {version}",
  ),
  not_available: fill("is not available", "недоступно"),
  full: fill("is more than there is room for", "больше, чем может поместиться"),
  unknown_parameter: fill("is not a parameter of this operation", "этой операции такой параметр неизвестен"),
  unknown_operator: fill(
    "is not an operator of this field; it takes {operators}",
    "не оператор этого поля; допустимы {operators}",
  ),
  not_filterable: fill("cannot be filtered on; these can: {fields}", "по этому полю нет отбора; он есть по: {fields}"),
  not_sortable: fill(
    "cannot sort by '{field}', but by: {fields}",
    "нет сортировки по «{field}»; она есть по: {fields}",
  ),
  not_groupable: fill("cannot group by '{field}', but by: {fields}", "нет групп по «{field}»; они есть по: {fields}"),
  not_measurable: fill(
    "cannot be made of '{field}', but of: {fields}",
    "не считается по «{field}»; считается по: {fields}",
  ),
  invalid_parameter: fill("{expected}", "{expected}"),
} as const satisfies Record<string, Text>;

export type FaultCode = keyof typeof faults;

/** One broken rule, at a JSON pointer of the body (RFC 6901) or at a query parameter. */
export interface Fault {
  readonly pointer?: string;
  readonly parameter?: string;
  readonly code: FaultCode;
  readonly parameters?: Parameters;
  /** What the caller probably meant. */
  readonly suggestion?: string;
}

/** A fault of a body: what `decide` refuses with. */
export interface PointedFault {
  /** JSON pointer (RFC 6901) into the input: `/items/0/menu_item_id`. */
  readonly pointer: string;
  readonly code: FaultCode;
}

/** The sentence for a fault, in the language asked for. */
export function faultMessage(fault: Fault, language: keyof Text): string {
  const template: string = faults[fault.code][language];
  return template.replace(/\{(\w+)\}/g, (_, name: string) => String(fault.parameters?.[name] ?? ""));
}

/** What is wrong and what was perhaps meant, for an operator. */
export const faultAdvice = (fault: Fault): string =>
  `${faultMessage(fault, "en")}${fault.suggestion === undefined ? "" : `; did you mean '${fault.suggestion}'?`}`;
