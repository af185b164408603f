import type { EntityPlan, FieldPlan, Plan, Policy } from "../../plan/plan.ts";
import { isPurgeable } from "../../plan/purging.ts";
import { policyCondition } from "../row-security/policy-condition.ts";
import type { PlannedPolicy } from "../row-security/row-security-emitter.ts";
import { ident, literal } from "../sql-text.ts";
import { folded } from "../tables/column-type.ts";
import { listsDeleted } from "./deleted-list-functions.ts";

/** Whether a policy stands between a list of an entity and its indexes: not where all may read all. */
export const isHeldBack = (plan: Plan, entity: EntityPlan): boolean =>
  policyCondition(plan, entity, entity.read, "r") !== "true";

/** The policy that lets `gesta_finder` look for records whoever asks. */
export const findPolicy: PlannedPolicy = { name: "find", roles: ["gesta_finder"], open: true };

/** The one function of `gesta_finder`. */
export const soughtFunction = "gesta.sought(text, jsonb)";

/** What the query for ids is put together with, as `gesta_finder`. */
export const finderFunctions = (plan: Plan): readonly string[] => [
  ...["gesta.actor()", "gesta.roles()", "gesta.is_system()"],
  ...[
    "gesta.listed(text, text)",
    "gesta.condition(text[], text, integer, boolean)",
    "gesta.conditions(text, jsonb)",
    "gesta.narrowed(text, jsonb)",
  ],
  ...[
    "gesta.sort_key(text[])",
    "gesta.beyond(text, jsonb)",
    "gesta.keys_of(text, jsonb)",
    "gesta.order_of(text, jsonb)",
  ],
  ...["gesta.wanted(integer)", "gesta.texts(jsonb)", "gesta.after_start(text)"],
  ...["gesta.page_of(jsonb)", "gesta.part_of(jsonb)"],
  ...plan.entities.flatMap((entity) => [
    `app.listed_${entity.name}(text)`,
    `app.listed_past_${entity.name}(text)`,
    `app.listed_walked_${entity.name}(text)`,
    ...(entity.aggregates === null ? [] : [`app.aggregated_${entity.name}(text)`]),
    `app.query_${entity.name}(jsonb, boolean)`,
    ...(listsDeleted(entity) ? [`app.query_deleted_${entity.name}(jsonb, boolean)`] : []),
  ]),
];

/** The columns that lists filter on and sort by, and those that policies look at: no other one is for `gesta_finder`. */
export function soughtColumns(plan: Plan, entity: EntityPlan): readonly string[] {
  const asked = entity.members.filter(({ filter, sort }) => filter || sort).map(({ name }) => name);
  const looked = plan.entities.flatMap((other) =>
    policiesIn(other).flatMap((policy) =>
      pathsIn(policy).flatMap((path) => {
        const [first = "", second] = path.split(".");
        const target = other.fields.find(({ name }) => name === first)?.target;
        return [
          ...(other === entity ? [first] : []),
          ...(second !== undefined && target === entity.name ? [second] : []),
        ];
      }),
    ),
  );
  const stamps = ["id", "deleted_at", ...(isPurgeable(entity) ? ["purged_at"] : [])];
  return [...new Set([...stamps, ...asked, ...looked])].map(ident);
}

/** The policies that stand written in a list's query. */
const policiesIn = ({ read, members, actions }: EntityPlan): readonly Policy[] => [
  read,
  ...members.flatMap(({ readBy }: FieldPlan) => (readBy === null ? [] : [readBy])),
  ...actions.filter(({ kind }) => kind === "restore").map(({ by }) => by),
];

const pathsIn = (policy: Policy): readonly string[] => {
  switch (policy.kind) {
    case "actor_is":
    case "actor_in":
      return [policy.path];
    case "any_of":
    case "all_of":
      return policy.policies.flatMap(pathsIn);
    default:
      return [];
  }
};

/**
 * Lists that are sought first. PostgreSQL asks a policy before a condition whose operator is not leakproof, so behind a
 * policy no index serves a price, an e-mail, the start of a text or an entry of a list. A role that no policy holds back
 * looks for the ids, with the read policy written into its query; the owner, whom policies hold back, reads these.
 */
