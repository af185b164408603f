/** One more step of a JSON pointer (RFC 6901). */
export const pointTo = (pointer: string, part: string | number): string =>
  `${pointer}/${typeof part === "number" || !/[~/]/.test(part) ? part : part.replaceAll("~", "~0").replaceAll("/", "~1")}`;
