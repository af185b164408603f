import { seedId } from "gesta";
import { tokenOf } from "./tokens.ts";

export type Headers = Readonly<Record<string, string>>;

export const as = (userId: string): Headers => ({ authorization: `Bearer ${tokenOf(userId)}` });
export const asSown = (name: string): Headers => as(seedId("users", name));
export const inJson: Headers = { "content-type": "application/json" };
