import { hash } from "node:crypto";

/** The strong tag of a whole record (RFC 9110 § 8.8.3): its version. */
export const tagOf = (version: number): string => `"${version}"`;

/** The weak tag of a list: its content. */
export const weakTagOf = (body: string): string => `W/"${hash("sha1", body, "base64url")}"`;

/** The versions that `If-Match` names: null when it was not sent, none for tags that are no versions. */
export function expectedVersions(header: string | undefined): readonly number[] | "any" | null {
  if (header === undefined) return null;
  if (header.trim() === "*") return "any";
  return header
    .split(",")
    .map((tag) => /^"([1-9]\d{0,8})"$/.exec(tag.trim())?.[1])
    .filter((version) => version !== undefined)
    .map(Number);
}

/** Whether `If-None-Match` names the tag; the comparison is weak (RFC 9110 § 13.1.2). */
export function matchesNone(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  const bare = (text: string) => text.trim().replace(/^W\//, "");
  return header.trim() === "*" || header.split(",").some((candidate) => bare(candidate) === bare(tag));
}
