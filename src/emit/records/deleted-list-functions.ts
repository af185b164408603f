import { offeredActions } from "../../plan/audience.ts";
import { deletionStamps } from "../../plan/delete-rules.ts";
import type { ActionPlan, EntityPlan, Plan } from "../../plan/plan.ts";
import { isPurgeable } from "../../plan/purging.ts";
import { andRead, policyCondition } from "../row-security/policy-condition.ts";
import { ident, indent, literal } from "../sql-text.ts";
import { type Reach, waysOf } from "./reach.ts";

const restoreOf = (entity: EntityPlan): ActionPlan | undefined =>
  offeredActions(entity).find(({ kind }) => kind === "restore");

/** Whether anybody sees deleted records of an entity in lists. */
export const listsDeleted = (entity: EntityPlan): boolean => restoreOf(entity) !== undefined;

/**
 * Lists with deleted records, for whoever may restore them. The indexes of lists leave deleted records out, and the one
 * of deleted records has nothing else: so they are two parts, each found by its own, and merged into the order.
 */
export function emitDeletedQuery(plan: Plan, entity: EntityPlan, reach: Reach | null): string {
  const { name } = entity;
  const table = `app.${ident(name)}`;
  const restorable = policyCondition(plan, entity, restoreOf(entity)?.by ?? { kind: "nobody" }, "r", true);
  const mayRestore = restorable === "true" ? "" : ` and ((select gesta.is_system()) or ${restorable})`;
  const part = (found: string, others = "", conditions = "conditions") =>
    `'(select ', show, ${literal(` from ${table} r where ${found}`)}${others}, ${conditions}, ending, ')'`;
  // Whoever seeks is held back by no policy.
  const read = andRead(plan, entity, "r");
  const unheld = read === "" ? "" : ", read";
  // What is purged has no way back, and nothing to show.
  const there = isPurgeable(entity) ? " and r.purged_at is null" : "";
  const deleted = part(`r.deleted_at is not null${there}${mayRestore}`, unheld);
  const narrowed = `case when asked ? 'sought' then gesta.narrowed('${name}', asked) else conditions end`;
  const all = part("r.deleted_at is null", reach === null ? unheld : "", narrowed);
  return `-- A record of ${name} as JSON, as lists with deleted records show it.
create or replace function app.shown_deleted_${name}(r ${table}) returns text
language sql stable as $$
  select concat(
    left(app.shown_${name}(r), -1),
    ${deletionStamps(entity)
      .map((stamp) => `',"${stamp}":', ${momentOf(entity, stamp)}`)
      .join(",\n    ")},
    '}'
  )
$$;

-- The query for a page of ${name} with deleted ones that the actor may restore, or of those alone; or for all that are to
-- be counted.
create or replace function app.query_deleted_${name}(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  conditions text := gesta.conditions('${name}', asked);
${read === "" ? "" : `  read text := case when asked ? 'sought' then ${literal(read)} end;\n`}  show text := '1';
  ending text;
  pages text;
begin
  if not counting then
    show := concat(case when asked ? 'sought' then 'r.id' else 'r' end, ' as whole, ', gesta.keys_of('${name}', asked->'sort'));
    ending := concat(gesta.order_of('${name}', asked->'sort'), gesta.part_of(asked));
  end if;
  pages := concat(${deleted});
  if asked->>'deleted' = 'include' then
${indent(reach === null ? `pages := concat(pages, ' union all ', ${all});` : restricted(part, all, reach), 4)}
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select ', case when asked ? 'sought' then 'whole' else 'app.shown_deleted_${name}(whole)' end,
    ' from (select whole from (', pages, ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;`;
}

function momentOf(entity: EntityPlan, stamp: "deleted_at" | "purge_at"): string {
  const wait = restoreWait(entity);
  const moment = stamp === "deleted_at" ? "r.deleted_at" : `r.deleted_at + interval '${wait} milliseconds'`;
  return `coalesce('"' || gesta.instant(${moment}) || '"', 'null')`;
}

const restoreWait = ({ actions }: EntityPlan): number =>
  actions.find(({ kind }) => kind === "delete")?.barrier?.wait ?? 0;

/** Living records of whoever may not read all of them, by each way in which one can be theirs. */
function restricted(part: (found: string) => string, all: string, reach: Reach): string {
  const parts = waysOf(reach).map(({ ids, found }) => {
    const living = part(`r.deleted_at is null and ${found}`);
    return ids === null
      ? living
      : `${literal(`(select page.* from unnest(array(${ids})) reached (id) cross join lateral `)}, ${living}, ' page)'`;
  });
  return `if ${reach.all} then
  pages := concat(pages, ' union all ', ${all});
else
  pages := concat(pages,
    ' union all ', ${parts.join(",\n    ' union all ', ")});
end if;`;
}
