import { type Fault, faultMessage } from "../../kernel/fault.ts";
import { problems, type Text } from "../../kernel/problem.ts";
import type { Refusal } from "../../kernel/refusal.ts";

type Language = keyof Text;

/** The language that `Accept-Language` prefers of the two that Gesta speaks. */
export function languageOf(header: string | undefined): Language {
  let best: { readonly language: Language; readonly weight: number } = { language: "en", weight: 0 };
  for (const part of (header ?? "").split(",")) {
    const [range = "", ...parameters] = part.trim().toLowerCase().split(";");
    const weight = Number(
      parameters
        .find((parameter) => parameter.trim().startsWith("q="))
        ?.trim()
        .slice(2) ?? 1,
    );
    const language = (["en", "ru"] as const).find((known) => range === known || range.startsWith(`${known}-`));
    if (language !== undefined && weight > best.weight) best = { language, weight };
  }
  return best.language;
}

/** A refusal as a problem document (RFC 9457). */
export const problemBody = (...told: Parameters<typeof problemOf>): string => JSON.stringify(problemOf(...told));

/** The members of a problem document. */
export function problemOf(refusal: Refusal, origin: string, language: Language, requestId: string): object {
  const { code, told } = refusal;
  const kind = problems[code];
  const { detail, errors, allow, retryAfter, impact, ...rest } = told;
  return {
    type: `${origin}/problems/${code}`,
    title: kind.title[language],
    status: kind.status,
    code,
    detail: (detail ?? kind.help)[language],
    request_id: requestId,
    ...(errors === undefined ? {} : { errors: errors.slice(0, 100).map((fault) => errorOf(fault, language)) }),
    ...(impact === undefined ? {} : { impact: `/${impact.entity}/${impact.id}/impact?action=${impact.action}` }),
    ...rest,
  };
}

const errorOf = (fault: Fault, language: Language) => ({
  ...(fault.parameter === undefined ? { pointer: fault.pointer ?? "" } : { parameter: fault.parameter }),
  code: fault.code,
  message: faultMessage(fault, language),
  ...(fault.suggestion === undefined ? {} : { suggestion: fault.suggestion }),
});
