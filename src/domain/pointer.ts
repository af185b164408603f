/** One more step of a JSON pointer (RFC 6901). */
export const pointTo = (pointer: string, part: string | number): string =>
  `${pointer}/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`;
