/**
 * JSON as it is written to logs: one spelling for each value, and nothing in it that a terminal, an editor or
 * a parser of lines takes for anything but text.
 *
 * @module
 */

import type { AuditEvent } from "./audit_event.ts";

/**
 * What JSON.stringify leaves as it is, though it acts or hides: DEL and the C1 controls (an escape sequence
 * may begin with 0x9b), soft hyphen and zero-width characters, directional marks (Trojan Source,
 * CVE-2021-42574), line and paragraph separators, BOM, interlinear annotation, formats of scripts, of musical
 * and of shorthand notation, tags and variation selectors: every point of Cc, Cf, Zl, Zp, Bidi_C and DI.
 *
 * By their numbers, as the properties of a pattern with the flag `u` grow with the engine: a log that one has
 * written would then look edited to another one.
 */
const UNSAFE =
  /[\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff]|\ud804[\udcbd\udccd]|\ud80d[\udc30-\udc3f]|\ud82f[\udca0-\udca3]|\ud834[\udd73-\udd7a]|[\udb40-\udb43][\udc00-\udfff]/;
const ALL_UNSAFE = new RegExp(UNSAFE.source, "g");

/** Deeper values are refused, as cycles are. */
const MAX_DEPTH = 128;
/** A lone surrogate, as JSON.stringify writes it: an escape that follows no other backslash. */
const LONE_SURROGATE = /(?:^|[^\\])(?:\\\\)*\\ud[89a-f]/;

/** Members are in order already. */
const IN_ORDER = 0;
/** A copy can have its members in order. */
const SORTABLE = 1;
/** No object has its members in order, since names that look like an index always come first. */
const UNSORTABLE = 2;

/**
 * Writes a value of plain JSON in the form of RFC 8785: members sorted by the UTF-16 code units of their
 * names, numbers and strings as ECMAScript writes them, no white space.
 *
 * @param value Strings, finite numbers, booleans, `null`, arrays and plain objects; no cycles, and no more than
 * 128 levels. Members that are `undefined` are left out.
 * @returns The canonical text. It is still to be escaped with {@linkcode escapeJson} before anybody looks at it.
 * @throws {TypeError} If a number is not finite, a string has a lone surrogate, or something is none of the above.
 */
export function canonicalJson(value: unknown): string {
  const ordered = inOrder(value);
  return wellFormed(ordered === undefined ? concatenated(value) : JSON.stringify(ordered));
}

/**
 * The same for an object whose members are known to be plain and in order, at half of the cost
 * (bench/events_bench.ts).
 *
 * @param value The object.
 * @returns The canonical text.
 * @throws {TypeError} If a string has a lone surrogate.
 */
export function orderedJson(value: object): string {
  return wellFormed(JSON.stringify(value));
}

/**
 * Checks that a value is plain JSON, and puts its members in order.
 *
 * @param value The value.
 * @param depth Levels that are around it.
 * @returns The value itself where they are in order, otherwise a copy; `undefined` where no object can have
 * them in order, which {@linkcode canonicalJson} has to put together piece by piece.
 * @throws {TypeError} If it is none.
 */
export function inOrder(value: unknown, depth = 0): unknown {
  const order = orderOf(value, depth);
  if (order === UNSORTABLE) return undefined;
  return order === IN_ORDER ? value : sortedCopy(value);
}

function wellFormed(text: string): string {
  if (text.includes("\\ud") && LONE_SURROGATE.test(text)) {
    throw new TypeError("Cannot write a string with a lone surrogate as JSON");
  }
  return text;
}

/** Checks that a value is plain JSON, and tells how to have its members in order. */
function orderOf(value: unknown, depth: number): number {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return IN_ORDER;
  if (typeof value === "number" && Number.isFinite(value)) return IN_ORDER;
  if (typeof value !== "object") throw notPlain(value);
  if (depth === MAX_DEPTH) {
    throw new TypeError(`Cannot write more than ${MAX_DEPTH} levels as JSON`);
  }
  let order = IN_ORDER;
  if (Array.isArray(value)) {
    for (const element of value) order = Math.max(order, orderOf(element, depth + 1));
    return order;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw notPlain(value);
  let before = "";
  for (const name of Object.keys(value)) {
    if (name < before) order = Math.max(order, SORTABLE);
    before = name;
    const member = (value as Record<string, unknown>)[name];
    if (member !== undefined) order = Math.max(order, orderOf(member, depth + 1));
    // Assigned to a copy, it would become its prototype.
    if (name === "__proto__") order = UNSORTABLE;
  }
  return order === SORTABLE && Object.keys(value).some(isDigitFirst) ? UNSORTABLE : order;
}

function isDigitFirst(name: string): boolean {
  const first = name.charCodeAt(0);
  return first >= 48 && first <= 57;
}

function notPlain(value: unknown): TypeError {
  return new TypeError(
    typeof value === "object" || typeof value === "number"
      ? "Cannot write as JSON what is neither plain nor finite"
      : `Cannot write a ${typeof value} as JSON`,
  );
}

/** Copies no more than what has to be in another order. */
function sortedCopy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sortedCopy);
  const names = Object.keys(value);
  if (!isSorted(names)) {
    const copy: Record<string, unknown> = {};
    for (const name of names.sort()) {
      copy[name] = sortedCopy((value as Record<string, unknown>)[name]);
    }
    return copy;
  }
  let copy: Record<string, unknown> | undefined;
  for (const name of names) {
    const member = (value as Record<string, unknown>)[name];
    if (typeof member !== "object") continue;
    const sorted = sortedCopy(member);
    if (sorted === member) continue;
    copy ??= { ...value };
    copy[name] = sorted;
  }
  return copy ?? value;
}

function isSorted(names: readonly string[]): boolean {
  for (let at = 1; at < names.length; at++) {
    if ((names[at] as string) < (names[at - 1] as string)) return false;
  }
  return true;
}

function concatenated(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(concatenated).join(",")}]`;
  const members: string[] = [];
  for (const name of Object.keys(value).sort()) {
    const member = (value as Record<string, unknown>)[name];
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${concatenated(member)}`);
  }
  return `{${members.join(",")}}`;
}

/**
 * Escapes what JSON allows raw within strings, but what does something else than to be read.
 *
 * @param json Any JSON text.
 * @returns JSON of the same value.
 */
export function escapeJson(json: string): string {
  return UNSAFE.test(json) ? json.replace(ALL_UNSAFE, escapeUnits) : json;
}

/**
 * Escapes a text that is shown outside of JSON, such as by a console: quotes and backslashes, too, so that no
 * field can end early.
 *
 * @param text Any text.
 * @returns The text without the quotes that JSON puts around it.
 */
export function escapeText(text: string): string {
  return escapeJson(JSON.stringify(text)).slice(1, -1);
}

/**
 * An event as one line of JSON, without the line feed.
 *
 * @param event The event.
 * @returns The line: canonical JSON, escaped.
 */
export function toJsonLine(event: AuditEvent): string {
  return escapeJson(canonicalJson(event));
}

function escapeUnits(text: string): string {
  let escaped = "";
  for (let at = 0; at < text.length; at++) {
    escaped += `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`;
  }
  return escaped;
}
