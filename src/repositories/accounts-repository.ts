import { Batch, limitsOn } from "../database/batch.ts";
import { DatabaseError, type Engine, type Row, type Statement } from "../database/engine.ts";
import { Refusal } from "../kernel/refusal.ts";

/** Whose a token is, and what it is. */
export type FoundCredential =
  | { readonly kind: "session"; readonly id: string; readonly user: string }
  | { readonly kind: "api_key"; readonly id: string; readonly user: string; readonly scopes: readonly string[] | null };

export interface NewSession {
  readonly id: string;
  readonly user: string;
  /** The field that holds the password, and the hash that the password was verified against. */
  readonly passwordField: string;
  readonly verified: string;
  readonly tokenHash: string;
  readonly seconds: number;
  readonly address: string;
  readonly userAgent: string | null;
  /** The attempt that came to this. */
  readonly attempt: string;
}

export interface NewApiKey {
  readonly id: string;
  readonly user: string;
  readonly name: string;
  readonly keyHash: string;
  /** Null for whatever its user may do. */
  readonly scopes: readonly string[] | null;
  /** The session that it is made from, or null. */
  readonly session: string | null;
}

/** A session as the database shows it; times in UTC, RFC 3339, milliseconds. */
export interface StoredSession {
  readonly id: string;
  readonly created_at: string;
  readonly expires_at: string;
  readonly address: string | null;
  readonly user_agent: string | null;
}

export interface StoredApiKey {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[] | null;
  readonly created_at: string;
}

/** Which of them: in the order of their ids, which is that of their making. */
export interface Portion {
  readonly after: string | null;
  readonly skip: number;
  readonly limit: number;
}

/** Sessions, API keys and attempts to sign in. A user who may not act any more is `unauthenticated` in all of it. */
export interface AccountsRepository {
  /** Whose tokens with this hash are now: asked anew every time, so a revocation counts at once. */
  credential(tokenHash: string): Promise<FoundCredential | null>;
  /** Seconds to wait, or null when the attempt was counted and may go on. */
  countAttempt(attempt: string, account: string, network: string): Promise<number | null>;
  forgetAttempt(attempt: string): Promise<void>;
  /** When it expires. @throws Refusal `unauthenticated` */
  openSession(session: NewSession): Promise<string>;
  sessions(user: string, portion: Portion): Promise<readonly StoredSession[]>;
  /** Whether it is, or was, this user's. */
  endSession(user: string, id: string): Promise<boolean>;
  /** When it was made. @throws Refusal `unauthenticated` */
  makeApiKey(key: NewApiKey): Promise<string>;
  apiKeys(user: string, portion: Portion): Promise<readonly StoredApiKey[]>;
  /** Whether it is, or was, this user's. */
  revokeApiKey(user: string, id: string): Promise<boolean>;
}

const lookUpLimits = { size: 64, lanes: 2, waiting: 1000 };

export function accountsRepository(engine: Engine): AccountsRepository {
  const lookUps = limitsOn(engine, lookUpLimits);
  const credentials = new Batch<string, FoundCredential | null>(async (hashes) => {
    const text = "select place, answer from gesta.credentials($1::text[])";
    const rows = await engine.run({ name: "credentials", text, writes: false }, [hashes]);
    const answers = new Map(rows.map(([place, answer]) => [Number(place), String(answer)]));
    return hashes.map((_, index) => parseCredential(answers.get(index + 1) ?? ""));
  }, lookUps);
  const ask = async (statement: Statement, parameters: readonly unknown[], word: string): Promise<string | null> => {
    const answer = textOf(await run(engine, statement, parameters));
    if (answer === "unauthenticated") throw new Refusal("unauthenticated");
    if (answer === "not_found") return null;
    if (answer === word || answer.startsWith(`${word} `)) return answer.slice(word.length + 1);
    throw new Error(`the database answered '${answer.slice(0, 40)}'`);
  };
  const told = async (...question: Parameters<typeof ask>): Promise<string> => {
    const answer = await ask(...question);
    if (answer === null) throw new Error(`the database knows nothing of ${question[0].name}`);
    return answer;
  };
  return {
    credential: (hash) => credentials.ask(hash),
    async countAttempt(attempt, account, network) {
      const statement = writing("count_attempt", "$1::uuid, $2::text, $3::text");
      const answer = textOf(await run(engine, statement, [attempt, account, network]));
      if (answer === "counted") return null;
      const [, seconds] = /^limited (\d+)$/.exec(answer) ?? [];
      if (seconds === undefined) throw new Error(`the database answered '${answer.slice(0, 40)}'`);
      return Number(seconds);
    },
    async forgetAttempt(attempt) {
      await run(engine, writing("forget_attempt", "$1::uuid"), [attempt]);
    },
    openSession: (session) =>
      told(
        writing(
          "open_session",
          "$1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::integer, $7::text, $8::text, $9::uuid",
        ),
        [
          session.id,
          session.user,
          session.passwordField,
          session.verified,
          session.tokenHash,
          session.seconds,
          session.address,
          session.userAgent,
          session.attempt,
        ],
        "opened",
      ),
    async sessions(user, { after, skip, limit }) {
      const statement = reading("list_sessions", "$1::text, $2::uuid, $3::integer, $4::integer");
      return JSON.parse(await told(statement, [user, after, skip, limit], "listed"));
    },
    async endSession(user, id) {
      return (await ask(writing("end_session", "$1::text, $2::uuid"), [user, id], "ended")) !== null;
    },
    makeApiKey: (key) =>
      told(
        writing("make_api_key", "$1::text, $2::uuid, $3::text, $4::text, $5::text[], $6::uuid"),
        [key.user, key.id, key.name, key.keyHash, key.scopes, key.session],
        "made",
      ),
    async apiKeys(user, { after, skip, limit }) {
      const statement = reading("list_api_keys", "$1::text, $2::uuid, $3::integer, $4::integer");
      return JSON.parse(await told(statement, [user, after, skip, limit], "listed"));
    },
    async revokeApiKey(user, id) {
      return (await ask(writing("revoke_api_key", "$1::text, $2::uuid"), [user, id], "revoked")) !== null;
    },
  };
}

const calling =
  (writes: boolean) =>
  (name: string, parameters: string): Statement => ({
    name,
    text: `select gesta.${name}(${parameters})`,
    writes,
  });
const writing = calling(true);
const reading = calling(false);

/** Deadlocks: nothing was stored, and nobody did anything wrong. */
const passing = new Set(["40P01", "40001"]);

async function run(engine: Engine, statement: Statement, parameters: readonly unknown[]): Promise<readonly Row[]> {
  try {
    return await engine.run(statement, parameters);
  } catch (error) {
    if (error instanceof DatabaseError && passing.has(error.sqlState)) {
      throw new Refusal("overloaded", { retryAfter: 1 }, error);
    }
    throw error;
  }
}

const textOf = (rows: readonly Row[]): string => String(rows[0]?.[0] ?? "");

/** 'session <id> <user>', 'api_key <id> <user> <scopes as JSON>', 'unknown' */
function parseCredential(answer: string): FoundCredential | null {
  const [kind, id = "", user = "", ...rest] = answer.split(" ");
  switch (kind) {
    case "session":
      return { kind, id, user };
    case "api_key":
      return { kind, id, user, scopes: JSON.parse(rest.join(" ")) };
    case "unknown":
      return null;
    default:
      throw new Error(`the database answered '${answer.slice(0, 40)}'`);
  }
}
