/**
 * Windows paths as text: two separators, drives, shares, and many spellings of one name.
 *
 * Win32 drops, folds and reinterprets names before it opens a file. What it would change is refused, so
 * that the name that was checked is the name that is opened.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/fileio/naming-a-file | Naming Files, Paths, and Namespaces}
 *
 * @module
 */

import { fileError } from "./_errors.ts";
import { checkText, invalidPath } from "./_path_text.ts";

const SEPARATORS = /[\\/]/;

/** `\\?\`, `\\.\` and `\??\` reach devices and skip all rules of Win32. */
const NAMESPACE = /^(?:[\\/]{2}[?.](?:[\\/]|$)|[\\/]\?\?(?:[\\/]|$))/;

/** A drive with its separator, or a share; the top that `..` does not climb above. */
const TOP = /^(?:([A-Za-z]):[\\/]|[\\/]{2}([^\\/]+)[\\/]+([^\\/]+)(?=[\\/]|$))/;

/** Devices answer in every directory and with any extension: `logs\COM1.txt` is the serial port. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[1-9¹²³]|lpt[1-9¹²³])$/i;

// deno-lint-ignore no-control-regex -- control characters are what it looks for
const INVALID = /[\x00-\x1f<>"|?*]/;

/** `PROGRA~1` is `Program Files`: an alias that no list of names knows. */
const SHORT_NAME = /^[^.]{0,6}~[0-9]{1,6}(?:\.[^.]{0,3})?$/;

interface Split {
  /** `C:\` or `\\server\share`; empty for a relative path. */
  readonly top: string;
  readonly names: readonly string[];
}

/** A root as it will be written in every result. */
export function cleanWindowsRoot(root: string): string {
  // What realPath returns on Windows may carry the verbatim prefix; a root is the operator's word.
  const plain = root.replace(/^\\\\\?\\UNC\\/i, "\\\\").replace(/^\\\\\?\\(?=[A-Za-z]:\\)/, "");
  const { top, names } = split(plain);
  if (top === "") throw new TypeError("Cannot resolve within a root that is not an absolute path");
  return join(top, clean(names, true));
}

/** The path below the root with `/` between names, empty for the root itself. */
export function relativeWindows(root: string, input: string): string {
  checkText(input);
  if (NAMESPACE.test(input)) throw invalidPath("namespace");
  const { top, names } = split(input);
  if (top === "") {
    // `\x` is on the current drive and `C:x` in its current directory: neither is below a root.
    if (/^[\\/]/.test(input)) throw fileError("path-outside-root");
    if (/^[A-Za-z]:/.test(input)) {
      throw fileError("path-outside-root", { details: { reason: "drive-relative" } });
    }
    const path = clean(names, false);
    names.forEach(checkName);
    return path.join("/");
  }
  const path = clean(names, true);
  const full = join(top, path);
  const prefix = root.endsWith("\\") ? root : `${root}\\`;
  const [fullFolded, rootFolded] = [full.toLowerCase(), prefix.toLowerCase()];
  if (fullFolded !== root.toLowerCase() && !fullFolded.startsWith(rootFolded)) {
    throw fileError("path-outside-root");
  }
  names.forEach(checkName);
  return full.slice(prefix.length).replaceAll("\\", "/");
}

function split(path: string): Split {
  const match = TOP.exec(path);
  if (match === null) return { top: "", names: path.split(SEPARATORS) };
  const [all, drive, server, share] = match;
  const top = drive === undefined ? `\\\\${server}\\${share}` : `${drive}:\\`;
  return { top, names: path.slice(all.length).split(SEPARATORS) };
}

function join(top: string, names: readonly string[]): string {
  if (names.length === 0) return top;
  return top.endsWith("\\") ? top + names.join("\\") : `${top}\\${names.join("\\")}`;
}

/** Names without `.`, `..` and empty ones; above the top there is only the top. */
function clean(names: readonly string[], absolute: boolean): string[] {
  const kept: string[] = [];
  for (const name of names) {
    if (name === "" || name === ".") continue;
    if (name !== "..") kept.push(name);
    else if (kept.pop() === undefined && !absolute) throw fileError("path-outside-root");
  }
  return kept;
}

function checkName(name: string): void {
  if (name === "" || name === "." || name === "..") return;
  if (DEVICE.test(name.replace(/[.:].*$/s, "").trimEnd())) throw invalidPath("device-name");
  // `a.txt:hidden` is another stream of a.txt, and `a.txt::$DATA` is a.txt by another name.
  if (name.includes(":")) throw invalidPath("colon");
  if (INVALID.test(name)) throw invalidPath("invalid-char");
  // Win32 drops them: `secret.txt. ` opens secret.txt, and `.. ` climbs.
  if (/[. ]$/.test(name)) throw invalidPath("trailing-dot-space");
  if (SHORT_NAME.test(name)) throw invalidPath("short-name");
}
