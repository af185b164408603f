import { expect, test } from "vitest";
import { type BankHistory, bankFaults } from "./bank-check.ts";

const ok = { from: "a", to: "b", amount: 30, invoked: 10, ended: 20, outcome: "ok", id: "t1" } as const;
const refused = { from: "b", to: "a", amount: 500, invoked: 12, ended: 22, outcome: "refused", id: null } as const;
const unknown = { from: "b", to: "a", amount: 7, invoked: 30, ended: 40, outcome: "unknown", id: null } as const;
const t1 = { id: "t1", from: "a", to: "b", amount: 30 };
const t2 = { id: "t2", from: "b", to: "a", amount: 7 };

const wallet = (id: string, ...balances: readonly (readonly [number, string | null])[]) => ({
  id,
  opening: { balance: 100, version: 2 },
  balance: balances.at(-1)?.[0] ?? 100,
  version: balances.length + 2,
  events: [[0, null] as const, [100, null] as const, ...balances].map(([balance, transfer], index) => ({
    version: index + 1,
    balance,
    transfer,
  })),
});

const read = (invoked: number, ended: number, a: readonly [number, number], b: readonly [number, number]) => ({
  invoked,
  ended,
  wallets: [
    { id: "a", balance: a[0], version: a[1] },
    { id: "b", balance: b[0], version: b[1] },
  ],
});
const start = read(1, 2, [100, 2], [100, 2]);

/** Two wallets of 100, a transfer of 30 that was acknowledged, one that was refused, one of 7 that nobody knows about. */
const sound: BankHistory = {
  calls: [ok, refused, unknown],
  reads: [start, read(11, 19, [100, 2], [100, 2]), read(11, 21, [70, 3], [130, 3]), read(50, 51, [77, 4], [123, 4])],
  transfers: [t1, t2],
  wallets: [wallet("a", [70, "t1"], [77, "t2"]), wallet("b", [130, "t1"], [123, "t2"])],
};
const withoutT2: BankHistory = {
  ...sound,
  reads: [start],
  transfers: [t1],
  wallets: [wallet("a", [70, "t1"]), wallet("b", [130, "t1"])],
};
const nothing: BankHistory = { ...sound, calls: [], reads: [], transfers: [], wallets: [wallet("a"), wallet("b")] };
const withReads = (...reads: BankHistory["reads"]): BankHistory => ({ ...sound, reads });

test("a sound history has no faults, whether the unknown transfer happened or not", () => {
  expect(bankFaults(sound)).toEqual([]);
  expect(bankFaults(withoutT2)).toEqual([]);
  expect(bankFaults({ ...nothing, calls: [refused, unknown] })).toEqual([]);
});

const planted: readonly (readonly [string, BankHistory, string])[] = [
  ["a lost transfer", { ...nothing, calls: [ok] }, "lost: 30 from a to b was acknowledged"],
  [
    "a doubled transfer",
    {
      ...nothing,
      calls: [ok],
      transfers: [t1, { ...t1, id: "t9" }],
      wallets: [wallet("a", [70, "t1"], [40, "t9"]), wallet("b", [130, "t1"], [160, "t9"])],
    },
    "doubled: 30 from a to b is stored 2 times",
  ],
  [
    "a doubled unknown transfer",
    {
      ...nothing,
      calls: [unknown],
      transfers: [t2, { ...t2, id: "t9" }],
      wallets: [wallet("a", [107, "t2"], [114, "t9"]), wallet("b", [93, "t2"], [86, "t9"])],
    },
    "doubled: 7 from b to a is stored 2 times",
  ],
  [
    "a refused transfer that happened",
    { ...withoutT2, calls: [{ ...ok, outcome: "refused", id: null }] },
    "30 from a to b was refused and is stored",
  ],
  ["a transfer that nobody asked for", { ...withoutT2, calls: [] }, "nobody asked for 30 from a to b"],
  [
    "an answer that names another transfer",
    { ...withoutT2, calls: [{ ...ok, id: "t5" }] },
    "30 from a to b was acknowledged as t5, not t1",
  ],
  [
    "a negative balance",
    {
      ...nothing,
      calls: [{ ...ok, amount: 130 }],
      transfers: [{ ...t1, amount: 130 }],
      wallets: [wallet("a", [-30, "t1"]), wallet("b", [230, "t1"])],
    },
    "wallet a: version 3 holds -30",
  ],
  [
    "money that left and did not arrive",
    { ...withoutT2, wallets: [wallet("a", [70, "t1"]), wallet("b")] },
    "transfer t1 moved wallet b 0 times",
  ],
  [
    "a lost update",
    { ...sound, reads: [], wallets: [wallet("a", [70, "t1"], [107, "t2"]), wallet("b", [130, "t1"], [123, "t2"])] },
    "wallet a: version 4 holds 107, not 77",
  ],
  [
    "a change that no transfer made",
    { ...nothing, wallets: [wallet("a", [101, null]), wallet("b")] },
    "wallet a: version 3 is no stored transfer's",
  ],
  [
    "a balance beside its events",
    { ...nothing, wallets: [{ ...wallet("a"), balance: 99 }, wallet("b")] },
    "wallet a: holds 99, its transfers make 100",
  ],
  [
    "a gap between versions",
    {
      ...nothing,
      wallets: [
        { ...wallet("a"), events: [1, 3].map((version) => ({ version, balance: 100, transfer: null })) },
        wallet("b"),
      ],
    },
    "wallet a: version 3 stands at place 2",
  ],
  ["a read that invents money", withReads(read(1, 2, [101, 2], [100, 2])), "read 0: the total is 201, not 200"],
  [
    "a read of a state that never was",
    withReads(read(1, 2, [90, 2], [110, 2])),
    "read 0: wallet a never held 90 at version 2",
  ],
  ["a negative read", withReads(read(1, 2, [-5, 2], [205, 2])), "read 0: wallet a holds -5"],
  [
    "a read of one side of a transfer",
    withReads(read(11, 12, [70, 3], [100, 2])),
    "read 0: shows one side of 30 from a to b",
  ],
  [
    "a stale read",
    withReads(read(21, 22, [100, 2], [100, 2])),
    "read 0: does not show 30 from a to b, acknowledged before",
  ],
  [
    "a read that knows the future",
    withReads(read(1, 9, [70, 3], [130, 3])),
    "read 0: shows 30 from a to b, asked for after it",
  ],
  [
    "a read that goes back behind an earlier one",
    withReads(read(11, 12, [70, 3], [130, 3]), read(13, 14, [100, 2], [100, 2])),
    "read 1: wallet a went back from version 3",
  ],
  [
    "a read without a wallet",
    withReads({ ...start, wallets: start.wallets.slice(0, 1) }),
    "read 0: shows 1 of 2 wallets",
  ],
];

test.each(planted)("%s is found", (_, history, fault) => {
  expect(bankFaults(history)).toContain(fault);
});
