import { nearest } from "../../kernel/suggestion.ts";
import { didYouMean, type Finding, type PlanVerifier } from "../finding.ts";
import type { ActionPlan, EntityPlan } from "../plan.ts";
import { inverseOf } from "../undo-rules.ts";

/** What an action declares as its inverse can be done, and leads back. */
export const verifyUndo: PlanVerifier = ({ entities }) =>
  entities.flatMap((entity) =>
    entity.actions.flatMap((action) => {
      if (action.undo === null) return [];
      const found =
        action.undo.way === "values"
          ? valuesFindings(entity, action)
          : actionFindings(entity, action, action.undo.action);
      return found.map((finding): Finding => ({ path: `${entity.name}.actions.${action.name}.undo`, ...finding }));
    }),
  );

type Said = Omit<Finding, "path">;

/** No event holds a password, and whoever had to show one would have to show it again. */
function valuesFindings(entity: EntityPlan, action: ActionPlan): readonly Said[] {
  const secret = entity.fields.find(({ kind, name }) => kind === "password" && action.sets.includes(name));
  if (secret === undefined) return [];
  return [{ fault: `the value of '${secret.name}' before is in no event`, remedy: "remove `undo`, or the password" }];
}

function actionFindings(entity: EntityPlan, action: ActionPlan, name: string): readonly Said[] {
  const inverse = inverseOf(entity.actions, action);
  const names = entity.actions.filter(({ kind }) => kind === "move" || kind === "act").map((each) => each.name);
  if (inverse === undefined || !names.includes(name)) {
    const remedy = didYouMean(nearest(name, names), `use one of: ${names.join(", ")}`);
    return [{ fault: `no action '${name}' that is done to a record`, remedy }];
  }
  const needed = inverse.input.filter(({ optional, default: value }) => !optional && value === null);
  if (needed.length > 0) {
    const inputs = needed.map((field) => `'${field.name}'`).join(", ");
    return [{ fault: `'${name}' needs ${inputs} from a client`, remedy: "make its inputs optional" }];
  }
  const steps = entity.lifecycle?.transitions ?? [];
  const astray = steps
    .filter((step) => step.action === action.name)
    .find(({ from, to }) => !steps.some((back) => back.action === name && back.from === to && back.to === from));
  return astray === undefined
    ? []
    : [
        {
          fault: `'${name}' does not lead back from '${astray.to}' to '${astray.from}'`,
          remedy: "add the transition, or name another action",
        },
      ];
}
