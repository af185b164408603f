const table = "app.orders";
const functions = "app.write_orders(jsonb)";
const sought = "gesta.sought(text, jsonb)";
/** A way to make a database unsafe and the way back, with what the start says; nothing to mend it: made anew. */
export const unsafeDatabases: readonly {
  readonly fault: string;
  readonly broken: string;
  readonly mended: string;
  readonly says: string;
}[] = [
  // Roles
  ["superuser", "alter role shop superuser", "alter role shop nosuperuser", "the role shop is a superuser"],
  ["BYPASSRLS", "alter role shop bypassrls", "alter role shop nobypassrls", "the role shop has BYPASSRLS"],
  ["CREATEROLE", "alter role shop createrole", "alter role shop nocreaterole", "the role shop may create roles"],
  ["REPLICATION", "alter role shop replication", "alter role shop noreplication", "the role shop may replicate"],
  [
    "a member of the owner",
    "grant gesta_owner to shop",
    "revoke gesta_owner from shop",
    "shop is a member of gesta_owner",
  ],
  [
    "more than gesta_app inherited",
    "alter role shop inherit; grant reporter to shop",
    "alter role shop noinherit; revoke reporter from shop",
    "shop is a member of reporter",
  ],
  [
    "more through gesta_app",
    "grant pg_write_all_data to gesta_app",
    "revoke pg_write_all_data from gesta_app",
    "gesta_app is a member of pg_write_all_data",
  ],
  [
    "an owner of a table",
    `alter table ${table} owner to shop`,
    `alter table ${table} owner to gesta_owner`,
    "shop owns the table app.orders",
  ],
  [
    "an owner of the database",
    "alter database shop owner to shop",
    "alter database shop owner to migrator",
    "shop owns the database shop",
  ],
  ["gesta_app may log in", "alter role gesta_app login", "alter role gesta_app nologin", "gesta_app may log in"],
  [
    "an owner past row security",
    "alter role gesta_owner bypassrls",
    "alter role gesta_owner nobypassrls",
    "gesta_owner has BYPASSRLS",
  ],
  [
    "no member of gesta_app",
    "set role migrator; revoke gesta_app from shop; reset role",
    "set role migrator; grant gesta_app to shop; reset role",
    'permission denied to set role "gesta_app"',
  ],
  // Row-level security
  [
    "row security off",
    `alter table ${table} disable row level security`,
    `alter table ${table} enable row level security`,
    "the table app.orders has no row-level security",
  ],
  [
    "row security not forced",
    `alter table ${table} no force row level security`,
    `alter table ${table} force row level security`,
    "app.orders does not bind its owner",
  ],
  [
    "a table that nobody planned",
    "create table app.notes (); alter table app.notes owner to gesta_owner",
    "drop table app.notes",
    "the table app.notes has no row-level security",
  ],
  [
    "a policy too many",
    `create policy extra on ${table} using (true)`,
    `drop policy extra on ${table}`,
    "the policy extra on app.orders is not the plan's",
  ],
  [
    "a policy for others",
    "alter policy gate on app.users to public",
    "",
    "the policy gate on app.users is for PUBLIC too",
  ],
  [
    "a policy that lets everyone through",
    "alter policy creation on app.users with check (true)",
    "",
    "the policy creation on app.users lets everyone through",
  ],
  [
    "a policy that lets nobodies through",
    `alter policy read on ${table} using ((select gesta.actor()) is null)`,
    "",
    "lets through those who are nobody",
  ],
  [
    "a policy that asks for each row",
    `alter policy read on ${table} using (user_id = gesta.actor())`,
    "",
    "once for each row",
  ],
  ["a policy missing", `drop policy change on ${table}`, "", "the table app.orders has no policy change"],
  // Rights
  [
    "INSERT to gesta_app",
    `grant insert on ${table} to gesta_app`,
    `revoke insert on ${table} from gesta_app`,
    "gesta_app has INSERT on table app.orders",
  ],
  [
    "UPDATE of a column",
    `grant update (status) on ${table} to gesta_app`,
    `revoke update (status) on ${table} from gesta_app`,
    "gesta_app has UPDATE (status) on table app.orders",
  ],
  [
    "SELECT to PUBLIC",
    "grant select on gesta.secrets to public",
    "revoke select on gesta.secrets from public",
    "PUBLIC has SELECT on table gesta.secrets",
  ],
  [
    "INSERT to somebody else",
    "grant insert on gesta.events to reporter",
    "revoke insert on gesta.events from reporter",
    "reporter has INSERT on table gesta.events",
  ],
  [
    "a function to gesta_app",
    "grant execute on function app.apply_orders(jsonb[]) to gesta_app",
    "revoke execute on function app.apply_orders(jsonb[]) from gesta_app",
    "gesta_app has EXECUTE on function app.apply_orders(jsonb[])",
  ],
  [
    "a function to PUBLIC",
    "grant execute on function gesta.keep_secrets(uuid, jsonb) to public",
    "revoke execute on function gesta.keep_secrets(uuid, jsonb) from public",
    "PUBLIC has EXECUTE on function gesta.keep_secrets(uuid, jsonb)",
  ],
  [
    "a sequence",
    "grant usage on sequence gesta.event_seq to gesta_app",
    "revoke usage on sequence gesta.event_seq from gesta_app",
    "gesta_app has USAGE on sequence gesta.event_seq",
  ],
  [
    "CREATE in a schema",
    "grant create on schema app to gesta_app",
    "revoke create on schema app from gesta_app",
    "gesta_app may create things in the schema app",
  ],
  [
    "CREATE in public",
    "grant create on schema public to public",
    "revoke create on schema public from public",
    "gesta_app may create things in the schema public",
  ],
  // The role that no policy holds back
  [
    "a member of the finder",
    "grant gesta_finder to shop",
    "revoke gesta_finder from shop",
    "shop is a member of gesta_finder",
  ],
  [
    "a finder past row security",
    "alter role gesta_finder bypassrls",
    "alter role gesta_finder nobypassrls",
    "gesta_finder has BYPASSRLS",
  ],
  [
    "a finder that logs in",
    "alter role gesta_finder login",
    "alter role gesta_finder nologin",
    "gesta_finder may log in",
  ],
  [
    "a finder that makes things",
    "grant create on schema gesta to gesta_finder",
    "revoke create on schema gesta from gesta_finder",
    "gesta_finder has CREATE on schema gesta",
  ],
  [
    "a finder that calls more",
    "grant execute on function app.apply_orders(jsonb[]) to gesta_finder",
    "revoke execute on function app.apply_orders(jsonb[]) from gesta_finder",
    "gesta_finder has EXECUTE on function app.apply_orders(jsonb[])",
  ],
  [
    "a finder that reads more",
    `grant select (items) on ${table} to gesta_finder`,
    `revoke select (items) on ${table} from gesta_finder`,
    "gesta_finder has SELECT (items) on table app.orders",
  ],
  [
    "the finder's policy for others",
    `alter policy find on ${table} to gesta_finder, gesta_app`,
    "",
    "the policy find on app.orders is for gesta_app too",
  ],
  [
    "the finder's function to gesta_app",
    `grant execute on function ${sought} to gesta_app`,
    `revoke execute on function ${sought} from gesta_app`,
    "gesta_app has EXECUTE on function gesta.sought(text, jsonb)",
  ],
  [
    "the finder's function in other hands",
    `alter function ${sought} owner to gesta_owner`,
    `alter function ${sought} owner to gesta_finder; grant execute on function ${sought} to gesta_owner`,
    "gesta.sought(text, jsonb) belongs to gesta_owner, not to gesta_finder",
  ],
  [
    "another function of the finder's",
    "create function gesta.peek() returns bigint language sql as 'select 1'; alter function gesta.peek() owner to gesta_finder; revoke all on function gesta.peek() from public",
    "drop function gesta.peek()",
    "gesta.peek() belongs to gesta_finder, not to gesta_owner",
  ],
  [
    "the finder's function missing",
    `alter function ${sought} rename to sought_no_more`,
    "alter function gesta.sought_no_more(text, jsonb) rename to sought",
    "the function gesta.sought(text, jsonb) is missing",
  ],
  // Functions, views, events
  [
    "the caller's search_path",
    `alter function ${functions} reset search_path`,
    `alter function ${functions} set search_path = pg_catalog, pg_temp`,
    "app.write_orders(jsonb) runs with the rights of its owner and the search_path of its caller",
  ],
  [
    "a writable search_path",
    `alter function ${functions} set search_path = public, pg_temp`,
    `alter function ${functions} set search_path = pg_catalog, pg_temp`,
    "search_path = public, pg_temp",
  ],
  [
    "a function of a superuser's",
    `alter function ${functions} owner to postgres`,
    `alter function ${functions} owner to gesta_owner; grant execute on function ${functions} to gesta_app`,
    "app.write_orders(jsonb) belongs to postgres",
  ],
  [
    "a superuser's function elsewhere",
    "create function public.peek() returns bigint language sql security definer as 'select count(*) from app.orders'",
    "drop function public.peek()",
    "gesta_app may call public.peek()",
  ],
  [
    "a view past row security",
    "create view public.every as select * from app.orders; create view public.over as select * from public.every; grant select on public.over to gesta_app",
    "drop view public.over, public.every",
    "the view public.over shows gesta_app records",
  ],
  [
    "a materialized view",
    "create materialized view public.kept as select * from app.orders; grant select on public.kept to gesta_app",
    "drop materialized view public.kept",
    "the materialized view public.kept shows",
  ],
  [
    "a missing function",
    "alter function app.write_orders(jsonb) rename to write_orders_no_more",
    "alter function app.write_orders_no_more(jsonb) rename to write_orders",
    "the function app.write_orders(jsonb) is missing",
  ],
  [
    "events that can be changed",
    "alter table gesta.events disable trigger only_added",
    "alter table gesta.events enable trigger only_added",
    "events in gesta.events can be changed",
  ],
  [
    "events that can be emptied",
    "alter table gesta.events disable trigger never_emptied",
    "alter table gesta.events enable trigger never_emptied",
    "events in gesta.events can be changed",
  ],
  // Settings
  [
    "synchronous_commit off",
    "alter database shop set synchronous_commit = off",
    "alter database shop reset synchronous_commit",
    "synchronous_commit = off",
  ],
].map(([fault = "", broken = "", mended = "", says = ""]) => ({ fault, broken, mended, says }));
