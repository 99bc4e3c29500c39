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
 * CVE-2021-42574), line and paragraph separators, BOM, interlinear annotation, tags and variation selectors.
 */
// deno-lint-ignore no-control-regex -- they are what it looks for.
const UNSAFE =
  /[\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff]|\udb40[\udc00-\udfff]/;
const ALL_UNSAFE = new RegExp(UNSAFE.source, "g");

/**
 * Writes a value of plain JSON in the form of RFC 8785: members sorted by the UTF-16 code units of their
 * names, numbers and strings as ECMAScript writes them, no white space.
 *
 * @param value Strings, finite numbers, booleans, `null`, arrays and plain objects; no cycles. Members that
 * are `undefined` are left out.
 * @returns The canonical text. It is still to be escaped with {@linkcode escapeJson} before anybody looks at it.
 * @throws {TypeError} If a number is not finite, or something is none of the above.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" && Number.isFinite(value)) return JSON.stringify(value);
  if (typeof value === "boolean" || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object") throw new TypeError(`Cannot write a ${typeof value} as JSON`);
  let text = "";
  for (const key of Object.keys(value).sort()) {
    const member = (value as Record<string, unknown>)[key];
    if (member === undefined) continue;
    text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
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
