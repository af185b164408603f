import type { Engine } from "../../database/engine.ts";
import { keyFunctions } from "../../database/schema/keys-ledger.ts";
import { ledgerFunctions } from "../../database/schema/ledger.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { prepareRoles } from "../schema-repository.ts";
import type { Catalogue, PlannedCatalogue } from "./catalogue.ts";

/** Each part of the catalogue as one JSON value; `$1` is the application's login, `$2` its functions, `$3` the finder's. */
const parts = {
  server: `select jsonb_build_object(
    'version', current_setting('server_version_num')::int,
    'settings', (
      select jsonb_object_agg(name, setting) from pg_settings
        where name in ('fsync', 'full_page_writes', 'synchronous_commit')),
    'login', $1::text,
    'roles', (
      select jsonb_agg(jsonb_build_object(
          'name', r.rolname, 'superuser', r.rolsuper, 'bypassesRowSecurity', r.rolbypassrls,
          'createsRoles', r.rolcreaterole, 'replicates', r.rolreplication, 'logsIn', r.rolcanlogin,
          'memberOf', (
            with recursive groups(id) as (
              select roleid from pg_auth_members where member = r.oid
              union select m.roleid from pg_auth_members m join groups g on m.member = g.id)
            select coalesce(jsonb_agg(g.id::regrole::text order by g.id), '[]') from groups g),
          'owns', (
            select coalesce(jsonb_agg(o.object order by o.object), '[]') from (
              select 'database ' || quote_ident(d.datname) as object, d.datdba as owner from pg_database d
                where d.datname = current_database()
              union all select 'schema ' || quote_ident(n.nspname), n.nspowner from pg_namespace n
              union all select relation.object, relation.owner from relation where relation.kind in ('r', 'p', 'v', 'm')
            ) o where o.owner = r.oid))
        order by r.rolname)
      from pg_roles r where r.rolname in ($1::text, 'gesta_app', 'gesta_finder', 'gesta_gate', 'gesta_keeper', 'gesta_owner')))`,

  tables: `select jsonb_agg(jsonb_build_object('name', name, 'enabled', enabled, 'forced', forced) order by name)
    from relation where schema = 'app' and kind in ('r', 'p')`,

  policies: `select jsonb_agg(jsonb_build_object('table', t.name, 'name', quote_ident(p.polname), 'roles', (
        select jsonb_agg(case r when 0 then 'PUBLIC' else r::regrole::text end) from unnest(p.polroles) r), 'conditions',
      to_jsonb(array_remove(array[pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)], null)))
      order by t.name, p.polname)
    from pg_policy p join relation t on t.id = p.polrelid where t.schema in ('app', 'gesta')`,

  grants: `select jsonb_agg(jsonb_build_object('privilege', a.privilege_type || o.part, 'on', o.object, 'planned', o.planned,
      'to', case a.grantee when 0 then 'PUBLIC' else a.grantee::regrole::text end)
      order by o.object, a.grantee, a.privilege_type)
    from (
      select object, owner, acl, false as planned, '' as part from relation where schema in ('app', 'gesta', 'gesta_keys')
      union all select object, owner, c.attacl, false, ' (' || quote_ident(c.attname) || ')'
        from relation join pg_attribute c on c.attrelid = relation.id
        where schema in ('app', 'gesta', 'gesta_keys') and c.attacl is not null and not c.attisdropped
      union all select 'function ' || name, owner, acl, planned, '' from routine where schema in ('app', 'gesta', 'gesta_keys')
      union all select 'schema ' || nspname, nspowner, nspacl, false, '' from pg_namespace where nspname in ('app', 'gesta', 'gesta_keys')
    ) o, aclexplode(o.acl) a
    where a.grantee <> o.owner`,

  definers: `select jsonb_agg(jsonb_build_object('name', name, 'searchPath', path) order by name)
    from routine where schema in ('app', 'gesta', 'gesta_keys') and definer`,

  strangers: `select jsonb_agg(jsonb_build_object('object', object, 'owner', owner::regrole::text) order by object)
    from (
      select object, owner, array[case schema when 'gesta_keys' then 'gesta_keeper' else 'gesta_owner' end] as owners from relation
        where schema in ('app', 'gesta', 'gesta_keys') and kind <> 'S'
      union all select 'function ' || name, owner, case when schema = 'gesta_keys' then array['gesta_keeper'] when name = $3::text then array['gesta_finder']
            else array['gesta_owner', 'gesta_gate'] end
        from routine
        where schema in ('app', 'gesta', 'gesta_keys')
      union all select 'schema ' || nspname, nspowner, array['gesta_owner'] from pg_namespace
        where nspname in ('app', 'gesta', 'gesta_keys')
    ) o where owner::regrole::text <> all (owners)`,

  openViews: `select jsonb_agg(jsonb_build_object('name', v.name, 'materialized', v.kind = 'm') order by v.name)
    from (
      with recursive reads(id) as (
        select w.ev_class from relation t
          join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = t.id
          join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and w.ev_class <> t.id
          where t.schema in ('app', 'gesta')
        union select w.ev_class from reads r
          join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = r.id
          join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and w.ev_class <> r.id
      ) select id from reads
    ) r join relation v on v.id = r.id
    where v.kind in ('v', 'm') and has_any_column_privilege('gesta_app', v.id, 'select')
      and (v.kind = 'm' or not exists (
        select from pg_options_to_table(v.options)
          where option_name = 'security_invoker' and option_value::boolean))`,

  openFunctions: `select jsonb_agg(name order by name) from routine
    where schema not in ('app', 'gesta', 'gesta_keys') and definer
      and has_function_privilege('gesta_app', id, 'execute') and has_schema_privilege('gesta_app', schema, 'usage')
      and not exists (select from pg_depend where classid = 'pg_proc'::regclass and objid = id and deptype = 'e')`,

  writableSchemas: `select jsonb_agg(quote_ident(nspname) order by nspname) from pg_namespace
    where nspname !~ '^pg_' and nspname <> 'information_schema' and has_schema_privilege('gesta_app', oid, 'create')`,

  // Bits of tgtype: 8 DELETE, 16 UPDATE, 32 TRUNCATE.
  changeableEvents: `select jsonb_agg(t.name order by t.name)
    from relation t
    where t.id in (to_regclass('gesta.events'), to_regclass('gesta.audit'))
      and coalesce((
        select bit_or(g.tgtype::int) from pg_trigger g join routine f on f.id = g.tgfoid
          where g.tgrelid = t.id and g.tgenabled in ('O', 'A') and f.name = 'gesta.refuse_rewriting()'), 0)
        & 56 <> 56`,

  clockMoved: `select to_jsonb(exists (
    select from pg_proc p join routine f on f.id = p.oid where f.name = 'gesta.now()' and p.prosrc like '%interval%'))`,

  missingFunctions: `select jsonb_agg(f) from unnest($2::text[] || $3::text) f
    where not exists (select from routine where replace(name, '"', '') = replace(f, '"', ''))`,
} as const;

