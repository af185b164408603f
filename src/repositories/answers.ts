import type { Row } from "../database/engine.ts";

// What the functions of the database answer: one text, a word first and then what belongs to it.

/** Answers come with the place of their question, from 1 on, in any order. */
export function inPlace<Answer>(
  rows: readonly Row[],
  parse: (answer: string, index: number) => Answer,
): readonly Answer[] {
  const answers = new Array<Answer>(rows.length);
  for (const [place, answer] of rows) {
    const index = Number(place) - 1;
    if (!(index >= 0 && index < rows.length) || answers[index] !== undefined) {
      throw new Error(`the database gave an answer to place ${place} of ${rows.length}`);
    }
    answers[index] = parse(textOf(answer), index);
  }
  return answers;
}

export const textOf = (text: Row[number] | undefined): string => {
  if (typeof text !== "string") throw new Error("the database gave no answer");
  return text;
};

export const split = (text: string): { readonly word: string; readonly rest: string } => {
  const space = text.indexOf(" ");
  return space < 0 ? { word: text, rest: "" } : { word: text.slice(0, space), rest: text.slice(space + 1) };
};

export const unexpected = (text: string): Error => new Error(`the database answered '${text.slice(0, 40)}'`);
