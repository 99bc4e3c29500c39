/**
 * The lexical half of file security: {@linkcode resolveWithin} decides from the text alone.
 *
 * @module
 */

import { fileError } from "./_errors.ts";
import { cleanPosixRoot, isCleanPosix, relativePosix } from "./_posix_path.ts";
import { cleanWindowsRoot, isCleanWindows, relativeWindows } from "./_windows_path.ts";

/** Options of {@linkcode resolveWithin}. */
export interface ResolveWithinOptions {
  /** Whose rules hold; both can be asked for everywhere. @default {those of the system it runs on} */
  readonly platform?: "posix" | "windows";
}

/**
 * Resolves a path that a client wrote to an absolute path at or below a root, by its text alone.
 *
 * Nothing is repaired: the path is not decoded, trimmed, expanded or folded, and what the system would
 * read as something else is refused. `.`, `..` and repeated separators are resolved in the text, so `a/../b`
 * is `b` whatever `a` is, and a relative path that climbs above the root is refused even when it comes back in.
 * An absolute path may be spelled in any way that leads to the root or below it.
 *
 * It does NOT look at the disk: a symbolic link below the root may still lead out, which is what
 * `FileSecurityValidator` is for.
 *
 * On POSIX a backslash, a control character and a device name are characters of a name. On Windows these are
 * refused: `\\?\` and `\\.\` forms, `C:x`, device names with or without extension, `:` in a name,
 * trailing dots and spaces, 8.3 short names, and characters that no name can have; case does not matter when an
 * absolute path is compared to the root.
 *
 * @example
 * ```ts
 * import { resolveWithin, SecurityError } from "@bartizan/security";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const posix = { platform: "posix" } as const;
 * assertEquals(resolveWithin("/srv/data", "notes/a.md", posix), "/srv/data/notes/a.md");
 * assertThrows(() => resolveWithin("/srv/data", "../etc/passwd", posix), SecurityError);
 * ```
 *
 * @param root Absolute path of the directory; cleaned when it is not written canonically.
 * @param input What the client wrote, relative to the root or absolute.
 * @param options Whose rules hold.
 * @returns The absolute path; `input` itself when it is written canonically.
 * @throws {SecurityError} `path-outside-root`, `name-too-long` (more than 4,095 bytes below the root on POSIX, 32,767
 * code units anywhere), or `path-invalid` with the cause as `details.reason`.
 * @throws {TypeError} If the root is not an absolute path, or has a NUL, a lone surrogate, or on Windows a name that
 * the system would change; if `input` is not a string, or `platform` not one of the two.
 */
export function resolveWithin(
  root: string,
  input: string,
  options: ResolveWithinOptions = {},
): string {
  const platform = platformOf(options);
  // What turns into a text anew each time could be one path here and another in the result.
  if (typeof input !== "string") throw new TypeError("'input' must be a string");
  const { top, prefix } = cleanRoot(root, platform);
  if (isClean(input, 0, platform)) return prefix + input;
  if (input.startsWith(prefix) && isClean(input, prefix.length, platform)) return input;
  if (platform === "windows") {
    const path = relativeWindows(top, input);
    return path === "" ? top : prefix + path.replaceAll("/", "\\");
  }
  const path = relativePosix(top, input);
  return path === "" ? top : prefix + path;
}

/**
 * The same decision, told from the root.
 *
 * @returns The path below the root with `/` between names; empty for the root itself.
 */
export function relativeWithin(
  root: string,
  input: string,
  platform: "posix" | "windows",
): string {
  if (platform === "windows") {
    const { top } = cleanRoot(root, platform);
    return isCleanWindows(input, 0) ? input.replaceAll("\\", "/") : relativeWindows(top, input);
  }
  if (isCleanPosix(input, 0)) return input;
  const { top, prefix } = cleanRoot(root, platform);
  if (input.startsWith(prefix) && isCleanPosix(input, prefix.length)) {
    return input.slice(prefix.length);
  }
  return relativePosix(top, input);
}

function isClean(path: string, from: number, platform: "posix" | "windows"): boolean {
  return platform === "windows" ? isCleanWindows(path, from) : isCleanPosix(path, from);
}

/** The last root that was cleaned: a server resolves within one root again and again. */
let last = { root: "/", platform: "posix", top: "/", prefix: "/" };

function cleanRoot(
  root: string,
  platform: "posix" | "windows",
): { readonly top: string; readonly prefix: string } {
  if (root === last.root && platform === last.platform) return last;
  const top = platform === "windows" ? cleanWindowsRoot(root) : cleanPosixRoot(root);
  const separator = platform === "windows" ? "\\" : "/";
  last = { root, platform, top, prefix: top.endsWith(separator) ? top : top + separator };
  return last;
}

/** Whose rules were asked for; another word, such as `win32`, must not be taken for either platform. */
export function platformOf(options: ResolveWithinOptions): "posix" | "windows" {
  const platform = options.platform ?? nativePlatform();
  if (platform !== "posix" && platform !== "windows") {
    throw new TypeError('\'platform\' must be one of "posix", "windows"');
  }
  return platform;
}

/** Whose rules the system follows that this runs on. */
export function nativePlatform(): "posix" | "windows" {
  const os = (globalThis as { Deno?: { build?: { os?: string } } }).Deno?.build?.os;
  if (os !== undefined) return os === "windows" ? "windows" : "posix";
  const node = (globalThis as { process?: { platform?: string } }).process?.platform;
  if (node !== undefined) return node === "win32" ? "windows" : "posix";
  throw fileError("protection-unavailable", {
    message: "This runtime does not tell its platform; pass `platform`",
  });
}
