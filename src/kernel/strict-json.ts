import { exactNumber, type InexactNumber } from "./exact-number.ts";
import { Refusal } from "./refusal.ts";

/** How deep arrays and objects may lie in each other: checked here, before any SQL sees the value. */
export const deepest = 32;

const quote = 34;
const comma = 44;
const minus = 45;
const point = 46;
const zero = 48;
const nine = 57;
const colon = 58;
const openArray = 91;
const backslash = 92;
const closeArray = 93;
const openObject = 123;
const closeObject = 125;

/**
 * Reads JSON (RFC 8259) as data that is about to be stored must be read: no key twice, at most 32 levels, and numbers
 * that cannot be kept exactly stay recognisable (`InexactNumber`). `JSON.parse` keeps the last of two keys and rounds.
 * Escaped NUL and lone surrogates are read as they are: they are faults of a value, not of the text.
 * @throws Refusal `malformed`, with line and column
 */
export const readJson = (text: string): unknown => new JsonReader(text).read();

class JsonReader {
  readonly #text: string;
  /** The next character, in UTF-16 units. */
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): unknown {
    const value = this.#value(0);
    this.#skip();
    if (this.#at < this.#text.length)
      throw this.#malformed("something follows the value", "после значения что-то есть");
    return value;
  }

  /** `depth` counts the arrays and objects around the value. */
  #value(depth: number): unknown {
    const code = this.#skip();
    switch (code) {
      case quote:
        return this.#string();
      case openObject:
      case openArray:
        if (depth === deepest) throw this.#malformed(`deeper than ${deepest} levels`, `глубже ${deepest} уровней`);
        this.#at++;
        return code === openObject ? this.#object(depth + 1) : this.#array(depth + 1);
      case 116:
        return this.#word("true", true);
      case 102:
        return this.#word("false", false);
      case 110:
        return this.#word("null", null);
      default:
        if (code === minus || (code >= zero && code <= nine)) return this.#number();
        throw this.#expected("a value", "значение");
    }
  }

  #object(depth: number): object {
    const object: Record<string, unknown> = {};
    if (this.#skip() === closeObject) {
      this.#at++;
      return object;
    }
    for (;;) {
      if (this.#skip() !== quote) throw this.#expected("a key in quotes", "ключ в кавычках");
      const start = this.#at;
      const key = this.#string();
      const known = key in object;
      if (known && Object.hasOwn(object, key)) {
        throw this.#malformed("the same key twice in one object", "повторный ключ в объекте", start);
      }
      if (this.#skip() !== colon) throw this.#expected("`:`", "`:`");
      this.#at++;
      const value = this.#value(depth);
      // An assignment to what the prototype has could change the prototype; a definition makes an ordinary member.
      if (known) Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
      else object[key] = value;
      const code = this.#skip();
      if (code !== comma && code !== closeObject) throw this.#expected("`,` or `}`", "`,` или `}`");
      this.#at++;
      if (code === closeObject) return object;
    }
  }

  #array(depth: number): unknown[] {
    const array: unknown[] = [];
    if (this.#skip() === closeArray) {
      this.#at++;
      return array;
    }
    for (;;) {
      array.push(this.#value(depth));
      const code = this.#skip();
      if (code !== comma && code !== closeArray) throw this.#expected("`,` or `]`", "`,` или `]`");
      this.#at++;
      if (code === closeArray) return array;
    }
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at;
    let escaped = false;
    for (let at = start + 1; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === quote) {
        this.#at = at + 1;
        return escaped ? this.#unescaped(start) : text.slice(start + 1, at);
      }
      if (code === backslash) {
        escaped = true;
        at++;
      } else if (code < 32) {
        throw this.#malformed("a control character that is not escaped", "неэкранированный управляющий символ", at);
      }
    }
    throw this.#malformed("a string without an end", "текст в кавычках не закончен", start);
  }

  /** The string from `start` up to here. */
  #unescaped(start: number): string {
    try {
      return String(JSON.parse(this.#text.slice(start, this.#at)));
    } catch {
      throw this.#malformed("an invalid escape in a string", "неверная escape-последовательность в тексте", start);
    }
  }

  #number(): number | InexactNumber {
    const text = this.#text;
    const start = this.#at;
    if (text.charCodeAt(this.#at) === minus) this.#at++;
    if (text.charCodeAt(this.#at) === zero) this.#at++;
    else this.#digits();
    if (text.charCodeAt(this.#at) === point) {
      this.#at++;
      this.#digits();
    }
    const letter = text.charCodeAt(this.#at);
    if (letter === 101 || letter === 69) {
      const sign = text.charCodeAt(++this.#at);
      if (sign === 43 || sign === minus) this.#at++;
      this.#digits();
    }
    return exactNumber(text.slice(start, this.#at));
  }

  /** One digit at least. */
  #digits(): void {
    const start = this.#at;
    let code = this.#text.charCodeAt(this.#at);
    while (code >= zero && code <= nine) code = this.#text.charCodeAt(++this.#at);
    if (this.#at === start) throw this.#expected("a digit", "цифра");
  }

  #word(word: string, value: boolean | null): boolean | null {
    if (!this.#text.startsWith(word, this.#at)) throw this.#expected("a value", "значение");
    this.#at += word.length;
    return value;
  }

  /** Goes to the next character that is no white space and tells its code; NaN at the end. */
  #skip(): number {
    let code = this.#text.charCodeAt(this.#at);
    while (code === 32 || code === 10 || code === 13 || code === 9) code = this.#text.charCodeAt(++this.#at);
    return code;
  }

  #expected(en: string, ru: string): Refusal {
    return this.#at < this.#text.length
      ? this.#malformed(`expected ${en}`, `ожидалось: ${ru}`)
      : this.#malformed(`the text ends, expected ${en}`, `текст кончился, ожидалось: ${ru}`);
  }

  #malformed(en: string, ru: string, at = this.#at): Refusal {
    const before = this.#text.slice(0, at);
    const line = before.split("\n").length;
    const column = at - before.lastIndexOf("\n");
    return new Refusal("malformed", {
      detail: { en: `${en} (line ${line}, column ${column})`, ru: `${ru} (строка ${line}, столбец ${column})` },
    });
  }
}
