import { createHmac, type KeyObject, sign } from "node:crypto";

export const issuer = "https://issuer.example";
export const audience = "delivery";

export interface Signer {
  /** The algorithm that the application takes from this configuration. */
  readonly algorithm: "HS256" | "RS256";
  readonly kid: string;
  /** Signs the text before the signature. */
  readonly sign: (text: string) => Buffer;
}

export const hmacSigner = (key: string | Buffer, bits = 256): ((text: string) => Buffer) => {
  return (text) => createHmac(`sha${bits}`, key).update(text).digest();
};
export const rsaSigner = (key: KeyObject): ((text: string) => Buffer) => {
  return (text) => sign("sha256", Buffer.from(text), key);
};

const encoded = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

type Part = Readonly<Record<string, unknown>> | string;

/** What a forger needs to know. */
export interface Target extends Signer {
  readonly subject: string;
  /** Public halves of the application's keys, as whoever reads its key set knows them. */
  readonly publicKeys: readonly { readonly name: string; readonly bytes: string | Buffer }[];
  /** A key pair of the forger's: a signer, and the public half as a JWK. */
  readonly own: { readonly sign: (text: string) => Buffer; readonly jwk: object };
  /** Where the forger serves a key set with that key. */
  readonly ownUrl: string;
  /** A token with right claims and a wrong header would pass if anything followed the header. */
  readonly other: { readonly algorithm: string; readonly sign: (text: string) => Buffer };
}

/** A good token; `header` and `claims` change it, `undefined` takes a member away. */
export function token(
  { algorithm, kid, sign: signed, subject }: Signer & { readonly subject: string },
  header: Part = {},
  claims: Part = {},
  signWith: (text: string) => Buffer | string = signed,
): string {
  const now = Math.floor(Date.now() / 1000);
  const whole = typeof header === "string" ? header : { alg: algorithm, typ: "JWT", kid, ...header };
  const good = { sub: subject, iss: issuer, aud: audience, iat: now, exp: now + 600 };
  const text = `${encoded(whole)}.${encoded(typeof claims === "string" ? claims : { ...good, ...claims })}`;
  const signature = signWith(text);
  return `${text}.${typeof signature === "string" ? signature : signature.toString("base64url")}`;
}

/** The same bytes, written in another way: the last letter has bits that no byte takes. */
function spared(text: string): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return `${text.slice(0, -1)}${letters[letters.indexOf(text.slice(-1)) + 1]}`;
}

