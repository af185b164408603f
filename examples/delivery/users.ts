import { actorHas, actorIs, anyOf, anyone, email, entity, make, oneOf, password, text, url, workflow } from "gesta";
import { walletOf, wallets } from "./wallets.ts";

const self = actorIs("id");

export const users = entity(
  "users",
  {
    fields: {
      name: text({ min: 1, max: 100, personal: true, example: "Kim Lee" }),
      email: email({ unique: true, filter: true, personal: true, example: "kim@example.com" }),
      password: password(),
      avatar: url({ optional: true, personal: true, example: "https://example.com/kim.png" }),
      role: oneOf({
        values: ["customer", "staff", "logistician", "manager", "admin"],
        setBy: "system",
        default: "customer",
        filter: true,
      }),
    },
    lifecycle: workflow({
      initial: "active",
      states: { active: { on: { deactivate: "deactivated" } }, deactivated: { final: true } },
    }),
    filter: ["status", "created_at"],
    sort: ["created_at"],
    read: anyOf(self, actorHas("admin")),
    audited: true,
    lint: { accept: { existence_oracle: "whoever registers must be told that the address is taken" } },
  },
  ({ creates, changes, moves, deletes }) => ({
    register: creates("UserRegistered", {
      by: anyone,
      effects: ({ record: { id, role } }) =>
        role === "customer" ? [make(wallets, "create", { user_id: id }, walletOf(id))] : [],
    }),
    name: changes("UserUpdated", { by: self, fields: ["name"], undo: true }),
    email: changes("EmailChanged", { by: self, fields: ["email"], undo: true }),
    avatar: changes("AvatarChanged", { by: self, fields: ["avatar"], undo: true }),
    password: changes("PasswordChanged", {
      by: self,
      fields: ["password"],
      verify: { current_password: "password" },
    }),
    deactivate: moves("UserDeactivated", { by: anyOf(self, actorHas("admin")) }),
    delete: deletes("UserDeleted", { by: actorHas("admin"), confirm: true, wait: "30 days" }),
  }),
);
