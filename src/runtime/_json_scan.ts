/** What a scan has counted, or where and why it stopped. */
export type JsonScan =
  | { readonly problem: undefined; readonly members: number }
  | { readonly problem: "depth" | "tokens" | "string"; readonly position: number };

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Looks for what makes parsing expensive, before it happens: in one pass, with no memory.
 *
 * It does not say whether the text is JSON. Strings, `{`, `[`, `,` and `:` are tokens; nothing that takes memory can
 * be written without them.
 *
 * @param text The text.
 * @param maxDepth How deep objects and arrays may lie in each other.
 * @param maxTokens How many tokens there may be.
 * @returns How many members all objects have together, or what is wrong.
 */
export function scanJson(text: string, maxDepth: number, maxTokens: number): JsonScan {
  const { length } = text;
  let depth = 0;
  let tokens = 0;
  let members = 0;
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const start = at++;
      // A character at a time: `indexOf` is slower for strings as short as they mostly are, and would
      // have to look for backslashes as well (bench/runtime_memory_bench.ts).
      for (; at < length; at++) {
        const inside = text.charCodeAt(at);
        if (inside === QUOTE) break;
        if (inside === BACKSLASH) at++;
      }
      if (at >= length) return { problem: "string", position: start };
    } else if (code === COLON) {
      members++;
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
  return { problem: undefined, members };
}

/** Counts the members of all objects in a value that came from JSON; as deep as the scan has allowed. */
export function countMembers(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const items: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  let members = Array.isArray(value) ? 0 : items.length;
  for (const item of items) {
    if (typeof item === "object" && item !== null) members += countMembers(item);
  }
  return members;
}

/** Whether an object in a value has an own member of the name `__proto__`. */
export function hasProtoMember(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some(hasProtoMember);
  return Object.hasOwn(value, "__proto__") || Object.values(value).some(hasProtoMember);
}

/**
 * Finds the first name that an object has already.
 *
 * @param text The text, which must be JSON.
 * @returns Where the name begins, or -1.
 */
export function findDuplicate(text: string): number {
  /** The names of the objects that are open; `undefined` for arrays. */
  const open: (Set<string> | undefined)[] = [];
  let isName = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const start = at++;
      while (text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
      const names = open.at(-1);
      if (!isName || names === undefined) continue;
      const name: string = JSON.parse(text.slice(start, at + 1));
      if (names.has(name)) return start;
      names.add(name);
      isName = false;
    } else if (code === OPEN_BRACE) {
      open.push(new Set());
      isName = true;
    } else if (code === OPEN_BRACKET) {
      open.push(undefined);
      isName = false;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      open.pop();
    } else if (code === COMMA) {
      isName = open.at(-1) !== undefined;
    }
  }
  return -1;
}
