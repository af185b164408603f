import { expansionName } from "../expandable.ts";
import type { Finding, PlanVerifier } from "../finding.ts";
import type { EntityPlan } from "../plan.ts";

/** What lists are asked for has a name of its own: expanded references, and the states of what has any. */
export const verifyReading: PlanVerifier = ({ entities }) => entities.flatMap(expansionFindings);

const expansionFindings = (entity: EntityPlan): readonly Finding[] =>
  entity.fields
    .filter((field) => (field.element ?? field).expand)
    .flatMap((field): readonly Finding[] => {
      const path = `${entity.name}.fields.${field.name}`;
      const name = expansionName(field);
      const ending = field.kind === "list" ? "_ids" : "_id";
      if (name === null) {
        return [
          { path, fault: "has no name for its record", remedy: `let the name end in ${ending}, or remove \`expand\`` },
        ];
      }
      return entity.members.some((member) => member.name === name)
        ? [
            {
              path,
              fault: `would be shown as '${name}', which is a field`,
              remedy: "rename one of them, or remove `expand`",
            },
          ]
        : [];
    });
