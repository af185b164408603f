import { checkBody } from "../domain/check-value.ts";
import type { IdentifierSource } from "../kernel/identifier.ts";
import { Refusal } from "../kernel/refusal.ts";
import { type SecretSource, tokenHash, tokenOf } from "../kernel/secret-token.ts";
import { signInInput } from "../plan/account-inputs.ts";
import type { ActorsPlan, Plan } from "../plan/plan.ts";
import type { AccountsRepository, Portion, StoredSession } from "../repositories/accounts-repository.ts";
import type { LoadedRecord, RecordsRepository } from "../repositories/records-repository.ts";
import type { Caller } from "./authentication-service.ts";
import { demandPerson, type Own, type OwnPage, onePage } from "./own-things.ts";
import { noPassword, type Passwords } from "./passwords.ts";

/** Where a request came from. */
export interface Origin {
  readonly address: string;
  /** What attempts are counted by: the address, or the network that somebody has all of. */
  readonly network: string;
  readonly userAgent: string | null;
}

export interface SignedIn {
  readonly token: string;
  /** UTC, RFC 3339, milliseconds. */
  readonly expiresAt: string;
  /** The user's own record as JSON text; `null` where its readers do not include the user. */
  readonly user: string;
}

export interface SessionsService {
  /**
   * Opens a session. An unknown address, a wrong password and a user who may not act any more are one and the same
   * refusal, after the same work.
   * @throws Refusal `invalid`, `rate_limited`, `unauthenticated`
   */
  signIn(input: unknown, origin: Origin): Promise<SignedIn>;
  /** Checks all of it and opens none; a wrong password counts as an attempt all the same. @returns the user's record */
  checkSignIn(input: unknown, origin: Origin): Promise<SignedIn["user"]>;
  /** The caller's own living sessions. */
  list(caller: Caller, portion: Portion): Promise<OwnPage<Own<StoredSession>>>;
  /** Ends one of the caller's own sessions, again too. @throws Refusal `not_found`, `forbidden` for an API key */
  end(caller: Caller, id: string): Promise<void>;
  /** Ends the session in use. @throws Refusal `not_found` where the caller came without one */
  endCurrent(caller: Caller): Promise<void>;
}

export interface SessionsParts {
  readonly plan: Plan;
  readonly records: RecordsRepository;
  readonly accounts: AccountsRepository;
  readonly passwords: Passwords;
  readonly newId: IdentifierSource;
  readonly newSecret: SecretSource;
  readonly sessionHours: number;
}

/** The id that no record has. */
const nobody = "00000000-0000-0000-0000-000000000000";
const longestUserAgent = 200;

export function sessionsService(parts: SessionsParts): SessionsService {
  const { plan, accounts, passwords, newId } = parts;
  const input = signInInput(plan);

  /** Who it is, once the password is found right; until then it counts as an attempt. */
  async function verified(sent: unknown, origin: Origin) {
    const { actors } = plan;
    if (actors === null || actors.login === null) throw new Refusal("not_found");
    const { value, faults } = checkBody(input, sent);
    if (faults.length > 0) throw Refusal.invalid(faults);
    const email = String(value.email);
    const attempt = newId();
    const wait = await accounts.countAttempt(attempt, email, origin.network);
    if (wait !== null) throw new Refusal("rate_limited", { retryAfter: wait });

    const known = await lookUp(parts.records, actors, actors.login, email);
    // Exactly one password is verified, whoever it is and whether there is anybody.
    const right = await passwords.matches(known?.hash ?? noPassword, String(value.password)).catch(async (error) => {
      await accounts.forgetAttempt(attempt);
      throw error;
    });
    if (known === null || !right || !known.active) throw wrong();
    return { actors, login: actors.login, known, attempt };
  }

  async function ownRecord({ entity }: ActorsPlan, { id }: Known): Promise<string> {
    const shown = await parts.records.read(entity, id, id);
    return shown.outcome === "found" ? shown.body : "null";
  }

  return {
    async signIn(sent, origin) {
      const { actors, login, known, attempt } = await verified(sent, origin);
      const token = tokenOf("session", parts.newSecret());
      const expiresAt = await accounts
        .openSession({
          id: newId(),
          user: known.id,
          passwordField: login.password,
          verified: known.hash,
          tokenHash: tokenHash(token),
          seconds: parts.sessionHours * 3600,
          address: origin.address,
          userAgent: origin.userAgent?.slice(0, longestUserAgent) ?? null,
          attempt,
        })
        .catch((error: unknown) => {
          throw error instanceof Refusal && error.code === "unauthenticated" ? wrong() : error;
        });
      return { token, expiresAt, user: await ownRecord(actors, known) };
    },

    async checkSignIn(sent, origin) {
      const { actors, known, attempt } = await verified(sent, origin);
      await accounts.forgetAttempt(attempt);
      return ownRecord(actors, known);
    },

    async list({ who, credential }, portion) {
      if (who === null) throw new Refusal("unauthenticated");
      const current = credential.kind === "session" ? credential.id : null;
      return onePage(portion, current, (wanted) => accounts.sessions(who, wanted));
    },

    async end(caller, id) {
      const who = await demandPerson(caller, accounts);
      if (!(await accounts.endSession(who, id))) throw new Refusal("not_found");
    },

    async endCurrent({ who, credential }) {
      if (who === null) throw new Refusal("unauthenticated");
      // Whoever came without a session is asked after as well: who may not act any more is told that first.
      const id = credential.kind === "session" ? credential.id : nobody;
      if (!(await accounts.endSession(who, id))) throw new Refusal("not_found");
    },
  };
}

const wrong = (): Refusal =>
  new Refusal("unauthenticated", {
    detail: {
      en: "No active user has this e-mail address and password.",
      ru: "Нет активного пользователя с таким адресом и паролем.",
    },
  });

interface Known {
  readonly id: string;
  readonly hash: string;
  readonly active: boolean;
}

/** The same two questions for whoever is asked after: the time that they take tells nothing. */
async function lookUp(
  records: RecordsRepository,
  { entity, active }: ActorsPlan,
  login: NonNullable<ActorsPlan["login"]>,
  email: string,
): Promise<Known | null> {
  const record = recordOf(await records.loadBy(entity, login.email, email));
  const id = record === null ? nobody : String(record.id);
  const hash = await records.secret(entity, login.password, "system", id);
  return record === null || hash === null ? null : { id, hash, active: active.includes(String(record.status)) };
}

const recordOf = (loaded: LoadedRecord) => ("record" in loaded ? loaded.record : null);
