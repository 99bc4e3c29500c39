/** What {@linkcode parseCarefully} has found. */
export interface CarefulJson {
  /** The value; of members with one name it has the last. */
  readonly value: unknown;
  /** Where the first name begins that its object had already; -1 if there is none. */
  readonly duplicate: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Parses without the short cut of V8 for the names of members.
 *
 * V8 15 (Deno 2.9) guesses the next name from objects that it has seen before, and compares it with the text as it
 * is written: once anybody has sent `{"role":0,"\\u006":0}`, in `{"role":0,"\u0061dmin":0}` it finds no `admin` but a
 * member of the name `\u006`. So a stranger may hide members from other people's requests, and repeated names from
 * whoever counts them. It takes an escape in the written name; only such texts come here.
 *
 * @param text The text, which must be JSON, and no deeper than the stack.
 * @returns The value, and whether a name is there twice.
 */
export function parseCarefully(text: string): CarefulJson {
  let at = 0;
  let duplicate = -1;

  /** The next sign that is no white space. */
  const sign = (): number => {
    while (text.charCodeAt(at) <= 0x20) at++;
    return text.charCodeAt(at);
  };
  const string = (): string => {
    const start = at++;
    let isEscaped = false;
    while (true) {
      const code = text.charCodeAt(at++);
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        isEscaped = true;
        at++;
      }
    }
    return isEscaped ? JSON.parse(text.slice(start, at)) : text.slice(start + 1, at - 1);
  };
  /** A number, or `true`, `false` or `null`. */
  const scalar = (): unknown => {
    const start = at;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code <= 0x20 || code === COMMA || code === CLOSE_BRACKET || code === CLOSE_BRACE) break;
    }
    const word = text.slice(start, at);
    if (word === "true" || word === "false") return word === "true";
    return word === "null" ? null : Number(word);
  };
  const array = (): unknown[] => {
    const items: unknown[] = [];
    for (at++; sign() !== CLOSE_BRACKET;) {
      items.push(value());
      if (sign() === COMMA) at++;
    }
    at++;
    return items;
  };
  const object = (): Record<string, unknown> => {
    const members: Record<string, unknown> = {};
    for (at++; sign() !== CLOSE_BRACE;) {
      const start = at;
      const name = string();
      sign();
      at++;
      if (duplicate < 0 && Object.hasOwn(members, name)) duplicate = start;
      setMember(members, name, value());
      if (sign() === COMMA) at++;
    }
    at++;
    return members;
  };
  const value = (): unknown => {
    const first = sign();
    if (first === QUOTE) return string();
    if (first === OPEN_BRACKET) return array();
    return first === OPEN_BRACE ? object() : scalar();
  };
  return { value: value(), duplicate };
}

/** As JSON.parse does: `__proto__` is a name like any other. */
function setMember(members: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== "__proto__") {
    members[name] = value;
    return;
  }
  Object.defineProperty(members, name, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
