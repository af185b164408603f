import { application } from "gesta";
import { drinks } from "gesta-example-drinks";
import { documents } from "./documents.ts";
import { files } from "./files.ts";
import { largeSeed } from "./large-seed.ts";
import { menuItems } from "./menu-items.ts";
import { orders } from "./orders.ts";
import { promotions } from "./promotions.ts";
import { restaurants } from "./restaurants.ts";
import { seed } from "./seed.ts";
import { transfers } from "./transfers.ts";
import { users } from "./users.ts";
import { wallets } from "./wallets.ts";

export default application("delivery", {
  entities: [drinks, users, restaurants, menuItems, promotions, orders, wallets, transfers, files, documents],
  actors: { entity: "users", role: "role", active: ["active"], login: { email: "email", password: "password" } },
  seed,
  largeSeed,
});
