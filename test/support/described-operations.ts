/** One operation of an OpenAPI document, as a client reads it. */
export interface DescribedOperation {
  readonly method: string;
  readonly path: string;
  /** `/orders/{id}/cancel` → `orders` */
  readonly entity: string;
  readonly statuses: readonly number[];
  /** Whether the body holds many items. */
  readonly isBulk: boolean;
  /** The members that a request's body, or an item in it, may have. */
  readonly takes: readonly string[];
  /** The request's example, or undefined where there is no body. */
  readonly example: unknown;
  /** The same as a form, where the operation takes forms. */
  readonly formExample: string | undefined;
  readonly demandsVersion: boolean;
  readonly demandsKey: boolean;
  /** What must stand in the address, with its examples: `?action=delete`, or nothing. */
  readonly query: string;
  /** The names of all that may stand in the address. */
  readonly parameters: readonly string[];
  /** JSON pointer of the schema of a reply, or null where it has no body. */
  schemaOf(status: number): string | null;
  /** The headers that a reply of this status has. */
  headersOf(status: number): readonly string[];
}

type Part = Readonly<Record<string, unknown>>;

/** Tests read documents freely: a wrong way through one gives an empty part, and fails the expectation. */
const part = (value: unknown): Part => (typeof value === "object" && value !== null ? (value as Part) : {});

const escaped = (name: string): string => encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1"));

export function operationsOf(document: object): readonly DescribedOperation[] {
  return Object.entries(part(part(document).paths)).flatMap(([path, item]) =>
    Object.entries(part(item))
      .filter(([method]) => method !== "parameters")
      .map(([method, operation]) => described(document, path, method, part(operation))),
  );
}

/** A list is its name repeated. */
function formOf(example: unknown): string | undefined {
  if (example === undefined) return undefined;
  const pairs = Object.entries(part(example)).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((each): [string, string] => [name, String(each)]),
  );
  return new URLSearchParams(pairs).toString();
}

function described(document: object, path: string, method: string, operation: Part): DescribedOperation {
  const responses = part(operation.responses);
  const response = (status: number): { readonly pointer: string; readonly value: Part } => {
    const value = part(responses[status]);
    if (typeof value.$ref !== "string") {
      return { pointer: `/paths/${escaped(path)}/${method}/responses/${status}`, value };
    }
    const name = value.$ref.split("/").at(-1) ?? "";
    return {
      pointer: `/components/responses/${escaped(name)}`,
      value: part(part(part(part(document).components).responses)[name]),
    };
  };
  const content = part(part(operation.requestBody).content);
  const body = part(part(content["application/json"]).schema);
  const members = part(body.properties);
  const parameters = Array.isArray(operation.parameters) ? operation.parameters.map(part) : [];
  const demands = (header: string) => parameters.some(({ name, required }) => name === header && required === true);
  return {
    method: method.toUpperCase(),
    path,
    entity: path.split("/")[1] ?? "",
    statuses: Object.keys(responses).map(Number),
    isBulk: path.endsWith("/bulk"),
    takes: Object.keys(part(path.endsWith("/bulk") ? part(part(members.items).items).properties : members)),
    example: part(content["application/json"]).example,
    formExample: formOf(part(content["application/x-www-form-urlencoded"]).example),
    query: parameters
      .filter(({ in: place, required }) => place === "query" && required === true)
      .map(({ name, example }, index) => `${index === 0 ? "?" : "&"}${name}=${encodeURIComponent(String(example))}`)
      .join(""),
    parameters: parameters.flatMap(({ in: place, name }) => (place === "query" ? [String(name)] : [])),
    demandsVersion: demands("If-Match"),
    demandsKey: demands("Idempotency-Key"),
    schemaOf(status) {
      const { pointer, value } = response(status);
      const [type] = Object.keys(part(value.content));
      return type === undefined ? null : `${pointer}/content/${escaped(type)}/schema`;
    },
    headersOf: (status) => Object.keys(part(response(status).value.headers)),
  };
}
