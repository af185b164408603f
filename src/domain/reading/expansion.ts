import type { Fault } from "../../kernel/fault.ts";
import { nearest } from "../../kernel/suggestion.ts";
import type { Audience } from "../../plan/audience.ts";
import { expandableOf } from "../../plan/expandable.ts";
import type { EntityPlan, Plan } from "../../plan/plan.ts";

/** A reference whose records are wanted along, and what is wanted along with these. */
export interface Expansion {
  /** The reference: `restaurant_id`, `file_ids`. */
  readonly field: string;
  /** The member beside it: `restaurant`, `files`. */
  readonly name: string;
  readonly many: boolean;
  readonly target: EntityPlan;
  readonly further: readonly Expansion[];
}

export const deepestExpansion = 3;
export const mostExpansions = 10;

/** Reads `expand=restaurant.owner,user`. */
export function readExpand(
  text: string | undefined,
  plan: Plan,
  entity: EntityPlan,
  audience: Audience,
  faults: Fault[],
): readonly Expansion[] {
  if (text === undefined) return [];
  const wrong = (expected: string, suggestion?: string) =>
    faults.push({
      parameter: "expand",
      code: "invalid_parameter",
      parameters: { expected },
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  const paths = text.split(",").map((path) => path.split("."));
  if (paths.length > mostExpansions) wrong(`must name at most ${mostExpansions} references`);
  const tooDeep = paths.find((path) => path.length > deepestExpansion);
  if (tooDeep !== undefined) wrong(`must follow at most ${deepestExpansion} references, not '${tooDeep.join(".")}'`);
  if (faults.some(({ parameter }) => parameter === "expand")) return [];

  const expand = (from: EntityPlan, ways: readonly (readonly string[])[], before: string): readonly Expansion[] => {
    const expandable = expandableOf(from, audience);
    return [...new Set(ways.map(([name = ""]) => name))].flatMap((name): readonly Expansion[] => {
      const found = expandable.find((each) => each.name === name);
      const target = plan.entities.find((each) => each.name === found?.target);
      if (found === undefined || target === undefined) {
        const names = expandable.map((each) => each.name);
        const near = nearest(name, names);
        const known = names.length === 0 ? "nothing can be expanded there" : `use one of: ${names.join(", ")}`;
        wrong(`knows no '${before}${name}'; ${known}`, near === undefined ? undefined : `${before}${near}`);
        return [];
      }
      const further = ways.filter((way) => way[0] === name && way.length > 1).map((way) => way.slice(1));
      return [
        {
          field: found.field.name,
          name,
          many: found.field.kind === "list",
          target,
          further: expand(target, further, `${before}${name}.`),
        },
      ];
    });
  };
  return expand(entity, paths, "");
}
