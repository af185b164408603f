import { actorHas, actorIs, anyOf, entity, money, nobody, reference, seedId } from "gesta";
import { differenceOf, fitsWallet, sumOf } from "./money.ts";

const owner = actorIs("user_id", { audience: "customer" });
const admin = actorHas("admin");

/** The wallet of a customer: its id follows from theirs. */
export const walletOf = (userId: string): string => seedId("wallets", userId);

const amount = money({ above: 0, example: 25 });

export const wallets = entity(
  "wallets",
  {
    fields: {
      user_id: reference("users", { setBy: "system", unique: true, example: seedId("users", "customer1") }),
      balance: money({ setBy: "system", min: 0, default: 0 }),
    },
    read: anyOf(owner, admin),
    audited: true,
  },
  ({ creates, acts }) => ({
    create: creates("WalletCreated", { by: nobody, input: { user_id: true } }),
    top_up: acts("WalletUpdated", {
      by: admin,
      input: { amount },
      sets: ["balance"],
      decide: ({ state, input, refuse }) => added(state.balance, input.amount) ?? refuse(full),
    }),
    withdraw: acts("WalletUpdated", {
      by: nobody,
      input: { amount },
      sets: ["balance"],
      decide: ({ state, input, conflict }) =>
        state.balance < input.amount
          ? conflict("insufficient_funds")
          : { balance: differenceOf(state.balance, input.amount) },
    }),
    deposit: acts("WalletUpdated", {
      by: nobody,
      input: { amount },
      sets: ["balance"],
      decide: ({ state, input, refuse }) => added(state.balance, input.amount) ?? refuse(full),
    }),
  }),
);

const full = { pointer: "/amount", code: "full" } as const;

const added = (balance: number, amount: number): { readonly balance: number } | null =>
  fitsWallet(balance, amount) ? { balance: sumOf(balance, amount) } : null;
