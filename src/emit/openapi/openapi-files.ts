import { audienceName, audiencesOf } from "../../plan/audience.ts";
import type { Plan } from "../../plan/plan.ts";
import { emitOpenApi } from "./openapi-emitter.ts";

/** Every audience's document as the text of a file to review, by the file's name: `visitor.json`, `staff.json`. */
export const openApiFiles = (plan: Plan): ReadonlyMap<string, string> =>
  new Map(
    audiencesOf(plan).map((audience) => [
      `${audienceName(audience)}.json`,
      `${JSON.stringify(emitOpenApi(plan, audience), null, 2)}\n`,
    ]),
  );

/** Every role's document, null for visitors; each is made once, when it is first asked for. */
export function openApiDocuments(plan: Plan): (role: string | null) => object {
  const documents = new Map<string | null, object>();
  return (role) => {
    const document = documents.get(role) ?? emitOpenApi(plan, role);
    documents.set(role, document);
    return document;
  };
}
