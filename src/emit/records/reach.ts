import type { EntityPlan, Plan, Policy } from "../../plan/plan.ts";
import { andRead } from "../row-security/policy-condition.ts";
import { ident, literals } from "../sql-text.ts";

/** One way in which single records are the actor's to read, found through an index that starts with its column. */
export interface ReachBranch {
  /** A query for the ids that the column may have; null where the actor's own id is the only one. */
  readonly ids: string | null;
  readonly column: string;
}

/** Who reads all records of an entity, as a condition without a row, and how the others find theirs, if any. */
export interface Reach {
  readonly all: string;
  readonly branches: readonly ReachBranch[];
}

/**
 * A read policy taken apart. Row-level security holds whatever is asked, but as a filter: whoever may read ten of a
 * million records, or none, would wait for a walk through all of them. Null where all read all, or the policy is not a
 * choice of ways that an index can serve.
 */
export function reachOf(plan: Plan, entity: EntityPlan): Reach | null {
  const parts = alternatives(entity.read);
  const settled: string[] = ["gesta.is_system()"];
  const branches: ReachBranch[] = [];
  for (const part of parts) {
    switch (part.kind) {
      case "actor_has":
        settled.push(`gesta.roles() && ${literals(part.roles)}`);
        break;
      case "signed_in":
        settled.push("gesta.actor() is not null");
        break;
      case "nobody":
        break;
      case "actor_is":
      case "actor_in": {
        const branch = branchOf(plan, entity, part.path, part.kind === "actor_in");
        if (branch === null) return null;
        branches.push(branch);
        break;
      }
      default:
        return null;
    }
  }
  return { all: settled.join(" or "), branches };
}

const alternatives = (policy: Policy): readonly Policy[] =>
  policy.kind === "any_of" ? policy.policies.flatMap(alternatives) : [policy];

function branchOf(plan: Plan, entity: EntityPlan, path: string, many: boolean): ReachBranch | null {
  const [first = "", second] = path.split(".");
  const column = `r.${ident(first)}`;
  if (second === undefined) return many ? null : { ids: null, column };
  const target = plan.entities.find(({ name }) => name === entity.fields.find((field) => field.name === first)?.target);
  if (target === undefined) return null;
  const held = `t.${ident(second)}`;
  const holds = many ? `${held} @> array[(select gesta.actor())]` : `${held} = (select gesta.actor())`;
  return {
    ids: `select t.id from app.${ident(target.name)} t where t.deleted_at is null and ${holds}${andRead(plan, target, "t")}`,
    column,
  };
}

/** One of the ways in which a record can be an actor's, as conditions over the record `r`. */
interface Way {
  /** The query for the ids to look for, as `reached`; null where the record names the actor itself. */
  readonly ids: string | null;
  /** Whether the record is theirs in this way. */
  readonly own: string;
  /** Whether this way finds it: what an earlier one has found already is left out. */
  readonly found: string;
}

export function waysOf({ branches }: Reach): readonly Way[] {
  const own = ({ ids, column }: ReachBranch) =>
    ids === null ? `${column} = (select gesta.actor())` : `${column} = any (array(${ids}))`;
  return branches.map((branch, nth) => {
    const others = branches.slice(0, nth).map((earlier) => ` and (${own(earlier)}) is not true`);
    const here = branch.ids === null ? own(branch) : `${branch.column} = reached.id`;
    return { ids: branch.ids, own: own(branch), found: `${here}${others.join("")}` };
  });
}
