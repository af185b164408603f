import type { FastifyRequest } from "fastify";
import type { FieldPlan } from "../../plan/plan.ts";
import { coerceForm } from "./form-body.ts";
import { readBody } from "./request-body.ts";

/** What a request's body says, a form's values typed by these fields. @throws Refusal `malformed`, `unsupported_media_type` */
export function readInput(request: FastifyRequest, fields: readonly FieldPlan[]): unknown {
  // The one parser of the server hands over the bytes (see server.ts).
  const body = readBody(request.headers["content-type"], request.body as Buffer | undefined);
  switch (body.kind) {
    case "none":
      return {};
    case "json":
      return body.value;
    case "form":
      return coerceForm(body.pairs, fields);
  }
}