/** Tokens that no application may take, by what is wrong with them. */
export function forgedTokens(target: Target): readonly (readonly [string, string])[] {
  const now = Math.floor(Date.now() / 1000);
  const good = token(target);
  const [head = "", body = "", signature = ""] = good.split(".");
  const other = target.algorithm === "HS256" ? hmacSigner("another secret, as long as the real one") : target.own.sign;
  const none = () => "";
  const flipped = `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
  return [
    ...["none", "None", "NONE", "nOnE", ""].flatMap((alg): [string, string][] => [
      [`alg ${JSON.stringify(alg)} without a signature`, token(target, { alg }, {}, none)],
      [`alg ${JSON.stringify(alg)} with a signature`, token(target, { alg })],
    ]),
    ["no alg", token(target, { alg: undefined })],
    ["alg null", token(target, { alg: null })],
    ["alg a list", token(target, { alg: [target.algorithm] })],
    ["alg in small letters", token(target, { alg: target.algorithm.toLowerCase() })],
    ["an algorithm that is not listed", token(target, { alg: target.other.algorithm }, {}, target.other.sign)],
    ["the signature of another algorithm", token(target, {}, {}, target.other.sign)],
    ...target.publicKeys.flatMap(({ name, bytes }): [string, string][] =>
      ([256, 384, 512] as const).map((bits) => [
        `HS${bits} with the public key as its secret: ${name}`,
        token(target, { alg: `HS${bits}` }, {}, hmacSigner(bytes, bits)),
      ]),
    ),
    ["RS256 with the forger's own key", token(target, { alg: "RS256" }, {}, target.own.sign)],
    // A signature of zeros was good for every key to some verifiers of ECDSA.
    ["ES256 with a signature of zeros", token(target, { alg: "ES256" }, {}, () => Buffer.alloc(64))],
    ["HS256 with an empty secret", token(target, { alg: "HS256" }, {}, hmacSigner(""))],
    ["another key", token(target, {}, {}, other)],
    ["a changed signature", `${head}.${body}.${flipped}`],
    ["a signature cut short", good.slice(0, -4)],
    ["no signature", `${head}.${body}.`],
    ["a signature of zeros", token(target, {}, {}, () => Buffer.alloc(64))],
    ["the claims of another token", `${head}.${encoded({ sub: target.subject, exp: now + 9999 })}.${signature}`],

    ["another issuer", token(target, {}, { iss: "https://evil.example" })],
    ["an issuer that begins alike", token(target, {}, { iss: `${issuer}.evil.example` })],
    ["no issuer", token(target, {}, { iss: undefined })],
    ["a list of issuers", token(target, {}, { iss: [issuer] })],
    ["another audience", token(target, {}, { aud: "another" })],
    ["no audience", token(target, {}, { aud: undefined })],
    ["an empty list of audiences", token(target, {}, { aud: [] })],
    ["a type of another kind of token", token(target, { typ: "at+jwt" })],
    ["an identity's logout token", token(target, { typ: "logout+jwt" })],
    ["no type", token(target, { typ: undefined })],
    ["expired", token(target, {}, { exp: now - 1 })],
    ["expires as it arrives", token(target, {}, { exp: now })],
    ["no expiry", token(target, {}, { exp: undefined })],
    ["an expiry in words", token(target, {}, { exp: String(now + 600) })],
    ["an expiry of null", token(target, {}, { exp: null })],
    ["an endless expiry", token(target, {}, JSON.stringify({ sub: target.subject }).replace("}", ',"exp":1e999}'))],
    ["not yet valid", token(target, {}, { nbf: now + 60 })],
    ["a start in words", token(target, {}, { nbf: "now" })],
    ["issued in words", token(target, {}, { iat: "now" })],
    ["no subject", token(target, {}, { sub: undefined })],
    ["a subject that is no id", token(target, {}, { sub: "admin" })],
    ["the system as the subject", token(target, {}, { sub: "system" })],
    ["a list of subjects", token(target, {}, { sub: [target.subject] })],
    ["SQL as the subject", token(target, {}, { sub: `${target.subject}' or '1'='1` })],
    ["a subject that nobody has", token(target, {}, { sub: "01900000-0000-4000-8000-000000000000" })],

    ...[
      "../../../../dev/null",
      "/dev/null",
      "' or '1'='1' --",
      "1; select pg_sleep(10)",
      target.ownUrl,
      "\u0000",
      "",
    ].flatMap((kid): [string, string][] => [
      [`kid ${JSON.stringify(kid)}, signed by the forger`, token(target, { kid }, {}, other)],
      [`kid ${JSON.stringify(kid)}, signed with nothing`, token(target, { alg: "HS256", kid }, {}, hmacSigner(""))],
    ]),
    ["kid an object", token(target, { kid: { toString: "x" } }, {}, other)],
    ["jku", token(target, { jku: target.ownUrl, kid: "forged" }, {}, target.own.sign)],
    ["x5u", token(target, { x5u: target.ownUrl, kid: "forged" }, {}, target.own.sign)],
    ["jwk", token(target, { jwk: target.own.jwk }, {}, target.own.sign)],
    ["x5c", token(target, { x5c: ["MIIB"] }, {}, target.own.sign)],
    ["crit that nobody knows", token(target, { crit: ["exp"], exp: now + 600 })],
    ["crit b64", token(target, { crit: ["b64"], b64: false })],
    ["crit empty", token(target, { crit: [] })],
    ["crit in words", token(target, { crit: "exp" })],
    ["compressed", token(target, { zip: "DEF" }, "not compressed")],

    ["nothing", ""],
    ["dots", ".."],
    ["one part", head],
    ["two parts", `${head}.${body}`],
    ["four parts", `${good}.${signature}`],
    ["five parts, as if encrypted", `${head}..${body}.${signature}.${signature}`],
    ["an empty header", `.${body}.${signature}`],
    ["an empty body", `${head}..${signature}`],
    ["a header that is no JSON", token(target, "{")],
    ["a header that is a list", token(target, "[]")],
    ["a header that is null", token(target, "null")],
    ["a header with two alg", token(target, `{"alg":"${target.algorithm}","alg":"none","typ":"JWT"}`)],
    ["a body that is no JSON", token(target, {}, "sub")],
    ["a body that is a list", token(target, {}, "[]")],
    ["a body that is null", token(target, {}, "null")],
    ["padding", `${head}=.${body}=.${signature}=`],
    ["padding of the signature", `${good}=`],
    ["more padding of the signature", `${good}==`],
    ["spare bits of the signature", spared(good)],
    ["the other alphabet of base64", `${head}.${body}.+/${signature.slice(2)}`],
    ["a line break", `${head}.${body}.\t${signature}`],
    ["quotes", `"${good}"`],
    ["an object", JSON.stringify({ token: good })],
    ["20,000 dots", ".".repeat(9000)],
    ["as many letters as the headers may have", `${head}.${body}.${"A".repeat(15_000)}`],
    ["nine thousand letters", `${head}.${body}.${"A".repeat(9000)}`],
  ];
}
