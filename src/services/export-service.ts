import type { JsonObject } from "../kernel/json.ts";
import { largestPage } from "../kernel/page.ts";
import { nearest } from "../kernel/suggestion.ts";
import { readable } from "../plan/audience.ts";
import type { EntityPlan, Plan } from "../plan/plan.ts";
import type { Who } from "../repositories/records-repository.ts";
import type { QueriesService } from "./queries-service.ts";

export interface ExportRequest {
  readonly entity: string;
  readonly who: Who;
  /** The members to show, in this order; null for all that the reader may see. */
  readonly fields: readonly string[] | null;
  /** Filters and `as_of`, as the list of the API takes them. */
  readonly parameters: ReadonlyMap<string, string>;
}

export interface Exported {
  readonly columns: readonly string[];
  /** The records page by page, in the order of their ids. */
  readonly pages: AsyncIterable<readonly JsonObject[]>;
}

/** Cannot be exported like this. */
export class ExportRefused extends Error {
  override readonly name = "ExportRefused";
}

export interface ExportService {
  /** @throws ExportRefused, Refusal */
  open(request: ExportRequest): Promise<Exported>;
}

interface Parts {
  readonly plan: Plan;
  readonly queries: QueriesService;
  readonly roleOf: (who: Who) => Promise<string | null>;
}

/** What the walk decides itself. */
const walks = ["skip", "limit", "cursor", "sort", "count", "expand", "fields"];

/** All that a reader may read of an entity. It walks from id to id, so a record is there once, whatever is written meanwhile. */
export function exportService({ plan, queries, roleOf }: Parts): ExportService {
  return {
    async open({ entity: name, who, fields, parameters }) {
      const entity = plan.entities.find((candidate) => candidate.name === name);
      if (entity === undefined)
        throw new ExportRefused(
          unknown(
            "entity",
            name,
            plan.entities.map((each) => each.name),
          ),
        );
      const walked = walks.find((parameter) => parameters.has(parameter));
      if (walked !== undefined) throw new ExportRefused(`'${walked}' is not for exports; filters and as_of are.`);
      const columns = columnsFor(entity, who === "system" ? "all" : { role: await roleOf(who) });
      const strange = fields?.find((field) => !columns.includes(field));
      if (strange !== undefined) throw new ExportRefused(unknown("field", strange, columns));
      return { columns: fields ?? columns, pages: pagesOf(queries, name, who, parameters) };
    },
  };
}

const unknown = (what: string, name: string, names: readonly string[]): string => {
  const near = nearest(name, names);
  return `No ${what} '${name}'; ${near === undefined ? `use one of: ${names.join(", ")}` : `did you mean '${near}'?`}`;
};

const columnsFor = ({ members }: EntityPlan, reader: "all" | { readonly role: string | null }): readonly string[] =>
  members.filter((field) => reader === "all" || readable(field, reader.role) !== "never").map(({ name }) => name);

async function* pagesOf(
  queries: QueriesService,
  entity: string,
  who: Who,
  parameters: ReadonlyMap<string, string>,
): AsyncGenerator<readonly JsonObject[]> {
  const pageAfter = (cursor: string | null) =>
    queries.list(
      entity,
      () => Promise.resolve(who),
      new Map([
        ...parameters,
        ["limit", String(largestPage)],
        ...(cursor === null ? [] : [["cursor", cursor] as const]),
      ]),
    );
  for (let page = await pageAfter(null); ; ) {
    // The next page is fetched while this one is written.
    const next = page.next === null ? null : pageAfter(page.next);
    next?.catch(() => undefined);
    yield JSON.parse(page.body); // a list of records, as the database made it
    if (next === null) return;
    page = await next;
  }
}
