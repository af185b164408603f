import type { Field, Fields } from "../../declare/field.ts";
import { nearest } from "../../kernel/suggestion.ts";
import { didYouMean, type Finding, type Verifier } from "../finding.ts";

/** Every reference points to an entity of the application. */
export const verifyReferences: Verifier = ({ entities }) => {
  const names = entities.map((entity) => entity.name);
  const ofField = (path: string, field: Field): readonly Finding[] => [
    ...(field.target === undefined || names.includes(field.target)
      ? []
      : [
          {
            path,
            fault: `no entity '${field.target}'`,
            remedy: didYouMean(nearest(field.target, names), `declare it or name one of: ${names.join(", ")}`),
          },
        ]),
    ...(field.element === undefined ? [] : ofField(path, field.element)),
    ...ofFields(path, field.fields ?? {}),
  ];
  const ofFields = (path: string, fields: Fields): readonly Finding[] =>
    Object.entries(fields).flatMap(([name, field]) => ofField(`${path}.${name}`, field));
  return entities.flatMap((entity) => ofFields(`${entity.name}.fields`, entity.fields));
};
