import { act, actorHas, actorIs, anyOf, entity, money, reference, seedId } from "gesta";
import { walletOf, wallets } from "./wallets.ts";

const sender = actorIs("from_wallet_id.user_id", { audience: "customer" });
const receiver = actorIs("to_wallet_id.user_id", { audience: "customer" });
const sownWallet = (name: string): string => walletOf(seedId("users", name));

export const transfers = entity(
  "transfers",
  {
    fields: {
      from_wallet_id: reference("wallets", {
        setBy: "create",
        filter: true,
        expand: true,
        example: sownWallet("customer1"),
      }),
      to_wallet_id: reference("wallets", {
        setBy: "create",
        mayBeUnseen: true,
        filter: true,
        example: sownWallet("customer2"),
      }),
      amount: money({ setBy: "create", above: 0, example: 1.5 }),
    },
    read: anyOf(sender, receiver, actorHas("admin")),
    filter: ["created_at"],
    sort: ["created_at"],
    audited: true,
  },
  ({ creates }) => ({
    create: creates("TransferCreated", {
      by: sender,
      demandsKey: true,
      conflicts: ["insufficient_funds"],
      decide: ({ input, refuse }) =>
        input.from_wallet_id === input.to_wallet_id ? refuse({ pointer: "/to_wallet_id", code: "invalid" }) : {},
      effects: ({ input: { from_wallet_id, to_wallet_id, amount } }) => [
        act(wallets, from_wallet_id, "withdraw", { amount }),
        act(wallets, to_wallet_id, "deposit", { amount }),
      ],
    }),
  }),
);
