import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/**
 * A checker of JSON Schemas that is not ours. It asserts the formats that have one meaning; `email`, `uri` and
 * `password` describe, as the draft has it by default: the patterns beside them are what is checked.
 */
export function schemaChecker(): Ajv2020 {
  const ajv = new Ajv2020({ strict: false, validateFormats: true });
  addFormats.default(ajv, ["date", "date-time", "uuid"]);
  for (const name of ["email", "uri", "uri-reference", "password"]) ajv.addFormat(name, true);
  return ajv;
}
