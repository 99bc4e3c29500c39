const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = /[ \t\n\r]*/y;
const SCALAR = /(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})/y;

/**
 * Finds where a text stops being JSON, as V8 seldom says it. Asked only of a text that `JSON.parse` has refused.
 *
 * @param text The text; no deeper than memory allows, as nothing here recurs.
 * @returns The index of the first token that cannot stand where it does: the length, if there should be more.
 */
export function findInvalid(text: string): number {
  /** What closes the objects and arrays that are open. */
  const open: string[] = [];
  let at = after(SPACE, text, 0);
  /** What has to come: a value, a value or the end of an array, a name, a name or the end of an object. */
  let state: "value" | "item" | "name" | "member" = "value";
  while (at < text.length) {
    const sign = text[at]!;
    let isValue = true;
    if (state === "name" || state === "member") {
      if (state === "member" && sign === "}") {
        open.pop();
        at++;
      } else {
        if (sign !== '"') return at;
        const end = endOfString(text, at);
        if (end < 0) return -end - 1;
        at = after(SPACE, text, end);
        if (text[at] !== ":") return at;
        at++;
        state = "value";
        isValue = false;
      }
    } else if (state === "item" && sign === "]") {
      open.pop();
      at++;
    } else if (sign === "[" || sign === "{") {
      open.push(sign === "[" ? "]" : "}");
      state = sign === "[" ? "item" : "member";
      at++;
      isValue = false;
    } else if (sign === '"') {
      const end = endOfString(text, at);
      if (end < 0) return -end - 1;
      at = end;
    } else {
      const end = after(SCALAR, text, at);
      if (end === at) return at;
      at = end;
    }
    at = after(SPACE, text, at);
    // What is closed is a value itself, and may be the last one of what it is in.
    while (isValue) {
      const closing = open.at(-1);
      if (closing === undefined) return at;
      if (text[at] === ",") {
        at = after(SPACE, text, at + 1);
        state = closing === "]" ? "value" : "name";
        break;
      }
      if (text[at] !== closing) return at;
      open.pop();
      at = after(SPACE, text, at + 1);
    }
  }
  return at;
}

/** Where a match ends that begins at an index; there, if nothing matches. */
function after(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

/** Where a string ends; for one that is wrong, −1 less the index of what is wrong. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (code < 0x20) return -at - 1;
    const next = code === BACKSLASH ? after(ESCAPE, text, at) : at + 1;
    if (next === at) return -at - 1;
    at = next;
  }
  return -text.length - 1;
}
