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
import { checkText, invalidPath, MAX_PATH_LENGTH, type PathFault } from "./_path_text.ts";

const SEPARATORS = /[\\/]/;

/** `\\?\`, `\\.\` and `\??\` reach devices and skip all rules of Win32. */
const NAMESPACE = /^(?:[\\/]{2}[?.](?:[\\/]|$)|[\\/]\?\?(?:[\\/]|$))/;

/** A drive with its separator, or a share; the top that `..` does not climb above. */
const TOP = /^(?:([A-Za-z]):[\\/]|[\\/]{2}([^\\/]+)[\\/]+([^\\/]+)(?=[\\/]|$))/;

/**
 * Devices answer in every directory and with any extension: `logs\COM1.txt` is the serial port. Whether
 * `COM0` and `LPT0` are among them depends on whom one asks; what is refused is no risk.
 */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])$/i;

// deno-lint-ignore no-control-regex -- control characters are what it looks for
const INVALID = /[\x00-\x1f<>"|?*]/;

/** Win32 drops them: `secret.txt. ` opens secret.txt, and `.. ` climbs. */
const DROPPED = /[. ]$/;

/** `PROGRA~1` is `Program Files`: an alias that no list of names knows. */
const SHORT_NAME = /^[^.]{0,6}~[0-9]{1,6}(?:\.[^.]{0,3})?$/;

/** Printable ASCII that neither ends a name, nor is forbidden in one, nor stands in a short name. */
const PLAIN = String.raw`!#-)+,\-0-9;=@A-Z[\]^_\x60a-z{}`;

/** A name that is what it looks like; `nul.md` and what else begins like a device is for the careful way. */
const NAME = `(?!(?:con|prn|aux|nul|com|lpt)(?![a-hj-np-z]))[${PLAIN} .]*[${PLAIN}]`;

const CLEAN = new RegExp(String.raw`${NAME}(?:\\${NAME})*$`, "iy");

interface Split {
  /** `C:\` or `\\server\share`; empty for a relative path. */
  readonly top: string;
  readonly names: readonly string[];
}

/**
 * Whether the rest of a path is what the careful way would make of it: plain names with one `\` between them.
 *
 * It makes nothing, and may say no to what the careful way accepts (other alphabets, `~`, `coming.md`), never
 * yes to what that refuses or changes; the tests compare the two.
 */
export function isCleanWindows(path: string, from: number): boolean {
  if (path.length > MAX_PATH_LENGTH) return false;
  CLEAN.lastIndex = from;
  return CLEAN.test(path);
}

/** A root as it will be written in every result. */
export function cleanWindowsRoot(root: string): string {
  // What realPath returns on Windows may carry the verbatim prefix; a root is the operator's word.
  const plain = root.replace(/^\\\\\?\\UNC\\/i, "\\\\").replace(/^\\\\\?\\(?=[A-Za-z]:\\)/, "");
  const { top, names } = split(plain);
  if (top === "" || NAMESPACE.test(plain)) {
    throw new TypeError("Cannot resolve within a root that is not an absolute path");
  }
  const isFaulty = (name: string) => (faultOf(name) ?? "short-name") !== "short-name";
  if (!root.isWellFormed() || INVALID.test(top) || DROPPED.test(top) || names.some(isFaulty)) {
    throw new TypeError("Cannot resolve within a root with a name that Windows would change");
  }
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
  const base = split(root);
  const rootNames = clean(base.names, true);
  const begins = (names: readonly string[]) =>
    rootNames.every((name, at) => isSame(name, names[at]));
  if (!isSame(base.top, top) || !begins(path)) throw fileError("path-outside-root");
  // A root's own names are the operator's: the temporary directory may be below `C:\Users\RUNNER~1`.
  names.slice(begins(names) ? rootNames.length : 0).forEach(checkName);
  return path.slice(rootNames.length).join("/");
}

/**
 * Whether Windows takes two names of a root for one.
 *
 * It folds one character to one; the full Unicode folding of either direction alone would also take the
 * Kelvin sign for a `k` or `\u017f` for an `s`, which are other names on the disk.
 */
function isSame(name: string, other: string | undefined): boolean {
  return name === other || (other !== undefined && name.toLowerCase() === other.toLowerCase() &&
    name.toUpperCase() === other.toUpperCase());
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
  const fault = faultOf(name);
  if (fault !== undefined) throw invalidPath(fault);
}

/** What Win32 would not take as it is written. */
function faultOf(name: string): PathFault | undefined {
  if (name === "" || name === "." || name === "..") return undefined;
  if (DEVICE.test(name.replace(/[.:].*$/s, "").trimEnd())) return "device-name";
  // `a.txt:hidden` is another stream of a.txt, and `a.txt::$DATA` is a.txt by another name.
  if (name.includes(":")) return "colon";
  if (INVALID.test(name)) return "invalid-char";
  if (DROPPED.test(name)) return "trailing-dot-space";
  if (SHORT_NAME.test(name)) return "short-name";
  return undefined;
}
