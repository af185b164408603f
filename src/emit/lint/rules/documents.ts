import { type Audience, audiencesOf, chance, strangersOf } from "../../../plan/audience.ts";
import type { EntityPlan, Plan, Policy } from "../../../plan/plan.ts";
import { spokenTo } from "../spoken-words.ts";
import { type Rule, type Suspicion, toldToStrangers } from "../suspicion.ts";

/** The states of a lifecycle, read off the words that an input takes. */
export const stateLists: Rule = (plan, entity) =>
  toldToStrangers(
    plan,
    (audience) => {
      const words = spokenTo(entity, audience).filter(({ kind }) => kind === "value");
      const paths = [...new Set(words.map(({ path }) => path))];
      return paths.flatMap((path) => {
        const values = words.filter((word) => word.path === path).map(({ word }) => word);
        const known = plan.entities
          .map(({ lifecycle }) => lifecycle?.states.filter((state) => values.includes(state)) ?? [])
          .find((states) => states.length > (namesStates(entity, path) ? 0 : 1));
        return known === undefined ? [] : [{ path, what: `lists the states ${known.join(", ")}` }];
      });
    },
    "offer actions named after what the caller wants (`cancel`) instead of states, or narrow `by`",
  );

/** Whether the place is the `status` that a `movesTo` action takes. */
const namesStates = (entity: EntityPlan, path: string): boolean =>
  entity.actions.some(({ name, event }) => typeof event !== "string" && path === `actions.${name}.input.status`);

const internal = new Set(
  "internal private hidden secret debug legacy tmp temp test todo sql row rls guard hash salt cron job queue".split(
    " ",
  ),
);

/** Names that speak of how the application works inside. */
export const internalNames: Rule = (plan, entity) =>
  toldToStrangers(
    plan,
    (audience) =>
      spokenTo(entity, audience)
        .filter(({ word }) => word.split("_").some((part) => internal.has(part)))
        .map(({ path, word }) => ({ path, what: `says '${word}', a word of the inside` })),
    "rename it to a word of the caller's, or hide it with `readBy` or `by`",
  );

/** Words that belong to another audience: its role, or an action that only it may take. */
export const foreignWords: Rule = (plan, entity) =>
  toldToStrangers(
    plan,
    (audience) => {
      const roles = othersOf(plan);
      const actions = closedActions(plan, audience);
      return spokenTo(entity, audience).flatMap(({ word, path, kind }) => {
        const role = word.split("_").find((part) => roles.has(part) || roles.has(part.replace(/s$/, "")));
        if (role !== undefined) return [{ path, what: `says '${word}', which speaks of the role '${role}'` }];
        return kind !== "action" && actions.has(word)
          ? [{ path, what: `says '${word}', an action that is not theirs` }]
          : [];
      });
    },
    "hide it with `readBy` or `by`, or rename it",
  );

/** The roles that nobody gets by registering. */
function othersOf(plan: Plan): ReadonlySet<string> {
  const strangers = strangersOf(plan);
  return new Set(audiencesOf(plan).filter((role) => role !== null && !strangers.includes(role)) as readonly string[]); // null is filtered out
}

/** Names of two words and more: a single one, such as `email`, may well be both an action and a field. */
const closedActions = (plan: Plan, audience: Audience): ReadonlySet<string> =>
  new Set(
    plan.entities.flatMap(({ actions }) =>
      actions.filter(({ name, by }) => name.includes("_") && chance(by, audience) === "never").map(({ name }) => name),
    ),
  );

/** Policies that hold for few and name no audience: what is theirs stands in everybody's document. */
export const unnamedAudiences: Rule = (plan, entity) => {
  const roles = audiencesOf(plan).filter((role) => role !== null);
  const check = (path: string, policy: Policy): readonly Suspicion[] =>
    heldBy(policy).flatMap(({ kind, path: way, audience }) => {
      if (audience !== null) {
        if (roles.includes(audience)) return [];
        const reason = `'${audience}' is no role, so nobody's document shows it`;
        return [{ path, reason, remedy: `use one of: ${roles.join(", ")}` }];
      }
      const verb = kind === "actor_in" ? "actorIn" : "actorIs";
      if (kind === "actor_is" && !isRestricted(entity, way, roles)) return [];
      const reason = `nobody says who stands in '${way}', so every role's document shows what only they may do or see`;
      return [{ path, reason, remedy: `name them: ${verb}("${way}", { audience: "…" })` }];
    });
  return [
    ...check("read", entity.read),
    ...entity.fields.flatMap(({ name, readBy }) => (readBy === null ? [] : check(`fields.${name}.readBy`, readBy))),
    // A restore comes with its delete, an undo with what it takes back, and they say the same.
    ...entity.actions.flatMap(({ name, kind, by }) =>
      kind === "restore" || kind === "undo" ? [] : check(`actions.${name}.by`, by),
    ),
  ];
};

/** Whether the field holds whoever made the record, and not every role can make one. */
const isRestricted = (entity: EntityPlan, way: string, roles: readonly Audience[]): boolean =>
  entity.fields.some(({ name, setBy }) => name === way && setBy === "actor") &&
  roles.some((role) => entity.actions.every(({ kind, by }) => kind !== "create" || chance(by, role) === "never"));

type Held = Extract<Policy, { readonly kind: "actor_in" | "actor_is" }>;

function heldBy(policy: Policy): readonly Held[] {
  switch (policy.kind) {
    case "actor_is":
    case "actor_in":
      return [policy];
    case "any_of":
    case "all_of":
      return policy.policies.flatMap(heldBy);
    default:
      return [];
  }
}
