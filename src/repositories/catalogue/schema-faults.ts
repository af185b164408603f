import type { StartFault } from "../../kernel/start-fault.ts";
import type { Catalogue, DefinerFacts, GrantFacts, PlannedCatalogue, PolicyFacts } from "./catalogue.ts";

/** Makes functions, policies and grants anew at the next start. */
const again = "delete from gesta.migrations where name = 'objects'; then start again: Gesta makes it anew";

/** How the live tables, policies, functions and rights differ from the plan's, where that is unsafe. Pure. */
export function schemaFaults(catalogue: Catalogue, planned: PlannedCatalogue): readonly StartFault[] {
  return [
    ...tableFaults(catalogue),
    ...policyFaults(catalogue, planned),
    ...catalogue.grants.filter((grant) => !isPlanned(grant, planned)).map(grantFault),
    ...catalogue.definers.filter((definer) => !hasFixedPath(definer)).map(pathFault),
    ...catalogue.strangers.map(({ object, owner }) => {
      const wanted = object === `function ${planned.finder.owns}` ? "gesta_finder" : "gesta_owner";
      return {
        what: `the ${object} belongs to ${owner}, not to ${wanted}`,
        remedy: `alter ${object} owner to ${wanted}`,
      };
    }),
    ...catalogue.openViews.map(({ name, materialized }) => ({
      what: `the ${materialized ? "materialized " : ""}view ${name} shows gesta_app records past row-level security`,
      remedy: materialized
        ? `revoke all on ${name} from gesta_app, public`
        : `alter view ${name} set (security_invoker = true), or revoke all on ${name} from gesta_app, public`,
    })),
    ...catalogue.openFunctions.map((name) => ({
      what: `gesta_app may call ${name}, which runs with the rights of its owner`,
      remedy: `revoke execute on function ${name} from gesta_app, public`,
    })),
    ...catalogue.writableSchemas.map((schema) => ({
      what: `gesta_app may create things in the schema ${schema}`,
      remedy: `revoke create on schema ${schema} from gesta_app, public`,
    })),
    ...catalogue.changeableEvents.map((table) => ({
      what: `events in ${table} can be changed or removed: a trigger is off or missing`,
      remedy: `alter table ${table} enable trigger all; if it is missing, restore it from a backup`,
    })),
    ...(catalogue.clockMoved
      ? [
          {
            what: "the clock of this database was moved forward in development: its events are of times to come",
            remedy: "use another database: this one is a development's",
          },
        ]
      : []),
    ...catalogue.missingFunctions.map((name) => ({ what: `the function ${name} is missing`, remedy: again })),
  ];
}

const tableFaults = ({ tables }: Catalogue): readonly StartFault[] =>
  tables.flatMap(({ name, enabled, forced }) => [
    ...(enabled
      ? []
      : [
          {
            what: `the table ${name} has no row-level security`,
            remedy: `alter table ${name} enable row level security`,
          },
        ]),
    ...(forced
      ? []
      : [
          {
            what: `row-level security of ${name} does not bind its owner`,
            remedy: `alter table ${name} force row level security`,
          },
        ]),
  ]);

function policyFaults({ tables, policies }: Catalogue, planned: PlannedCatalogue): readonly StartFault[] {
  const missing = planned.tables.flatMap(({ name, policies: names }) =>
    names
      .filter((policy) => !policies.some((live) => live.table === name && live.name === policy.name))
      .map((policy) => ({
        what: tables.some((table) => table.name === name)
          ? `the table ${name} has no policy ${policy.name}`
          : `the table ${name} is missing`,
        remedy: again,
      })),
  );
  return [...missing, ...policies.flatMap((policy) => policyFault(policy, planned))];
}

function policyFault(
  { table, name, roles, conditions }: PolicyFacts,
  planned: PlannedCatalogue,
): readonly StartFault[] {
  const plan = planned.tables.find((one) => one.name === table)?.policies.find((one) => one.name === name);
  const where = `the policy ${name} on ${table}`;
  if (plan === undefined) return [{ what: `${where} is not the plan's`, remedy: `drop policy ${name} on ${table}` }];
  const others = roles.filter((role) => !plan.roles.includes(role));
  if (others.length > 0) return [{ what: `${where} is for ${others.join(", ")} too`, remedy: again }];
  if (plan.open) return [];
  if (conditions.includes("true")) return [{ what: `${where} lets everyone through`, remedy: again }];
  const text = conditions.join(" ");
  if (/actor\(\)[^()]*\) IS NULL/i.test(text))
    return [{ what: `${where} lets through those who are nobody`, remedy: again }];
  if (/(?<!SELECT )gesta\.\w+\(\)/i.test(text))
    return [{ what: `${where} asks who acts once for each row: (select …) is missing`, remedy: again }];
  return [];
}

/**
 * Others may read as far as row-level security lets them; to change anything is nobody's right but the owner's.
 * `gesta_gate` makes its function in the schema `gesta`.
 */
function isPlanned({ privilege, on, to, planned }: GrantFacts, { tables, finder }: PlannedCatalogue): boolean {
  if (to === "gesta_owner" || (to === "gesta_gate" && on === "schema gesta")) return true;
  if (on.includes("gesta_keys")) return keysArePlanned(privilege, on, to, planned);
  if (to === "gesta_app") {
    if (privilege === "USAGE") return on === "schema app" || on === "schema gesta";
    return planned || tables.some(({ name, columns }) => on === `table ${name}` && isReading(privilege, columns));
  }
  if (to === "gesta_finder") {
    if (privilege === "USAGE") return on === "schema app" || on === "schema gesta";
    if (privilege === "EXECUTE") return finder.calls.some((name) => on === `function ${name}`);
    return tables.some(({ name, soughtColumns }) => on === `table ${name}` && isReading(privilege, soughtColumns));
  }
  return to !== "PUBLIC" && (privilege.startsWith("SELECT") || (privilege === "USAGE" && on.startsWith("schema ")));
}

/** Keys are for nobody to read but through the function that the application calls. */
const keysArePlanned = (privilege: string, on: string, to: string, planned: boolean): boolean =>
  on === "schema gesta_keys"
    ? to === "gesta_keeper" || (to === "gesta_app" && privilege === "USAGE")
    : to === "gesta_app" && planned;

const isReading = (privilege: string, columns: readonly string[] | null): boolean =>
  columns === null ? privilege === "SELECT" : columns.some((column) => privilege === `SELECT (${column})`);

const grantFault = ({ privilege, on, to }: GrantFacts): StartFault => ({
  what: `${to} has ${privilege} on ${on}, beyond the plan`,
  remedy: `revoke ${privilege} on ${on} from ${to}`,
});

/** Only schemas in which the application can create nothing; temporary tables last, for they come first unasked. */
function hasFixedPath({ searchPath }: DefinerFacts): boolean {
  if (searchPath === null) return false;
  const schemas = searchPath.split(",").map((part) => part.trim().replace(/^"(.*)"$/, "$1"));
  if (schemas.join("") === "") return true;
  const safe = schemas.every((schema) => ["pg_catalog", "app", "gesta", "gesta_keys", "pg_temp"].includes(schema));
  return safe && schemas.indexOf("pg_temp") === schemas.length - 1;
}

const pathFault = ({ name, searchPath }: DefinerFacts): StartFault => ({
  what:
    `the function ${name} runs with the rights of its owner and ` +
    (searchPath === null ? "the search_path of its caller" : `search_path = ${searchPath}`),
  remedy: `alter function ${name} set search_path = pg_catalog, pg_temp`,
});