export function emitSeeking(plan: Plan): string {
  const queries = plan.entities.map(({ name, ...entity }) => {
    const query = `app.query_${name}(asked, false)`;
    const deleted = listsDeleted({ name, ...entity })
      ? `case when asked ? 'deleted' then app.query_deleted_${name}(asked, false) else ${query} end`
      : query;
    return `    when ${literal(name)} then ${deleted}`;
  });
  return `${emitIsSought()}

${emitNarrowed()}

grant usage on schema gesta, app to gesta_finder;
grant execute on function
  ${finderFunctions(plan).join(",\n  ")}
  to gesta_finder;
${plan.entities.map((entity) => emitFindPolicy(plan, entity)).join("\n")}

grant create on schema gesta to gesta_finder;
set local role gesta_finder;
-- The ids of a page of a list. It takes what \`app.find_<entity>\` takes, so nothing else can be run as its owner, and is
-- planned at every call for these very values. Stable, so that its caller reads the records as they are here.
create or replace function gesta.sought(entity text, asked jsonb) returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  ids text[];
begin
  asked := asked || '{"sought": true}';
  execute case entity
${queries.join("\n")}
  end into ids using asked->'values';
  return ids;
end
$$;
revoke all on function ${soughtFunction} from public;
grant execute on function ${soughtFunction} to gesta_owner;
set local role gesta_owner;
revoke create on schema gesta from gesta_finder;`;
}

function emitFindPolicy(plan: Plan, entity: EntityPlan): string {
  const table = `app.${ident(entity.name)}`;
  return `revoke all on ${table} from gesta_finder;
grant select (${soughtColumns(plan, entity).join(", ")}) on ${table} to gesta_finder;
drop policy if exists find on ${table};
create policy find on ${table} for select to gesta_finder using (true);`;
}

const emitNarrowed =
  (): string => `-- The conditions of a list for whoever reads all. Which index serves a range, its own or that of the order, only its
-- values tell, and of numbers behind a policy PostgreSQL knows no values. So what lies in a range is counted, as far as
-- sorting it is less work than to look along the order for a page of it. What is more stands in a form of which a plan
-- thinks that half of all records meet it.
create or replace function gesta.narrowed(entity text, asked jsonb) returns text
language plpgsql stable set enable_sort = off set enable_bitmapscan = off as $$
declare
  most integer := greatest(1000, sqrt((asked->'values'->>2)::float8
    * (select greatest(0, c.reltuples) from pg_class c where c.oid = format('app.%I', entity)::regclass)));
  filter jsonb;
  piece text[];
  op text;
  plain jsonb := '[]';
  ranges jsonb := '{}';
  conditions text;
  col text;
  within text;
  number bigint;
begin
  for filter in select jsonb_array_elements(asked->'filters') loop
    op := filter->>1;
    piece := gesta.listed(entity, filter->>0);
    if piece[4] is null and (op in ('gt', 'gte', 'lt', 'lte') and filter->0 <> asked->'sort'->0->0 or op = 'starts') then
      col := case when op = 'starts' and piece[3] = 'text' then format('${folded("%s")}', piece[1]) else piece[1] end;
      ranges := ranges || jsonb_build_object(
        col, concat(ranges->>col || ' and ', '(' || gesta.condition(piece, op, (filter->>2)::integer, true) || ')'));
    else
      plain := plain || jsonb_build_array(filter);
    end if;
  end loop;
  conditions := gesta.conditions(entity, asked || jsonb_build_object('filters', plain));
  for col, within in select * from jsonb_each_text(ranges) loop
    within := format('select r.id from app.%I r where r.deleted_at is null and %s order by %s limit %s', entity, within, col, most);
    execute concat('select count(*) from (', within, ') found') into number using asked->'values';
    conditions := concat(conditions, case when number < most then format(' and r.id = any (array(%s))', within)
      else format(' and case when %s then true end', ranges->>col) end);
  end loop;
  return conditions;
end
$$;
revoke all on function gesta.narrowed(text, jsonb) from public;`;

const emitIsSought =
  (): string => `-- Whether the ids of a list are to be sought first: where a policy holds an index back from a condition, since its operator
-- is not leakproof; and where only the values tell which index serves, that of a filter or that of the order.
create or replace function gesta.is_sought(entity text, asked jsonb, held_back boolean) returns boolean language plpgsql immutable as $$
declare
  filter jsonb;
  op text;
  key jsonb;
begin
  for filter in select jsonb_array_elements(asked->'filters') loop
    op := filter->>1;
    if op in ('gt', 'gte', 'lt', 'lte', 'in') and filter->0 <> asked->'sort'->0->0 or op = 'starts' then return true; end if;
    if held_back and (op = 'has' or op in ('eq', 'gt', 'gte', 'lt', 'lte', 'in')
                                    and (gesta.listed(entity, filter->>0))[3] in ('numeric', 'email')) then
      return true;
    end if;
  end loop;
  if held_back and asked->'sort'->0->>2 <> 'first' then
    for key in select jsonb_array_elements(asked->'sort') loop
      if (gesta.listed(entity, key->>0))[3] = 'numeric' then return true; end if;
    end loop;
  end if;
  return false;
end
$$;
revoke all on function gesta.is_sought(text, jsonb, boolean) from public;`;
