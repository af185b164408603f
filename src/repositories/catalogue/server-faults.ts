import type { StartFault } from "../../kernel/start-fault.ts";
import type { Catalogue, RoleFacts } from "./catalogue.ts";

/** Major version -> the first minor that has no known way past row-level security (CVE-2024-10976, CVE-2025-8713). */
const safeMinors: Readonly<Record<number, number>> = { 15: 14, 16: 10, 17: 6 };
const oldestMajor = 15;

const settingRemedies: Readonly<Record<string, string>> = {
  fsync: "a crash of the machine would destroy the database",
  full_page_writes: "a crash of the machine would destroy pages",
  synchronous_commit: "a crash would lose what was acknowledged",
};

/** What is unsafe about the server and its roles, whatever is in the database. Pure. */
export function serverFaults({ server }: Catalogue): readonly StartFault[] {
  if (server === null) return [];
  const { version, settings, login, loginFailure, roles } = server;
  return [
    ...versionFaults(version),
    ...Object.entries(settings)
      .filter(([, value]) => value === "off")
      .map(([name]) => ({
        what: `the server runs with ${name} = off: ${settingRemedies[name] ?? "data can be lost"}`,
        remedy: `alter system set ${name} = on; select pg_reload_conf()`,
      })),
    ...(loginFailure === null
      ? []
      : [
          {
            what: `DATABASE_URL got no session as gesta_app: ${loginFailure}`,
            remedy: "check its host, role and password; then: grant gesta_app to <the role>",
          },
        ]),
    ...roles.flatMap((role) => roleFaults(role, role.name === login)),
  ];
}

function versionFaults(version: number): readonly StartFault[] {
  const major = Math.floor(version / 10_000);
  const least = major < oldestMajor ? safeMinors[oldestMajor] : safeMinors[major];
  if (major >= oldestMajor && (least === undefined || version % 10_000 >= least)) return [];
  const wanted = `${Math.max(major, oldestMajor)}.${least}`;
  const reason = major < oldestMajor ? "is too old" : "has known ways past row-level security";
  return [
    {
      what: `PostgreSQL ${major}.${version % 10_000} ${reason}`,
      remedy: `install PostgreSQL ${wanted} or later`,
    },
  ];
}

function roleFaults(role: RoleFacts, isLogin: boolean): readonly StartFault[] {
  const { name } = role;
  const fault = (bad: boolean, what: string, remedy: string): readonly StartFault[] => (bad ? [{ what, remedy }] : []);
  return [
    ...fault(
      role.superuser,
      `the role ${name} is a superuser: row-level security does not bind it`,
      isLogin
        ? `use a login role of its own in DATABASE_URL: create role shop login password '…' in role gesta_app`
        : `alter role ${name} nosuperuser`,
    ),
    ...fault(
      role.bypassesRowSecurity && !role.superuser,
      `the role ${name} has BYPASSRLS: row-level security does not bind it`,
      `alter role ${name} nobypassrls`,
    ),
    ...fault(
      role.createsRoles && !role.superuser,
      `the role ${name} may create roles, and so become others`,
      `alter role ${name} nocreaterole`,
    ),
    ...fault(
      role.replicates && !role.superuser,
      `the role ${name} may replicate, and so read everything`,
      `alter role ${name} noreplication`,
    ),
    ...fault(
      role.logsIn && !isLogin,
      `the role ${name} may log in; it is there to be taken on`,
      `alter role ${name} nologin`,
    ),
    ...role.memberOf
      .filter((other) => other !== "gesta_app")
      .map((other) => ({
        what: `the role ${name} is a member of ${other}: it may do whatever ${other} may`,
        remedy: `revoke ${other} from ${name}`,
      })),
    // A superuser may do all of it anyway.
    ...(role.superuser || ["gesta_owner", "gesta_gate", "gesta_keeper"].includes(name) ? [] : role.owns).map(
      (object) => ({
        what: `the role ${name} owns the ${object}: an owner may change and drop it`,
        remedy: `alter ${object} owner to ${/^\S+ (app|gesta)\b/.test(object) ? "gesta_owner" : "<another role>"}`,
      }),
    ),
  ];
}
