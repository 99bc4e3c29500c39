/**
 * A {@linkcode SecurityPolicy}, checked once and made ready for the hot path of every operation.
 *
 * @module
 */

import { fileError } from "./_errors.ts";
import { choice, count, flag, readOptions, strings } from "./_policy_options.ts";
import { isTemporary } from "./_temporary_name.ts";
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
  /** What is absent is no limit: for rules that only hold together with others. @default {false} */
  readonly narrows?: boolean;
}

/** Largest file without a word about it, in bytes. */
const DEFAULT_MAX_FILE_SIZE_BYTES = 10 * MiB;

/** Most levels below a root without a word about it. */
const DEFAULT_MAX_DEPTH = 32;

/** Extensions, each with its dot and in lower case. */
interface ExtensionList {
  /** Those with one dot, to be looked up. */
  readonly simple: ReadonlySet<string>;
  /** Those with more, such as `.tar.gz`, to be compared one by one. */
  readonly compound: readonly string[];
}

/** What a compiled policy is made of. */
interface Rules {
  readonly maxFileSizeBytes: number;
  readonly maxDepth: number;
  readonly symlinks: "within-root" | "deny";
  readonly hardLinks: "allow" | "deny";
  readonly requireAbsolutePaths: boolean;
  readonly allowed: readonly ExtensionList[];
  readonly denied: readonly ExtensionList[];
  readonly forbidden: readonly string[];
  readonly folds: boolean;
}

/** A policy that holds for a directory, which lies at `at` below the root that it was made for. */
export interface PolicyAt {
  readonly policy: CompiledPolicy;
  /** Clean, with `/`; empty for the root itself. */
  readonly at: string;
}

/** What holds below one root. */
export class CompiledPolicy {
  /** Largest file, in bytes. */
  readonly maxFileSizeBytes: number;
  /** Most components below the root; below 0, not even the root. */
  readonly maxDepth: number;
  /** What happens to symbolic links. */
  readonly symlinks: "within-root" | "deny";
  /** What happens to files with more than one name. */
  readonly hardLinks: "allow" | "deny";
  /** Whether relative paths are refused. */
  readonly requireAbsolutePaths: boolean;
  /** A file must fit each of them. */
  readonly #allowed: readonly ExtensionList[];
  /** A file must fit none of them. */
  readonly #denied: readonly ExtensionList[];
  /** Relative to the root; `""` forbids all of it; folded when case does not matter. */
  readonly #forbidden: readonly string[];
  readonly #folds: boolean;

  /** Takes what was checked; use {@linkcode compilePolicy}. */
  constructor(rules: Rules) {
    this.maxFileSizeBytes = rules.maxFileSizeBytes;
    this.maxDepth = rules.maxDepth;
    this.symlinks = rules.symlinks;
    this.hardLinks = rules.hardLinks;
    this.requireAbsolutePaths = rules.requireAbsolutePaths;
    this.#allowed = rules.allowed;
    this.#denied = rules.denied;
    this.#forbidden = rules.forbidden;
    this.#folds = rules.folds;
  }

  /**
   * What several policies allow together, for a directory that all of them hold for. Nothing is looked up
   * again: a link that was forbidden may lead elsewhere by now, and where it led stays forbidden.
   */
  static meet(all: readonly [PolicyAt, ...PolicyAt[]]): CompiledPolicy {
    const policies = all.map(({ policy }) => policy);
    const forbidden = all.flatMap(({ policy, at }) => policy.#forbiddenFrom(at));
    return new CompiledPolicy({
      maxFileSizeBytes: Math.min(...policies.map((policy) => policy.maxFileSizeBytes)),
      maxDepth: Math.min(...all.map(({ policy, at }) => policy.maxDepth - levelsOf(at))),
      symlinks: policies.some(({ symlinks }) => symlinks === "deny") ? "deny" : "within-root",
      hardLinks: policies.some(({ hardLinks }) => hardLinks === "deny") ? "deny" : "allow",
      requireAbsolutePaths: policies.some((policy) => policy.requireAbsolutePaths),
      allowed: policies.flatMap((policy) => policy.#allowed),
      denied: policies.flatMap((policy) => policy.#denied),
      forbidden: [...new Set(forbidden)],
      folds: policies.some((policy) => policy.#folds),
    });
  }

  /** What is forbidden, relative to a directory below. */
  #forbiddenFrom(at: string): string[] {
    const directory = this.#folds ? fold(at) : at;
    return this.#forbidden.flatMap((entry) => {
      if (covers(entry, directory)) return [""];
      if (directory === "") return [entry];
      return covers(directory, entry) ? [entry.slice(directory.length + 1)] : [];
    });
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
      throw fileError("path-too-deep", { details: { maxDepth: Math.max(this.maxDepth, 0) } });
    }
    if (this.isForbidden(relative)) {
      throw fileError("path-forbidden", { reason: `${JSON.stringify(relative)} is forbidden` });
    }
  }

  /**
   * Whether a clean relative path is forbidden, by itself or by a directory above; and every file that is
   * just being written, by the name that it has until then.
   */
  isForbidden(relative: string): boolean {
    if (isTemporary(relative)) return true;
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
    if (this.#allowed.length === 0 && this.#denied.length === 0) return;
    const lower = name.toLowerCase();
    if (!this.#allowed.every((list) => ends(list, lower))) {
      throw fileError("extension-denied", {
        reason: `${JSON.stringify(name)} has none of the allowed extensions`,
      });
    }
    if (this.#denied.length === 0) return;
    // Some letters meet only in upper case: U+017F is a long s, and a file system may take it for one.
    const other = name.toUpperCase().toLowerCase();
    if (this.#denied.some((list) => ends(list, lower) || ends(list, other))) {
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
  const rules = readOptions(policy, "policy");
  const { narrows = false } = options;
  const folds = options.caseInsensitive ?? ignoresCase(rootPath);
  return new CompiledPolicy({
    maxFileSizeBytes: count(
      rules,
      "maxFileSizeBytes",
      narrows ? Infinity : DEFAULT_MAX_FILE_SIZE_BYTES,
    ),
    maxDepth: count(rules, "maxDepth", narrows ? Infinity : DEFAULT_MAX_DEPTH),
    symlinks: choice("symlinks", rules.symlinks, ["within-root", "deny"]),
    hardLinks: choice("hardLinks", rules.hardLinks, ["allow", "deny"]),
    requireAbsolutePaths: flag("requireAbsolutePaths", rules.requireAbsolutePaths),
    allowed: extensions("allowedExtensions", rules.allowedExtensions),
    denied: extensions("deniedExtensions", rules.deniedExtensions)
      .filter(({ simple, compound }) => simple.size > 0 || compound.length > 0),
    forbidden: forbidden(rules.forbiddenPaths, rootPath, options, folds),
    folds,
  });
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

/** How many components a clean relative path has. */
function levelsOf(relative: string): number {
  return relative === "" ? 0 : relative.split("/").length;
}

function depthExceeds(relative: string, maxDepth: number): boolean {
  if (relative.length === 0) return maxDepth < 0;
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

/** One or more dots, each with something behind; a pattern such as `*.sh` would never match. */
// deno-lint-ignore no-control-regex
const EXTENSION = /^(?:\.[^./\\:*?\u0000]+)+$/u;

/** The list as one that is compared with; none where nothing is said. */
function extensions(name: string, value: unknown): readonly ExtensionList[] {
  const list = strings(name, value);
  if (list === undefined) return [];
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
  return [{ simple, compound }];
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
