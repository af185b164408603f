/** The word for one record: `menu_items` → `menu_item`, `categories` → `category`. */
export const singularOf = (plural: string): string => {
  if (plural.endsWith("ies")) return `${plural.slice(0, -3)}y`;
  return plural.endsWith("s") ? plural.slice(0, -1) : plural;
};

/** `menu_item` → `MenuItem` */
export const titleOf = (snake: string): string =>
  snake
    .split("_")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");

/** `confirm_payment` → `confirm-payment`: only the paths of actions are kebab-case. */
export const kebabOf = (snake: string): string => snake.replaceAll("_", "-");