/** What stands in the schemas of the database, but the system's own. */
const catalogueText = `with relation as materialized (
  select c.oid as id, n.nspname as schema, format('%I.%I', n.nspname, c.relname) as name,
      case c.relkind when 'v' then 'view ' when 'm' then 'materialized view ' when 'S' then 'sequence ' else 'table ' end
        || format('%I.%I', n.nspname, c.relname) as object,
      c.relkind as kind, c.relowner as owner, c.relacl as acl, c.reloptions as options,
      c.relrowsecurity as enabled, c.relforcerowsecurity as forced
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
), routine as materialized (
  select p.oid as id, n.nspname as schema, s.name, p.proowner as owner, p.prosecdef as definer,
      coalesce(p.proacl, acldefault('f', p.proowner)) as acl,
      (select substr(c, 13) from unnest(p.proconfig) c where c like 'search_path=%') as path,
      replace(s.name, '"', '') in (select replace(f, '"', '') from unnest($2::text[]) f) as planned
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace, lateral (
      -- The types by their schemas, whatever the search_path is.
      select format('%I.%I(%s)', n.nspname, p.proname, string_agg(
          case s.nspname when 'pg_catalog' then format_type(t.oid, null)
            else format('%I.%I', s.nspname, t.typname) end, ', ' order by a.place)) as name
        from unnest(p.proargtypes) with ordinality a(type, place)
          join pg_type t on t.oid = a.type join pg_namespace s on s.oid = t.typnamespace
    ) s
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
)
select jsonb_build_object(${Object.entries(parts)
  .map(([name, text]) => `'${name}', coalesce((${text}), '[]')`)
  .join(",\n")})::text`;

/** What the database is, and what it should be. */
export interface CatalogueRepository {
  readonly planned: PlannedCatalogue;
  /** Makes the roles that the catalogue is asked with, where they are missing. */
  prepare(): Promise<void>;
  /** Reads what the start judges: one statement as the owner, so that all parts are of one moment. */
  read(): Promise<Catalogue>;
}

export function catalogueRepository(
  engine: Engine,
  { tables, functions, finder }: PlannedCatalogue,
): CatalogueRepository {
  const planned = { tables, finder, functions: [...ledgerFunctions, ...keyFunctions, ...functions] };
  return {
    planned,
    prepare: () => prepareRoles(engine),
    async read() {
      const { login, failure } = engine.kind === "postgres" ? await loginOf(engine) : { login: null, failure: null };
      const [row = []] = await engine.inspect(catalogueText, [login, planned.functions, finder.owns]);
      // The statement above builds exactly this shape.
      const read = JSON.parse(String(row[0])) as Catalogue;
      if (engine.kind === "pglite" || read.server === null) return { ...read, server: null };
      return { ...read, server: { ...read.server, loginFailure: failure } };
    },
  };
}

/** Asked of the application's own connection: a pooler may log in as somebody else than the URL says. */
async function loginOf(engine: Engine): Promise<{ readonly login: string | null; readonly failure: string | null }> {
  try {
    const [row = []] = await engine.run(
      { name: "login", text: "select session_user::text, current_user::text", writes: false },
      [],
    );
    const [login, acting] = row;
    const failure = acting === "gesta_app" ? null : `it acts as ${acting}; take 'options' out of the URL`;
    return { login: String(login), failure };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { cause } = error;
    return { login: null, failure: cause instanceof Error ? cause.message : error.message };
  }
}
