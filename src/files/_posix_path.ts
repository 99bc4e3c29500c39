/**
 * POSIX paths as text: `/` separates, and every other byte but NUL is a byte of a name.
 *
 * @module
 */

import { fileError } from "./_errors.ts";
import { checkText, longerThan, SHORT_PATH } from "./_path_text.ts";

const SLASH = 0x2f;
const DOT = 0x2e;

/** PATH_MAX of Linux without the NUL at the end, in bytes. */
const MAX_PATH_BYTES = 4095;

/**
 * Whether the rest of a path is what cleaning would make of it: names with one separator between them.
 *
 * This is all that happens to most paths, so it reads each character once and makes nothing
 * (bench/files_bench.ts, "resolveWithin"). A surrogate may be half of a pair; the careful way looks.
 */
export function isCleanPosix(path: string, from: number): boolean {
  const end = path.length;
  if (from >= end || end > SHORT_PATH) return false;
  let start = from;
  for (let at = from; at < end; at++) {
    const code = path.charCodeAt(at);
    if (code === SLASH) {
      if (isDotsOrEmpty(path, start, at)) return false;
      start = at + 1;
    } else if (code === 0 || (code & 0xf800) === 0xd800) {
      return false;
    }
  }
  return !isDotsOrEmpty(path, start, end);
}

function isDotsOrEmpty(path: string, start: number, end: number): boolean {
  const length = end - start;
  if (length > 2) return false;
  if (length === 0) return true;
  return path.charCodeAt(start) === DOT &&
    (length === 1 || path.charCodeAt(start + 1) === DOT);
}

/** Whether a root is written as this layer writes it. */
export function isCleanPosixRoot(root: string): boolean {
  return root === "/" || (root.charCodeAt(0) === SLASH && isCleanPosix(root, 1));
}

/** A root as it will be written in every result. */
export function cleanPosixRoot(root: string): string {
  if (root.charCodeAt(0) !== SLASH) {
    throw new TypeError("Cannot resolve within a root that is not an absolute path");
  }
  if (root.includes("\0") || !root.isWellFormed()) {
    throw new TypeError("Cannot resolve within a root with a NUL or a lone surrogate");
  }
  return `/${clean(root, true)}`;
}

/**
 * The careful way: the path below the root with `/` between names, empty for the root itself.
 *
 * `..` is taken from the text, never asked of the disk: what a link does to it depends on the moment.
 * Climbing above the root is refused even when the path comes back in (CVE-2025-53110 and its kin
 * compare prefixes; this compares names).
 */
export function relativePosix(root: string, input: string): string {
  checkText(input);
  const absolute = input.charCodeAt(0) === SLASH;
  let path = clean(input, absolute);
  if (absolute && root !== "/") {
    const full = `/${path}`;
    if (full === root) return "";
    if (!full.startsWith(`${root}/`)) throw fileError("path-outside-root");
    path = full.slice(root.length + 1);
  }
  if (longerThan(path, MAX_PATH_BYTES)) throw fileError("name-too-long");
  return path;
}

/** Names without `.`, `..` and empty ones; above the top there is only the top. */
function clean(path: string, absolute: boolean): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    if (name !== "..") names.push(name);
    else if (names.pop() === undefined && !absolute) throw fileError("path-outside-root");
  }
  return names.join("/");
}
