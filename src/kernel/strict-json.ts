import { exactNumber } from "./exact-number.ts";
import { Refusal } from "./refusal.ts";

/** How deep arrays and objects may lie in each other: checked here, before any SQL sees the value. */
export const deepest = 32;

const malformed = (en: string, ru: string, at: number): Refusal =>
  new Refusal("malformed", { detail: { en: `${en} at character ${at + 1}`, ru: `${ru}, символ ${at + 1}` } });

const numberAt = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const words: readonly (readonly [string, boolean | null])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

/**
 * Reads JSON (RFC 8259) as data that is about to be stored must be read: no key twice, at most 32 levels, and numbers
 * that cannot be kept exactly stay recognisable (`InexactNumber`). `JSON.parse` keeps the last of two keys and rounds.
 * @throws Refusal `malformed`, with the position.
 */
export function readJson(text: string): unknown {
  let at = 0;

  const skip = (): number => {
    let code = text.charCodeAt(at);
    while (code === 32 || code === 10 || code === 13 || code === 9) code = text.charCodeAt(++at);
    return code;
  };

  const readString = (): string => {
    const start = at++;
    for (let escaped = false; ; at++) {
      const code = text.charCodeAt(at);
      if (code === 34) {
        const raw = text.slice(start, ++at);
        return escaped ? unescaped(raw, start) : raw.slice(1, -1);
      }
      if (code === 92) {
        escaped = true;
        at++;
      }
      // `code` is NaN behind the end, and then `code >= 32` is false.
      if (!(code >= 32))
        throw malformed(
          "a string does not end or holds a control character",
          "строка не закончена или содержит управляющий символ",
          at,
        );
    }
  };

  const readArray = (depth: number): unknown[] => {
    const array: unknown[] = [];
    at++;
    if (skip() === 93) {
      at++;
      return array;
    }
    for (;;) {
      array.push(readValue(depth));
      const code = skip();
      at++;
      if (code === 93) return array;
      if (code !== 44) throw malformed("expected , or ]", "ожидалось , или ]", at - 1);
    }
  };

  const readObject = (depth: number): object => {
    const object = {};
    at++;
    if (skip() === 125) {
      at++;
      return object;
    }
    for (;;) {
      if (skip() !== 34) throw malformed("expected a key in quotes", "ожидался ключ в кавычках", at);
      const start = at;
      const key = readString();
      if (Object.hasOwn(object, key))
        throw malformed("the same key twice in one object", "повторный ключ в объекте", start);
      if (skip() !== 58) throw malformed("expected :", "ожидалось :", at);
      at++;
      const value = readValue(depth);
      // An assignment to `__proto__` would change the prototype; a definition makes an ordinary member.
      Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
      const code = skip();
      at++;
      if (code === 125) return object;
      if (code !== 44) throw malformed("expected , or }", "ожидалось , или }", at - 1);
    }
  };

  const readValue = (depth: number): unknown => {
    const code = skip();
    if (code === 34) return readString();
    if (code === 123 || code === 91) {
      if (depth === deepest) throw malformed(`deeper than ${deepest} levels`, `глубже ${deepest} уровней`, at);
      return code === 123 ? readObject(depth + 1) : readArray(depth + 1);
    }
    for (const [word, value] of words) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return value;
      }
    }
    numberAt.lastIndex = at;
    const number = numberAt.exec(text)?.[0];
    if (number === undefined) throw malformed("expected a value", "ожидалось значение", at);
    at += number.length;
    return exactNumber(number);
  };

  const value = readValue(0);
  if (!Number.isNaN(skip())) throw malformed("something follows the value", "после значения что-то есть", at);
  return value;
}

function unescaped(raw: string, at: number): string {
  try {
    return String(JSON.parse(raw));
  } catch {
    throw malformed("an invalid escape in a string", "неверная escape-последовательность в строке", at);
  }
}
