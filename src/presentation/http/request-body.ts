import { Refusal } from "../../kernel/refusal.ts";
import { readJson } from "../../kernel/strict-json.ts";
import { type FormPairs, readForm } from "./form-body.ts";

export type RequestBody =
  | { readonly kind: "none" }
  | { readonly kind: "json"; readonly value: unknown }
  | { readonly kind: "form"; readonly pairs: FormPairs };

const mediaType = /^(application\/json|application\/x-www-form-urlencoded) *(?:; *charset="?utf-8"? *)?$/i;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a body by its Content-Type, strictly: two readers that understand one body differently are how checks are
 * evaded.
 * @throws Refusal `unsupported_media_type`, `malformed`
 */
export function readBody(contentType: string | undefined, body: Buffer | undefined): RequestBody {
  if (body === undefined || body.length === 0) return { kind: "none" };
  const type = mediaType.exec(contentType ?? "")?.[1]?.toLowerCase();
  if (type === undefined) throw new Refusal("unsupported_media_type");
  const text = decode(body);
  return type === "application/json"
    ? { kind: "json", value: readJson(text) }
    : { kind: "form", pairs: readForm(text) };
}

function decode(body: Buffer): string {
  let text: string;
  try {
    text = utf8.decode(body);
  } catch {
    throw new Refusal("malformed", { detail: { en: "the body is not UTF-8", ru: "тело запроса не в UTF-8" } });
  }
  if (text.startsWith("\uFEFF")) {
    const detail = { en: "the body starts with a byte order mark", ru: "тело запроса начинается с BOM" };
    throw new Refusal("malformed", { detail });
  }
  return text;
}
