/**
 * A {@linkcode SecurityPolicy}, checked once and made ready for the hot path of every operation.
 *
 * @module
 */

import { fileError } from "./_errors.ts";
import { MiB, type SecurityPolicy } from "./policy.ts";

/** How a policy is made ready for one root. */
export interface CompileOptions {
  /**
   * Other absolute spellings of the root, such as the one that was configured; a forbidden path may be
   * written by any of them. @default {[]}
   */
  readonly spellings?: readonly string[];
  /**
   * Gives the real spelling of an absolute path, so that it is forbidden as well; throws where there is
   * nothing. It must not ask for a permission. @default {the written spelling alone}
   */
  readonly canonicalize?: (absolute: string) => string;
  /**
   * Forbidden paths mean any case and any Unicode normal form, as the file system does.
   * @default {true on Windows and macOS}
   */
  readonly caseInsensitive?: boolean;
}

/** Largest file without a word about it, in bytes. */
const DEFAULT_MAX_FILE_SIZE_BYTES = 10 * MiB;

/** Most levels below a root without a word about it. */
const DEFAULT_MAX_DEPTH = 32;

const KEYS: ReadonlySet<string> = new Set<keyof SecurityPolicy>([
  "maxFileSizeBytes",
  "maxDepth",
  "symlinks",
  "hardLinks",
  "allowedExtensions",
  "deniedExtensions",
  "forbiddenPaths",
  "requireAbsolutePaths",
]);

/** Extensions, each with its dot and in lower case. */
interface ExtensionList {
  /** Those with one dot, to be looked up. */
  readonly simple: ReadonlySet<string>;
  /** Those with more, such as `.tar.gz`, to be compared one by one. */
  readonly compound: readonly string[];
}

/** What holds below one root. */
export class CompiledPolicy {
  /** Largest file, in bytes. */
  readonly maxFileSizeBytes: number;
  /** Most components below the root. */
  readonly maxDepth: number;
  /** What happens to symbolic links. */
  readonly symlinks: "within-root" | "deny";
  /** What happens to files with more than one name. */
  readonly hardLinks: "allow" | "deny";
  /** Whether relative paths are refused. */
  readonly requireAbsolutePaths: boolean;
  readonly #allowed: ExtensionList | undefined;
  readonly #denied: ExtensionList | undefined;
  /** Relative to the root; `""` forbids all of it; folded when case does not matter. */
  readonly #forbidden: readonly string[];
  readonly #folds: boolean;

  /** Checks a policy; use {@linkcode compilePolicy}. */
  constructor(policy: SecurityPolicy, rootPath: string, options: CompileOptions) {
    checkKeys(policy);
    this.maxFileSizeBytes = count(policy, "maxFileSizeBytes", DEFAULT_MAX_FILE_SIZE_BYTES);
    this.maxDepth = count(policy, "maxDepth", DEFAULT_MAX_DEPTH);
    this.symlinks = choice("symlinks", policy.symlinks, ["within-root", "deny"]);
    this.hardLinks = choice("hardLinks", policy.hardLinks, ["allow", "deny"]);
    this.requireAbsolutePaths = flag("requireAbsolutePaths", policy.requireAbsolutePaths);
    this.#allowed = extensions("allowedExtensions", policy.allowedExtensions);
    const denied = extensions("deniedExtensions", policy.deniedExtensions);
    this.#denied = denied?.simple.size || denied?.compound.length ? denied : undefined;
    this.#folds = options.caseInsensitive ?? ignoresCase(rootPath);
    this.#forbidden = forbidden(policy.forbiddenPaths, rootPath, options, this.#folds);
  }

  /**
   * Refuses a path by where it lies.
   *
   * @param relative Relative to the root, clean, with `/`; empty for the root itself.
   * @throws {SecurityError} `path-too-deep` or `path-forbidden`.
   */
  checkPath(relative: string): void {
    // n components are at least 2n - 1 characters, so that most paths need no counting.
    if (relative.length >= 2 * this.maxDepth && depthExceeds(relative, this.maxDepth)) {
      throw fileError("path-too-deep", { details: { maxDepth: this.maxDepth } });
    }
    if (this.isForbidden(relative)) {
      throw fileError("path-forbidden", { reason: `${JSON.stringify(relative)} is forbidden` });
    }
  }

