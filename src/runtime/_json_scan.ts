/** What a scan has counted, or where and why it stopped. */
export type JsonScan =
  | {
    readonly problem: undefined;
    /** How many members all objects have together. */
    readonly members: number;
    /** Whether a name is written with an escape. */
    readonly hasEscapedName: boolean;
  }
  | { readonly problem: "depth" | "tokens" | "string"; readonly position: number };

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
/** How many characters of a string are looked at one by one. */
const SHORT = 32;

/**
 * Looks for what makes parsing expensive, before it happens: in one pass, with no memory.
 *
 * It does not say whether the text is JSON. Strings, `{`, `[`, `,` and `:` are tokens; nothing that takes memory can
 * be written without them.
 *
 * @param text The text.
 * @param maxDepth How deep objects and arrays may lie in each other.
 * @param maxTokens How many tokens there may be.
 * @returns What there is, or what is wrong.
 */
export function scanJson(text: string, maxDepth: number, maxTokens: number): JsonScan {
  const { length } = text;
  let depth = 0;
  let tokens = 0;
  let members = 0;
  let backslash = -1;
  let isEscaped = false;
  let hasEscapedName = false;
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const start = at++;
      isEscaped = false;
      // Most strings are short, and then `indexOf` costs more than it saves.
      const near = Math.min(length, at + SHORT);
      for (; at < near; at++) {
        const inside = text.charCodeAt(at);
        if (inside === QUOTE) break;
        if (inside === BACKSLASH) {
          isEscaped = true;
          at++;
        }
      }
      if (at >= near) {
        // The next backslash is looked for once, not for every string: that would be quadratic.
        let quote = text.indexOf('"', at);
        if (backslash < at) backslash = indexOrEnd(text, at);
        while (backslash < quote) {
          isEscaped = true;
          at = backslash + 2;
          if (quote < at) quote = text.indexOf('"', at);
          backslash = indexOrEnd(text, at);
        }
        if (quote < 0) return { problem: "string", position: start };
        at = quote;
      }
    } else if (code === COLON) {
      members++;
      // What stands before a colon is a name.
      if (isEscaped) hasEscapedName = true;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > maxDepth) return { problem: "depth", position: at };
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth--;
      continue;
    } else if (code !== COMMA) {
      continue;
    }
    if (++tokens > maxTokens) return { problem: "tokens", position: at };
  }
  return { problem: undefined, members, hasEscapedName };
}

/** Where the next backslash is; the length, if there is none. */
function indexOrEnd(text: string, from: number): number {
  const found = text.indexOf("\\", from);
  return found < 0 ? text.length : found;
}

/** Counts the members of all objects in a value that came from JSON; as deep as the scan has allowed. */
export function countMembers(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  // A polluted prototype would be counted with every object.
  if (Object.keys(Object.prototype).length > 0) return countOwn(value);
  return countEnumerable(value as Record<string, unknown>);
}

/** Without an array of the values of every object, which takes twice as long. */
function countEnumerable(value: Record<string, unknown> | readonly unknown[]): number {
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) {
      if (typeof item === "object" && item !== null) members += countEnumerable(item);
    }
    return members;
  }
  const object = value as Record<string, unknown>;
  // deno-lint-ignore guard-for-in -- nothing is inherited, which countMembers() has made sure of.
  for (const name in object) {
    members++;
    const item = object[name];
    if (typeof item === "object" && item !== null) {
      members += countEnumerable(item as Record<string, unknown>);
    }
  }
  return members;
}

function countOwn(value: object): number {
  const items: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  let members = Array.isArray(value) ? 0 : items.length;
  for (const item of items) {
    if (typeof item === "object" && item !== null) members += countOwn(item);
  }
  return members;
}

/** Whether an object in a value has an own member of the name `__proto__`. */
export function hasProtoMember(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some(hasProtoMember);
  return Object.hasOwn(value, "__proto__") || Object.values(value).some(hasProtoMember);
}
