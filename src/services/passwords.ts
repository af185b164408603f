import { hash, verify } from "@node-rs/argon2";
import type { JsonObject } from "../kernel/json.ts";
import { Refusal } from "../kernel/refusal.ts";

/** Passwords in and out of their argon2id hashes. */
export interface Passwords {
  /** @throws Refusal `overloaded` when too many already wait. */
  hash(password: string): Promise<string>;
  matches(hash: string, password: string): Promise<boolean>;
}

/** OWASP's floor for argon2id: 19 MiB, two passes, one lane. */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/**
 * The hash of no password, at the same cost: verifying against it takes the time of any other. Its digest is a word of
 * 32 bytes, which no password is known to come to.
 */
export const noPassword = [
  "$argon2id$v=19",
  `$m=${cost.memoryCost},t=${cost.timeCost},p=${cost.parallelism}`,
  `$${unpadded("gesta: no salt 1")}`,
  `$${unpadded("gesta: there is no such password")}`,
].join("");

/** Base64 without padding, as the hash's text form has it. */
function unpadded(text: string): string {
  return Buffer.from(text).toString("base64").replaceAll("=", "");
}

/** Two at a time, since each keeps a core busy for tens of milliseconds, and a hundred in the queue at most. */
export function argon2Passwords(atOnce = 2, waiting = 100): Passwords {
  let running = 0;
  const queue: (() => void)[] = [];
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    if (queue.length >= waiting) throw new Refusal("overloaded", { retryAfter: 1 });
    if (running >= atOnce) await new Promise<void>((resolve) => queue.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      // The place passes on to the next in the queue, so `running` changes only when nobody waits.
      const next = queue.shift();
      if (next === undefined) running--;
      else next();
    }
  };
  return {
    hash: (password) => inTurn(() => hash(password, cost)),
    matches: (stored, password) => inTurn(() => verify(stored, password)),
  };
}

/** The hashes of new passwords, by the names of their fields. */
export async function hashAll(passwords: Passwords, plain: Readonly<Record<string, string>>): Promise<JsonObject> {
  const hashes = Object.entries(plain).map(async ([name, password]) => [name, await passwords.hash(password)] as const);
  return Object.fromEntries(await Promise.all(hashes));
}
