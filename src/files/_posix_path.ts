/**
 * POSIX paths as text: `/` separates, and every other byte but NUL is a byte of a name.
 *
 * @module
 */

import { fileError } from "./_errors.ts";
import { checkText, longerThan, SHORT_PATH } from "./_path_text.ts";

const SLASH = 0x2f;

/** PATH_MAX of Linux without the NUL at the end, in bytes. */
const MAX_PATH_BYTES = 4095;

/** Names with one separator between them; a surrogate may be half of a pair, so the careful way looks. */
const CLEAN =
  /(?!\.{0,2}(?:\/|$))[^\0/\ud800-\udfff]+(?:\/(?!\.{0,2}(?:\/|$))[^\0/\ud800-\udfff]+)*$/y;

/**
 * Whether the rest of a path is what cleaning would make of it.
 *
 * This is all that happens to most paths. It reads once, makes nothing and does not backtrack past a name;
 * a loop over `charCodeAt` takes twice as long (bench/files_bench.ts, "resolveWithin").
 */
export function isCleanPosix(path: string, from: number): boolean {
  if (path.length > SHORT_PATH) return false;
  CLEAN.lastIndex = from;
  return CLEAN.test(path);
}

/** A root as it will be written in every result. */
export function cleanPosixRoot(root: string): string {
  if (root.charCodeAt(0) !== SLASH) {
    throw new TypeError("Cannot resolve within a root that is not an absolute path");
  }
  if (root.includes("\0") || !root.isWellFormed()) {
    throw new TypeError("Cannot resolve within a root with a NUL or a lone surrogate");
  }
  if (root === "/" || isCleanPosix(root, 1)) return root;
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
