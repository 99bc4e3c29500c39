/**
 * From URLs to paths: percent-decoding exactly once, and nothing that hides a separator.
 *
 * @module
 */

import { invalidPath } from "./_path_text.ts";
import { platformOf, type ResolveWithinOptions } from "./resolve_within.ts";

/** `%2f` and `%5c` are separators that a router did not see, `%00` the end of the name in C. */
const HIDDEN_SEPARATOR = /%(?:2f|5c)/i;

/**
 * Turns the path of a URL into a path that can be resolved within a root.
 *
 * It is decoded exactly once: `%252e` stays `%2e`, a literal name. `..` is left in it for
 * {@linkcode resolveWithin} or a `FileSecurityValidator`, which must see the result next.
 *
 * @example
 * ```ts
 * import { pathFromUrlPathname } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const { pathname } = new URL("https://example.com/notes/file%20name.txt");
 * assertEquals(pathFromUrlPathname(pathname), "notes/file name.txt");
 * ```
 *
 * @param pathname What `URL.pathname` says, or the target of a request without its query; begins with `/`.
 * @returns A relative path with `/`; `.` for the top, and `./` before what Windows would take for a drive.
 * @throws {SecurityError} `path-invalid`, with `details.reason` `malformed-percent`, `encoded-separator`,
 * `nul`, `not-absolute`, or `empty-segment` for a path that begins with `//`.
 */
export function pathFromUrlPathname(pathname: string): string {
  if (!pathname.startsWith("/")) throw invalidPath("not-absolute");
  // Without its first slash, `//etc/passwd` would be an absolute path.
  if (/^\/[\\/]/.test(pathname)) throw invalidPath("empty-segment");
  const path = decodeOnce(pathname.slice(1));
  // On Windows `C:/data` would be an absolute path, or one in the current directory of a drive.
  if (/^[A-Za-z]:/.test(path)) return `./${path}`;
  return path === "" ? "." : path;
}

/**
 * Turns a `file:` URL into an absolute path.
 *
 * @example
 * ```ts
 * import { pathFromFileUrl } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(pathFromFileUrl("file:///srv/a%20b", { platform: "posix" }), "/srv/a b");
 * assertEquals(pathFromFileUrl("file:///C:/a", { platform: "windows" }), "C:\\a");
 * ```
 *
 * @param url The URL; dot segments in it are resolved by the URL standard.
 * @param options Whose rules hold.
 * @returns The absolute path, still to be resolved within a root.
 * @throws {SecurityError} `path-invalid`, with `details.reason` `scheme`, `host` (a share on
 * Windows, unless it is `.`), `query`, `ill-formed`, `malformed-percent`, `encoded-separator`, `nul`, or `not-absolute`.
 * @throws {TypeError} If `platform` is not one of the two.
 */
export function pathFromFileUrl(url: string | URL, options: ResolveWithinOptions = {}): string {
  const platform = platformOf(options);
  const text = String(url);
  // The URL standard would make U+FFFD of it: two inputs, one file.
  if (!text.isWellFormed()) throw invalidPath("ill-formed");
  const parsed = URL.parse(text);
  if (parsed === null || parsed.protocol !== "file:") throw invalidPath("scheme");
  // An empty one is not in `search` or `hash`, and yet `file:///a?` asks for another name than `a`.
  if (/[?#]/.test(parsed.href)) throw invalidPath("query");
  const path = decodeOnce(parsed.pathname);
  if (platform === "posix") {
    if (parsed.hostname !== "") throw invalidPath("host");
    return path;
  }
  // `file://./pipe/x` is no share but a device.
  if (parsed.hostname === ".") throw invalidPath("host");
  if (parsed.hostname !== "") return `\\\\${parsed.hostname}${path.replaceAll("/", "\\")}`;
  if (!/^\/[A-Za-z]:\//.test(path)) throw invalidPath("not-absolute");
  return path.slice(1).replaceAll("/", "\\");
}

function decodeOnce(text: string): string {
  if (HIDDEN_SEPARATOR.test(text)) throw invalidPath("encoded-separator");
  if (text.includes("%00") || text.includes("\0")) throw invalidPath("nul");
  try {
    return decodeURIComponent(text);
  } catch (error) {
    // A lone `%`, half of an escape, or bytes that are no UTF-8 (`%c0%af` is an old spelling of `/`).
    if (error instanceof URIError) throw invalidPath("malformed-percent");
    throw error;
  }
}
