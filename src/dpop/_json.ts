import { parseCarefully } from "../_internal/json_careful.ts";

/** Deeper than any proof or token, and far from where recursion would end. */
export const MAX_DEPTH = 16;

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;

/**
 * Parses a JSON object that says everything once.
 *
 * Parsers disagree about which of two members with one name counts (RFC 8259, section 4), and a proof
 * must not mean one thing to a proxy and another one here (RFC 7515, section 4).
 *
 * @param text The text.
 * @returns The object, or `undefined` for anything else, a repeated name and a depth above 16.
 */
export function parseJsonObject(text: string): Record<string, unknown> | undefined {
  const { members, hasEscapedName } = countMembers(text);
  if (members < 0) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  if (hasEscapedName) {
    const careful = parseCarefully(text);
    return careful.duplicate < 0 && isObject(careful.value) ? careful.value : undefined;
  }
  // Of members with one name JSON.parse keeps the last.
  return countKept(value) === members ? value : undefined;
}

/** Whether a value is an object of JSON, and no array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What {@linkcode countMembers} sees. */
interface Written {
  /** How many members all objects have together; -1 when it goes too deep. */
  readonly members: number;
  /** Whether a name is written with an escape. */
  readonly hasEscapedName: boolean;
}

const TOO_DEEP: Written = { members: -1, hasEscapedName: false };

/** Counts the members of all objects: the colons outside of strings. Says anything at all for what is no JSON. */
function countMembers(text: string): Written {
  const escapes = text.includes("\\");
  let members = 0;
  let depth = 0;
  let isEscaped = false;
  let hasEscapedName = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const start = at;
      at = escapes ? endOfString(text, at) : text.indexOf('"', at + 1);
      if (at < 0) return TOO_DEEP;
      isEscaped = escapes && text.slice(start, at).includes("\\");
    } else if (code === COLON) {
      members++;
      // What stands before a colon is a name.
      if (isEscaped) hasEscapedName = true;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_DEPTH) return TOO_DEEP;
    } else if (code === 0x7d || code === 0x5d) {
      depth--;
    }
  }
  return { members, hasEscapedName };
}

/** Where a string ends that begins at an index, or -1. */
function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at++;
  }
  return -1;
}

/** Counts the members of all objects that were parsed. */
function countKept(value: object): number {
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) {
      if (typeof item === "object" && item !== null) members += countKept(item);
    }
    return members;
  }
  for (const item of Object.values(value)) {
    members++;
    if (typeof item === "object" && item !== null) members += countKept(item);
  }
  return members;
}
