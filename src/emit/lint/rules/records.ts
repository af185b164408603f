import { audienceName, audiencesOf, chance, readable, strangersOf } from "../../../plan/audience.ts";
import type { EntityPlan, FieldPlan } from "../../../plan/plan.ts";
import { implies } from "../../openapi/audience.ts";
import type { Rule } from "../suspicion.ts";

/** Ids that can be counted, on records that a stranger may read. */
export const sequentialIds: Rule = (plan, entity) =>
  entity.id === "serial" && strangersOf(plan).some((audience) => chance(entity.read, audience) !== "never")
    ? [
        {
          path: "id",
          reason: "ids that count tell a stranger how many records there are, how fast they grow, and the next one's",
          remedy: "use the default, `uuid`",
        },
      ]
    : [];

/** What belongs to a person, where anybody may read it. An e-mail address always does. */
export const openPersons: Rule = (plan, entity) =>
  entity.fields
    .filter((field) => field.personal || field.kind === "email")
    .flatMap((field) => {
      const readers = strangersOf(plan).filter((audience) => {
        const chances = [chance(entity.read, audience), readable(field, audience)];
        return audience === null ? !chances.includes("never") : chances.every((each) => each === "always");
      });
      if (readers.length === 0) return [];
      return [
        {
          path: `fields.${field.name}`,
          reason: `personal, and any ${readers.map(audienceName).join(" or ")} may read it`,
          remedy: "narrow `read`, or add `readBy`",
        },
      ];
    });

const secret = new Set("password passwd passphrase secret token apikey hash salt pin cvv otp".split(" "));

/** Secrets kept as plain text: they come back in replies, events and exports. */
export const plainSecrets: Rule = (_, entity) =>
  [
    ...entity.fields.map((field) => ({ field, path: `fields.${field.name}` })),
    ...entity.actions.flatMap(({ name, input }) =>
      input
        .filter((field) => entity.fields.every((own) => own.name !== field.name))
        .map((field) => ({ field, path: `actions.${name}.input.${field.name}` })),
    ),
  ]
    .filter(({ field }) => field.kind === "text" && field.name.split("_").some((word) => secret.has(word)))
    .map(({ path }) => ({
      path,
      reason: "by its name a secret, by its kind a text that replies, events and exports show",
      remedy: "use password(), or a name that does not promise a secret",
    }));

/** Fields that can be filtered or sorted by, but not read by everyone who reads the record: the order tells the value. */
export const hiddenFilters: Rule = (plan, entity) =>
  entity.fields.flatMap((field) => {
    const uses = [...(field.filter ? ["filter"] : []), ...(field.sort ? ["sort"] : [])];
    const blind = audiencesOf(plan).filter((audience) => isBlind(entity, field, audience));
    if (uses.length === 0 || blind.length === 0) return [];
    return [
      {
        path: `fields.${field.name}`,
        reason: `${blind.map(audienceName).join(", ")} may read the record but not this field, and could find it out by ${uses.join(" and ")}`,
        remedy: `remove ${uses.map((use) => `\`${use}\``).join(" and ")}, or let \`readBy\` be whoever may read the record`,
      },
    ];
  });

const isBlind = (entity: EntityPlan, { readBy }: FieldPlan, audience: string | null): boolean =>
  readBy !== null && chance(entity.read, audience) !== "never" && !implies(entity.read, readBy, audience);
