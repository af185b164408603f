import { createHash, randomBytes } from "node:crypto";

/** Where secrets come from: 32 random bytes as base64url, which nobody guesses. */
export type SecretSource = () => string;

export const newSecret: SecretSource = () => randomBytes(32).toString("base64url");

/** The word in front tells what a token is; scanners of leaked secrets look for it, too. */
const prefixes = { session: "gs_", api_key: "gk_" } as const;

export type SecretKind = keyof typeof prefixes;

/** A token of its kind, as its owner keeps it. */
export const tokenOf = (kind: SecretKind, secret: string): string => `${prefixes[kind]}${secret}`;

/** What kind of Gesta's own tokens this is by its form, or null. */
export const kindOf = (token: string): SecretKind | null =>
  (["session", "api_key"] as const).find((kind) => token.startsWith(prefixes[kind])) ?? null;

/** Whether a token has the form of those that Gesta makes. */
export const isWhole = (token: string): boolean => /^g[sk]_[\w-]{43}$/.test(token);

/** What is stored of a token. It is random, so a fast hash tells nothing about it. */
export const tokenHash = (token: string): string => createHash("sha256").update(token).digest("hex");
