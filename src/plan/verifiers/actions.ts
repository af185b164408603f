import { nearest } from "../../kernel/suggestion.ts";
import { didYouMean, type Finding, type PlanVerifier } from "../finding.ts";
import type { Plan } from "../plan.ts";

/** Every name that an action or the actors declaration uses exists. */
export const verifyActions: PlanVerifier = (plan) => [
  ...actorsFindings(plan),
  ...plan.entities.flatMap((entity) =>
    entity.actions.flatMap((action) => {
      const path = `${entity.name}.actions.${action.name}`;
      const names = entity.fields.map((field) => field.name);
      // A password is hashed for as long as it takes to keep guessers away: a thousand of them would take minutes.
      const slow = entity.fields.find(({ kind, name }) => kind === "password" && action.sets.includes(name));
      const bulk: readonly Finding[] =
        action.bulk && slow !== undefined
          ? [
              {
                path,
                fault: `takes many records at once, each with the password '${slow.name}'`,
                remedy: "remove `bulk`",
              },
            ]
          : [];
      const unknown = action.sets
        .filter((name) => !names.includes(name))
        .map(
          (name): Finding => ({
            path,
            fault: `no field '${name}'`,
            remedy: didYouMean(nearest(name, names), `use one of: ${names.join(", ")}`),
          }),
        );
      return [...bulk, ...unknown];
    }),
  ),
];

function actorsFindings({ actors, entities }: Plan): readonly Finding[] {
  if (actors === null) return [];
  const entity = entities.find(({ name }) => name === actors.entity);
  if (entity === undefined) {
    const names = entities.map(({ name }) => name);
    return [
      {
        path: "actors.entity",
        fault: `no entity '${actors.entity}'`,
        remedy: didYouMean(nearest(actors.entity, names), "declare it"),
      },
    ];
  }
  const role = entity.fields.find(({ name }) => name === actors.role);
  return role === undefined
    ? [
        {
          path: "actors.role",
          fault: `no field '${actors.role}' in ${entity.name}`,
          remedy: "name the field that holds the role",
        },
      ]
    : [
        ...role.values
          .filter((name) => name === "visitor")
          .map((name) => ({
            path: "actors.role",
            fault: `'${name}' stands for whoever has no role`,
            remedy: "choose another word for the role",
          })),
        ...actors.active
          .filter((state) => !entity.lifecycle?.states.includes(state))
          .map((state) => ({
            path: "actors.active",
            fault: `no state '${state}' in ${entity.name}`,
            remedy: "name a state of its lifecycle",
          })),
      ];
}
