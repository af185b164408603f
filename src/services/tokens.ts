import { createRemoteJWKSet, errors, type JWTVerifyOptions, jwtVerify, SignJWT } from "jose";
import type { Clock } from "../kernel/clock.ts";
import type { Configuration } from "../kernel/configuration.ts";
import { isUuid } from "../kernel/identifier.ts";
import { Refusal } from "../kernel/refusal.ts";

export interface TokenSource {
  readonly secret: string | null;
  readonly jwksUrl: string | null;
  readonly issuer: string | null;
  readonly audience: string | null;
}

/** Reads bearer tokens: JSON Web Tokens (RFC 7519) with a shared secret or a key set. */
export interface Tokens {
  /**
   * The id of the user that a token speaks for. Whether that user may still act is asked of the database.
   * @throws Refusal `unauthenticated` for whatever is wrong with it.
   */
  subjectOf(token: string): Promise<string>;
}

const longest = 8192;
/** A checked signature is believed for a minute at most, so that a key withdrawn from a key set stops working. */
const believedMilliseconds = 60_000;
const mostBelieved = 5000;

interface Believed {
  readonly subject: string;
  readonly until: number;
}

/** Tokens as the environment says: signed with the secret, unless it names a key set. */
export const configuredTokens = (configuration: Configuration, secret: string, clock: Clock): Tokens => {
  const { jwksUrl, jwtIssuer: issuer, jwtAudience: audience } = configuration;
  return jwtTokens({ secret: jwksUrl === null ? secret : null, jwksUrl, issuer, audience }, clock);
};

export function jwtTokens(source: TokenSource, clock: Clock): Tokens {
  const verify = verifierOf(source, clock);
  const believed = new Map<string, Believed>();
  return {
    async subjectOf(token) {
      const now = clock.now().getTime();
      const known = believed.get(token);
      if (known !== undefined && now < known.until) return known.subject;
      believed.delete(token);
      if (token.length > longest || !isCompact(token)) throw new Refusal("unauthenticated");
      const { subject, expires } = await verify(token);
      if (believed.size >= mostBelieved) believed.clear();
      believed.set(token, { subject, until: Math.min(expires, now + believedMilliseconds) });
      return subject;
    },
  };
}

/** Three parts of base64url in the one form that RFC 7515 knows: no padding, no spare bits. Decoders take more. */
function isCompact(token: string): boolean {
  const parts = token.split(".", 4);
  return parts.length === 3 && parts.every((part) => Buffer.from(part, "base64url").toString("base64url") === part);
}

function verifierOf(source: TokenSource, clock: Clock) {
  const options = (algorithms: string[]): JWTVerifyOptions => ({
    algorithms,
    typ: "JWT",
    requiredClaims: ["sub", "exp"],
    currentDate: clock.now(),
    ...(source.issuer === null ? {} : { issuer: source.issuer }),
    ...(source.audience === null ? {} : { audience: source.audience }),
  });
  const secret = source.secret === null ? null : new TextEncoder().encode(source.secret);
  const keys = source.jwksUrl === null ? null : createRemoteJWKSet(new URL(source.jwksUrl));
  // One list of algorithms per kind of key: a public key must never be taken for a shared secret.
  const check = (token: string) => {
    if (secret !== null) return jwtVerify(token, secret, options(["HS256"]));
    if (keys !== null) return jwtVerify(token, keys, options(["RS256", "PS256", "ES256", "EdDSA"]));
    return Promise.reject(new Refusal("unauthenticated"));
  };
  return async (token: string): Promise<{ readonly subject: string; readonly expires: number }> => {
    try {
      const { payload } = await check(token);
      // Whoever signs decides what stands in it: `sub` may be anything.
      if (typeof payload.sub !== "string" || !isUuid(payload.sub)) throw new Refusal("unauthenticated");
      return { subject: payload.sub.toLowerCase(), expires: (payload.exp ?? 0) * 1000 };
    } catch (error) {
      if (isOfKeySet(error)) throw new Refusal("overloaded", { retryAfter: 1 }, error);
      throw new Refusal("unauthenticated");
    }
  };
}

/** Whether the key set could not be had: that is not the caller's fault, and the token may be good. */
const isOfKeySet = (error: unknown): boolean =>
  error instanceof errors.JOSEError
    ? ["ERR_JWKS_TIMEOUT", "ERR_JWKS_INVALID", "ERR_JOSE_GENERIC"].includes(error.code)
    : !(error instanceof Refusal);

/** Signs a token for a user: development and tests alone. */
export const signToken = (secret: string, subject: string, seconds: number, clock: Clock): Promise<string> => {
  const now = Math.floor(clock.now().getTime() / 1000);
  return new SignJWT({})
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(subject)
    .setIssuedAt(now)
    .setExpirationTime(now + seconds)
    .sign(new TextEncoder().encode(secret));
};