  /** Whether a clean relative path is forbidden, by itself or by a directory above. */
  isForbidden(relative: string): boolean {
    if (this.#forbidden.length === 0) return false;
    const path = this.#folds ? fold(relative) : relative;
    for (const entry of this.#forbidden) if (covers(entry, path)) return true;
    return false;
  }

  /**
   * Whether a forbidden path lies below a directory, or is the directory. Moving such a directory would
   * carry what is forbidden to a path that is not.
   */
  holdsForbidden(relative: string): boolean {
    if (this.#forbidden.length === 0) return false;
    const path = this.#folds ? fold(relative) : relative;
    for (const entry of this.#forbidden) {
      if (covers(entry, path) || covers(path, entry)) return true;
    }
    return false;
  }

  /**
   * Refuses a file by the extension of its name; directories have none.
   *
   * @param name The last component.
   * @throws {SecurityError} `extension-denied`.
   */
  checkName(name: string): void {
    if (this.#allowed === undefined && this.#denied === undefined) return;
    const lower = name.toLowerCase();
    if (this.#allowed !== undefined && !ends(this.#allowed, lower)) {
      throw fileError("extension-denied", {
        reason: `${JSON.stringify(name)} has none of the allowed extensions`,
      });
    }
    // Some letters meet only in upper case: U+017F is a long s, and a file system may take it for one.
    if (
      this.#denied !== undefined &&
      (ends(this.#denied, lower) || ends(this.#denied, name.toUpperCase().toLowerCase()))
    ) {
      throw fileError("extension-denied", {
        reason: `${JSON.stringify(name)} has a denied extension`,
      });
    }
  }

  /**
   * Refuses a number of bytes.
   *
   * @throws {SecurityError} `file-too-large`, with `maxBytes` in its details.
   */
  checkSize(bytes: number): void {
    if (bytes <= this.maxFileSizeBytes) return;
    throw fileError("file-too-large", {
      details: { maxBytes: this.maxFileSizeBytes },
      reason: `${bytes} bytes are more than ${this.maxFileSizeBytes}`,
    });
  }
}

/**
 * Checks a policy and makes it ready for one root.
 *
 * @param policy What was configured; what is absent or `undefined` is the default.
 * @param rootPath Canonical absolute path of the root.
 * @param options Other spellings, and how paths are canonicalized.
 * @throws {TypeError} If an option is unknown or has a value of the wrong type.
 * @throws {RangeError} If an option's value is out of range.
 */
export function compilePolicy(
  policy: SecurityPolicy,
  rootPath: string,
  options: CompileOptions = {},
): CompiledPolicy {
  return new CompiledPolicy(policy, rootPath, options);
}

/** Whether file names below a root mean the same in upper and lower case; a guess on the strict side. */
export function ignoresCase(rootPath: string): boolean {
  if (!rootPath.startsWith("/")) return true;
  const { Deno: deno } = globalThis as { Deno?: { build?: { os?: string } } };
  return deno?.build?.os === "darwin";
}

/** One spelling for all that a file system which ignores case and normal form takes for the same. */
export function fold(path: string): string {
  return path.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC");
}

/** Whether `path` is `entry` or lies below it; both relative, `""` is the root. */
function covers(entry: string, path: string): boolean {
  if (entry.length === 0) return true;
  if (!path.startsWith(entry)) return false;
  return path.length === entry.length || path.charCodeAt(entry.length) === SLASH;
}

const SLASH = 0x2f;

function depthExceeds(relative: string, maxDepth: number): boolean {
  if (relative.length === 0) return false;
  let depth = 1;
  let at = relative.indexOf("/");
  while (at !== -1 && depth <= maxDepth) {
    depth++;
    at = relative.indexOf("/", at + 1);
  }
  return depth > maxDepth;
}

function ends(list: ExtensionList, lower: string): boolean {
  const dot = lower.lastIndexOf(".");
  if (dot === -1) return false;
  if (list.simple.has(lower.slice(dot))) return true;
  for (const extension of list.compound) if (lower.endsWith(extension)) return true;
  return false;
}

/** An option that is not known may be a misspelt restriction: to ignore it would wave through. */
function checkKeys(policy: SecurityPolicy): void {
  if (typeof policy !== "object" || policy === null || Array.isArray(policy)) {
    throw new TypeError("'policy' must be an object");
  }
  for (const key of Object.keys(policy)) {
    if (!KEYS.has(key)) throw new TypeError(`'${key}' is not an option of a policy`);
  }
}

function count(
  policy: SecurityPolicy,
  name: "maxFileSizeBytes" | "maxDepth",
  fallback: number,
): number {
  const value: unknown = policy[name];
  if (value === undefined) return fallback;
  if (typeof value !== "number") throw new TypeError(`'${name}' must be a number`);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`'${name}' must be a whole number from 0 on: current value is ${value}`);
  }
  return value;
}

function choice<T extends string>(name: string, value: unknown, all: readonly [T, ...T[]]): T {
  if (value === undefined) return all[0];
  const found = all.find((one) => one === value);
  if (found === undefined) {
    throw new TypeError(`'${name}' must be one of ${all.map((one) => `"${one}"`).join(", ")}`);
  }
  return found;
}

function flag(name: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value !== "boolean") throw new TypeError(`'${name}' must be true or false`);
  return value;
}

function strings(name: string, value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw new TypeError(`'${name}' must be an array of strings`);
  // A hole is passed over by forEach() and the like, but not by this.
  for (const one of value) {
    if (typeof one !== "string") throw new TypeError(`'${name}' must hold nothing but strings`);
  }
  return value;
}

/** One or more dots, each with something behind; a pattern such as `*.sh` would never match. */
// deno-lint-ignore no-control-regex
const EXTENSION = /^(?:\.[^./\\:*?\u0000]+)+$/u;

function extensions(name: string, value: unknown): ExtensionList | undefined {
  const list = strings(name, value);
  if (list === undefined) return undefined;
  const simple = new Set<string>();
  const compound: string[] = [];
  for (const written of list) {
    const lower = written.toLowerCase();
    const extension = lower.startsWith(".") ? lower : `.${lower}`;
    if (!EXTENSION.test(extension) || !extension.isWellFormed()) {
      throw new RangeError(`'${name}' holds ${JSON.stringify(written)}, which is no extension`);
    }
    if (extension.lastIndexOf(".") === 0) simple.add(extension);
    else compound.push(extension);
  }
  return { simple, compound };
}

/** The forbidden paths that lie in a root, or hold it, by every spelling that is known. */
function forbidden(
  value: unknown,
  rootPath: string,
  options: CompileOptions,
  folds: boolean,
): readonly string[] {
  const windows = !rootPath.startsWith("/");
  const roots = [rootPath, ...(options.spellings ?? [])].map((root) => slashed(root, windows));
  const found = new Set<string>();
  const add = (absolute: string) => {
    const path = folds ? fold(absolute) : absolute;
    for (const spelling of roots) {
      const root = folds ? fold(spelling) : spelling;
      if (covers(path, root)) found.add("");
      else if (covers(root, path)) found.add(path.slice(root.length + 1));
    }
  };
  for (const written of strings("forbiddenPaths", value) ?? []) {
    const absolute = toAbsolute(written, rootPath, windows);
    add(slashed(absolute, windows));
    const real = canonical(absolute, options.canonicalize, windows);
    if (real !== undefined) add(slashed(real, windows));
  }
  return [...found];
}

/** With `/`, and none at the end: `""` is the root of everything, which covers all. */
function slashed(path: string, windows: boolean): string {
  const written = windows ? path.replaceAll("\\", "/") : path;
  return written.endsWith("/") ? written.slice(0, -1) : written;
}

const WINDOWS_ABSOLUTE = /^(?:[A-Za-z]:[\\/]|[\\/]{2})/;

function toAbsolute(written: string, rootPath: string, windows: boolean): string {
  const refuse = (why: string) =>
    new RangeError(`'forbiddenPaths' holds ${JSON.stringify(written)}, which ${why}`);
  if (written === "") throw refuse("is empty");
  if (written.includes("\0") || !written.isWellFormed()) throw refuse("names nothing");
  const separators = windows ? /[\\/]/ : /\//;
  const parts = written.split(separators).filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refuse("contains '..'");
  const separator = windows ? "\\" : "/";
  const rest = parts.join(separator);
  if (windows ? WINDOWS_ABSOLUTE.test(written) : written.startsWith("/")) {
    return (windows ? /^[\\/]{2}/.test(written) ? "\\\\" : "" : "/") + rest;
  }
  // `C:x` and `\x` depend on a current directory or drive; a guess would forbid something else.
  if (windows && /^(?:[\\/]|[A-Za-z]:)/.test(written)) throw refuse("is only half absolute");
  if (rest === "") throw refuse("is the root itself");
  return rootPath.endsWith(separator) ? rootPath + rest : rootPath + separator + rest;
}

/** The real spelling of a path, or of the part of it that there is, with the rest as it is written. */
function canonical(
  absolute: string,
  canonicalize: CompileOptions["canonicalize"],
  windows: boolean,
): string | undefined {
  if (canonicalize === undefined) return undefined;
  const separator = windows ? "\\" : "/";
  for (let end = absolute.length; end > 0; end = absolute.lastIndexOf(separator, end - 1)) {
    try {
      return slashed(canonicalize(absolute.slice(0, end)), windows) + absolute.slice(end);
    } catch {
      // Nothing there, or not ours to see: what is above may still be a link.
    }
  }
  return undefined;
}
