import type { EntityPlan } from "../../plan/plan.ts";
import { isPurgeable, personalFields } from "../../plan/purging.ts";
import { personalNames, streamOf } from "../records/write-parts.ts";
import { ident, literal } from "../sql-text.ts";

/**
 * Changes by hand: whatever changes a table but Gesta's own functions, which run as gesta_owner. A trigger before it moves
 * the stamps on, so that caches and writers notice; one after it appends the event, in the same statement.
 */
export function emitByHand(entity: EntityPlan): string {
  const { name, title } = entity;
  const table = `app.${ident(name)}`;
  const stream = (row: string) => streamOf(entity, `${row}.id`);
  const kept = (row: string, version: string, data: string) =>
    personalFields(entity).length === 0
      ? data
      : `gesta.put_aside(${stream(row)}, ${version}, ${data}, ${personalNames(entity)})`;
  const append = (what: string, row: string, version: string, at: string, data: string) =>
    `perform gesta.append_by_hand(${literal(name)}, ${literal(`${title}${what}ByHand`)}, ${literal(`${what.toLowerCase()}_by_hand`)},
      ${stream(row)}, ${version}, ${at}, ${kept(row, version, data)});`;
  return `-- What a record of ${name} holds, in the form of events: all but its id and stamps.
create or replace function app.facts_${name}(r ${table}) returns jsonb
language sql stable as $$
  select (app.full_${name}(r)::jsonb - '{id,version,created_at,updated_at}'::text[])
         || jsonb_build_object('deleted_at', gesta.instant(r.deleted_at)${isPurgeable(entity) ? ", 'purged_at', gesta.instant(r.purged_at)" : ""})
$$;

create or replace function app.stamp_${name}() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_${name}(new) = app.facts_${name}(old) then
    stamps := row(old.version, old.created_at, old.updated_at);
  else
    stamps := gesta.next_stamps(${stream("new")});
  end if;
  new.version := stamps.version;
  new.created_at := stamps.created_at;
  new.updated_at := stamps.updated_at;
  return new;
end
$$;

create or replace function app.record_${name}() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and new.id <> old.id) then
    stamps := gesta.next_stamps(${stream("old")});
    ${append("Removed", "old", "stamps.version", "stamps.updated_at", "jsonb_build_object('deleted_at', gesta.instant(stamps.updated_at))")}
    if tg_op = 'DELETE' then return null; end if;
  end if;
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_${name}(new) = app.facts_${name}(old) then return null; end if;
  -- A record that no event knew yet is told whole.
  if tg_op = 'INSERT' or new.id <> old.id or new.version = 1 then
    ${append("Added", "new", "new.version", "new.updated_at", `app.facts_${name}(new)`)}
  else
    ${append("Changed", "new", "new.version", "new.updated_at", `gesta.differences(app.facts_${name}(old), app.facts_${name}(new))`)}
  end if;
  return null;
end
$$;

create or replace trigger by_hand_stamped before insert or update on ${table}
  for each row when (current_user <> 'gesta_owner') execute function app.stamp_${name}();
create or replace trigger by_hand_recorded after insert or update or delete on ${table}
  for each row when (current_user <> 'gesta_owner') execute function app.record_${name}();
create or replace trigger truncated after truncate on ${table} execute function gesta.note_truncation();`;
}
