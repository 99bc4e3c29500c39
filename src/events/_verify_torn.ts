/**
 * What a crash leaves of a record.
 *
 * @module
 */

import type { LogLine } from "./_verify_lines.ts";

/** Members that a record can begin with: the first ones of the canonical order, the last of which is always there. */
const HEADS = ["clientCorrelationId", "code", "correlationId"].map((name) => `{"${name}":"`);

/**
 * Tells whether a line may be the beginning of a record of a chain, and is not all of it. Zeros are what a file
 * system puts where a loss of power kept data from the disk; a character may be torn, too.
 *
 * @param line The line.
 * @returns Whether it may be.
 */
export function isTorn({ lossy }: LogLine): boolean {
  const text = lossy.replace(/[\0\ufffd]+$/, "");
  if (lossy === "" || !HEADS.some((head) => text.startsWith(head) || head.startsWith(text))) {
    return false;
  }
  return isOpen(text);
}

/** Whether the object that a text begins with goes on, as far as a look at quotes and braces tells. */
function isOpen(text: string): boolean {
  let depth = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (character < " ") return false;
    if (isQuoted && character === "\\") at++;
    else if (character === '"') isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (character === "{") depth++;
    else if (character === "}" && --depth === 0) return false;
  }
  return true;
}

/**
 * Tells whether a text is JSON.
 *
 * @param text The text of a line.
 * @returns Whether it is.
 */
export function isJson(text: string | undefined): boolean {
  return parse(text) !== undefined;
}

/**
 * Tells whether a line is a record as a sink without a chain writes it.
 *
 * @param text The text of a line.
 * @returns Whether it is.
 */
export function isUnchained(text: string | undefined): boolean {
  const value = parse(text);
  return typeof value === "object" && value !== null && "kind" in value && !("hash" in value) &&
    !("prev" in value);
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "") as unknown;
  } catch {
    return undefined;
  }
}
