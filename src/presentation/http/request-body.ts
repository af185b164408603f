import { isUtf8 } from "node:buffer";
import { Refusal } from "../../kernel/refusal.ts";
import { readJson } from "../../kernel/strict-json.ts";
import { type FormPairs, readForm } from "./form-body.ts";

export type RequestBody =
  | { readonly kind: "none" }
  | { readonly kind: "json"; readonly value: unknown }
  | { readonly kind: "form"; readonly pairs: FormPairs };

const json = "application/json";
const form = "application/x-www-form-urlencoded";
const token = "[\\w!#$%&'*+.^`|~-]+";
/** RFC 9110 § 8.3.1 with spaces alone as white space: servers disagree about a tab. */
const parameter = `; *(${token})=(${token}|"(?:[ !#-\\[\\]-~]|\\\\[ -~])*")`;
const mediaType = new RegExp(`^(${json}|${form})((?: *${parameter})*) *(?:; *)?$`, "i");
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Reads a body by its Content-Type, strictly: two readers that understand one body differently are how checks are
 * evaded. No body is `none`, whatever its type says.
 * @throws Refusal `unsupported_media_type`, `malformed`
 */
export function readBody(contentType: string | undefined, body: Buffer | undefined): RequestBody {
  if (body === undefined || body.length === 0) return { kind: "none" };
  const type = contentType === json ? json : typeOf(contentType);
  const text = decode(body);
  return type === json ? { kind: "json", value: readJson(text) } : { kind: "form", pairs: readForm(text) };
}

/** The media type without its parameters, of which `charset` may only say UTF-8; the others mean nothing here. */
function typeOf(header: string | undefined): string {
  if (header === undefined) {
    throw new Refusal("unsupported_media_type", {
      detail: {
        en: `a body needs a \`Content-Type\`: \`${json}\` or \`${form}\``,
        ru: `телу запроса нужен \`Content-Type\`: \`${json}\` или \`${form}\``,
      },
    });
  }
  const [, type, parameters = ""] = mediaType.exec(header) ?? [];
  if (type === undefined) throw new Refusal("unsupported_media_type");
  const charsets = [...parameters.matchAll(new RegExp(parameter, "g"))].filter(
    ([, name]) => name?.toLowerCase() === "charset",
  );
  if (charsets.length > 1 || !charsets.every(([, , charset = ""]) => /^(?:utf-8|"utf-8")$/i.test(charset))) {
    throw new Refusal("unsupported_media_type", {
      detail: { en: "the only `charset` is utf-8", ru: "допустим только `charset` utf-8" },
    });
  }
  return type.toLowerCase();
}

function decode(body: Buffer): string {
  if (!isUtf8(body)) {
    throw new Refusal("malformed", { detail: { en: "the body is not UTF-8", ru: "тело запроса не в UTF-8" } });
  }
  if (body.subarray(0, 3).equals(byteOrderMark)) {
    const detail = { en: "the body starts with a byte order mark", ru: "тело запроса начинается с BOM" };
    throw new Refusal("malformed", { detail });
  }
  return body.toString("utf8");
}
