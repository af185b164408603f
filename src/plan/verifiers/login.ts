import type { Field } from "../../declare/field.ts";
import { nearest } from "../../kernel/suggestion.ts";
import { didYouMean, type Finding, type Verifier } from "../finding.ts";

/** Whoever signs in is found by a unique e-mail address and known by a password. */
export const verifyLogin: Verifier = ({ actors, entities }) => {
  if (actors?.login === undefined) return [];
  const { login } = actors;
  const people = entities.find(({ name }) => name === actors.entity);
  const check = (part: "email" | "password", fits: (field: Field) => boolean, wanted: string): readonly Finding[] => {
    const path = `actors.login.${part}`;
    const fields = Object.entries(people?.fields ?? {});
    const named = fields.find(([name]) => name === login[part])?.[1];
    if (named !== undefined && fits(named)) return [];
    const candidates = fields.filter(([, field]) => fits(field)).map(([name]) => name);
    const fault =
      named === undefined
        ? `no field '${login[part]}' in ${actors.entity}`
        : `'${login[part]}' of ${actors.entity} cannot be signed in with`;
    const [only] = candidates;
    const fallback = only === undefined ? `declare one: ${wanted}` : `use one of: ${candidates.join(", ")}`;
    return [{ path, fault, remedy: didYouMean(nearest(login[part], candidates), fallback) }];
  };
  return [
    ...check("email", isUniqueEmail, "email({ unique: true })"),
    ...check("password", ({ kind }) => kind === "password", "password()"),
  ];
};

const isUniqueEmail = ({ kind, options }: Field): boolean =>
  kind === "email" && "unique" in options && options.unique === true;
