/**
 * What holds for the text of a path on every platform.
 *
 * @module
 */

import type { SecurityError } from "../errors.ts";
import { fileError } from "./_errors.ts";

/** Code units that are never more than PATH_MAX bytes in UTF-8, so that nobody has to count. */
export const SHORT_PATH = 1365;

/** No system takes a longer path, in code units; what is longer is not even looked at. */
export const MAX_PATH_LENGTH = 32_767;

/** Why a path is not valid, as `details.reason` of the error. */
export type PathFault =
  | "empty"
  | "nul"
  | "ill-formed"
  | "device-name"
  | "colon"
  | "invalid-char"
  | "trailing-dot-space"
  | "short-name"
  | "namespace"
  | "drive-relative"
  | "scheme"
  | "host"
  | "query"
  | "malformed-percent"
  | "encoded-separator"
  | "not-absolute"
  | "empty-segment";

/** The error of a path that is refused as it is written. */
export function invalidPath(fault: PathFault): SecurityError {
  return fileError("path-invalid", { details: { reason: fault } });
}

/** Refuses what means something else, or nothing, once it reaches the system. */
export function checkText(input: string): void {
  if (input === "") throw invalidPath("empty");
  if (input.length > MAX_PATH_LENGTH) throw fileError("name-too-long");
  // C stops reading at a NUL: "a.txt\0.png" would be checked as a picture and opened as a text.
  if (input.includes("\0")) throw invalidPath("nul");
  // Deno hands a lone surrogate to the system as U+FFFD: two inputs, one file.
  if (!input.isWellFormed()) throw invalidPath("ill-formed");
}

/** Whether a path has more bytes in UTF-8. */
export function longerThan(path: string, maxBytes: number): boolean {
  return path.length > SHORT_PATH && new TextEncoder().encode(path).byteLength > maxBytes;
}
