/**
 * The roles. `gesta_owner` owns everything and cannot log in; `gesta_app` owns nothing, may call the functions and
 * read through row-level security; `gesta_gate` owns the one function that lets an actor in, and may read of the actors
 * what that takes; `gesta_finder` owns the one function that looks for the records of a list whoever asks, and reads what
 * lists may be asked about; `gesta_keeper` owns the keys of personal data, and nothing else. Roles belong to the whole
 * server, so another database may be making them now.
 */
export const rolesSql = `do $$
declare
  role text;
  -- From version 16 on, who makes a role is its member, but may not take it on unless granted so.
  may text := case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end;
begin
  foreach role in array array['gesta_owner', 'gesta_app', 'gesta_gate', 'gesta_finder', 'gesta_keeper'] loop
    if not exists (select from pg_roles where rolname = role) then
      begin
        execute format('create role %I nologin noinherit', role);
      exception when duplicate_object or unique_violation then
        null;
      end;
    end if;
  end loop;
  if exists (
    select from unnest(array['gesta_owner', 'gesta_app', 'gesta_gate', 'gesta_finder', 'gesta_keeper']) r
      where not pg_has_role(current_user, r, may)) then
    execute format('grant gesta_owner, gesta_app, gesta_gate, gesta_finder, gesta_keeper to %I', current_user);
  end if;
  execute format('grant create on database %I to gesta_owner', current_database());
end
$$;`;
