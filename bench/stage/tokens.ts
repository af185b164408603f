import { createHmac } from "node:crypto";

export const secret = "a secret of at least thirty-two characters";

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const signatureOf = (signed: string): string => createHmac("sha256", secret).update(signed).digest("base64url");

/** A token (RFC 7519) of a user for a day. */
export function tokenOf(userId: string): string {
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: userId, iat: now, exp: now + 86_400 })}`;
  return `${signed}.${signatureOf(signed)}`;
}

/** Whose token it is; null where it was signed by somebody else. */
export function userOf(token: string): string | null {
  const [head = "", claims = "", signature] = token.split(".");
  if (signatureOf(`${head}.${claims}`) !== signature) return null;
  const { sub, exp } = JSON.parse(Buffer.from(claims, "base64url").toString());
  return exp * 1000 > Date.now() ? sub : null;
}
