/**
 * Making what a validator stands on: the backend that this process can have, the roots, the rules.
 *
 * @module
 */

import type {
  BackendFactory,
  BackendRoot,
  FileBackend,
  Located,
  Protection,
} from "./backends/backend.ts";
import type { ResourcePolicy, RootOptions, SecurityPolicy } from "./policy.ts";
import { type AuditReporter, silentReporter } from "../events/audit_event.ts";
import { openBackend, requireProtection } from "./_open_backend.ts";
import { FileContext, type FileRoot, type OperationOptions } from "./_context.ts";
import { makeRoot, makeSubroot } from "./_open_root.ts";
import type { FileErrorCode } from "../errors.ts";
import { fileError, fromSystemError } from "./_errors.ts";
import { makeLimits } from "./_limits.ts";
import { run } from "./_operation.ts";
import { readOptions } from "./_policy_options.ts";
import { isWithin, type Platform } from "./_root_paths.ts";
import { GrantedPaths } from "./required_permissions.ts";

/** Options of `FileSecurityValidator.open()`. */
export interface FileSecurityOptions {
  /** The directories whose content may be touched, in the order in which relative paths are tried. */
  readonly roots: readonly (string | RootOptions)[];
  /** What is allowed below every root that does not say otherwise. @default {{}} */
  readonly policy?: SecurityPolicy;
  /** How much is done at once. @default {{}} */
  readonly resources?: ResourcePolicy;
  /**
   * The least protection that is acceptable; `open()` rejects when it cannot be had.
   * @default {"best-effort"}
   */
  readonly protection?: Protection;
  /** The backend, as `openat2()` makes it. @default {the best that needs no FFI} */
  readonly backend?: BackendFactory;
  /** Where every operation is reported to. @default {silentReporter} */
  readonly audit?: AuditReporter;
}

/**
 * Rules for a `subroot()`, which can only narrow: those of the root that it lies in, and those of every root
 * that lies below. A relative `forbiddenPaths` is meant below the directory and below each of those roots.
 */
export interface SubrootOptions extends SecurityPolicy, OperationOptions {
  /** Refuses everything that would change something below. @default {as the root that it lies in} */
  readonly readOnly?: boolean;
}

/** A context, and what has to be done once nothing uses it any more. */
export interface OpenedContext {
  readonly context: FileContext;
  readonly release: () => void;
}

/** Opens everything that a validator needs, or nothing. */
export async function openContext(options: FileSecurityOptions): Promise<OpenedContext> {
  requireKnown(options);
  // Read once, before anything is waited for: what its owner changes later, or says the second time, must
  // not count.
  const { roots: wanted, protection = "best-effort", resources = {}, audit } = options;
  const { policy: rules = {}, backend: factory } = options;
  requireReporter(audit);
  const configured = requireRoots(wanted);
  const policy = readOptions(rules, "policy");
  requireProtection(protection);
  const limits = makeLimits(resources);
  if (typeof Deno === "undefined") {
    throw fileError("protection-unavailable", { message: "Files need the Deno runtime" });
  }
  const platform: Platform = Deno.build.os === "windows" ? "windows" : "posix";
  const backend = await openBackend(protection, factory);
  const handles: BackendRoot[] = [];
  const release = () => {
    for (const handle of handles) handle.close();
    backend.close();
  };
  try {
    const permissions = await GrantedPaths.open(backend.protection, configured);
    const roots = configured.map(({ path, readOnly = false, ...rules }, at) => {
      const handle = openRoot(backend, permissions, path, at);
      handles.push(handle);
      return makeRoot({ handle, path, readOnly, rules: { ...policy, ...rules }, platform });
    });
    requireDistinct(roots);
    for (const root of roots) permissions.add(root);
    const context = new FileContext({
      backend,
      starts: roots,
      roots,
      limits,
      permissions,
      platform,
      ...reporterOf(audit),
    });
    return { context, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** Opens a directory below a root as a root of its own, on the same backend and within the same limits. */
export function openSubcontext(
  parent: FileContext,
  path: string,
  overrides: SubrootOptions = {},
): Promise<OpenedContext> {
  const { readOnly = false, signal, principal, ...rules } = readOptions<SubrootOptions>(
    overrides,
    "overrides",
    ["readOnly", "signal", "principal"],
  );
  requireReadOnly(readOnly, "overrides");
  const options = {
    ...(signal === undefined ? {} : { signal }),
    ...(principal === undefined ? {} : { principal }),
  };
  return run(parent, "open", path, options, (operation) => {
    operation.within = "subroot";
    const located = parent.locate(path);
    let handle: BackendRoot;
    try {
      operation.resource = located.path;
      if (located.info.type !== "directory") throw fileError("not-a-directory");
      handle = openSame(parent.backend, located);
    } finally {
      located.close();
    }
    try {
      const outer = parent.rootOf(located.root);
      const { platform } = parent;
      const below = parent.roots.filter((other) =>
        other.path !== handle.path && isWithin(handle.path, other.path, platform)
      );
      // A root that lies below keeps its own rules as well; it is reached, but no relative path starts there.
      const { root, inner } = makeSubroot({
        handle,
        readOnly,
        rules,
        platform,
        outer,
        at: parent.below(outer, handle.path),
        inner: below.map((other) => [other, parent.below(handle, other.path)]),
      });
      const context = new FileContext({
        backend: parent.backend,
        starts: [root],
        roots: [root, ...inner],
        limits: parent.limits,
        permissions: parent.permissions,
        platform,
        ...reporterOf(parent.reporter),
      });
      return { context, release: () => handle.close() };
    } catch (error) {
      handle.close();
      throw error;
    }
  }, { discard: ({ release }) => release() });
}

/**
 * Opens a directory that was found as a root. By its path, another one may lie there by now: of two directories
 * that are exchanged, a tenant would get what belongs to another.
 */
function openSame(backend: FileBackend, { path, info }: Located): BackendRoot {
  const handle = backend.openRoot(path);
  try {
    const opened = backend.locate({ find: () => handle }, handle, "", { symlinks: "within-root" });
    try {
      const { dev, ino } = opened.info;
      if (handle.path === path && dev === info.dev && ino === info.ino) return handle;
    } finally {
      opened.close();
    }
    throw fileError("not-found", { reason: `${path} was replaced meanwhile` });
  } catch (error) {
    handle.close();
    throw error;
  }
}

/** A misspelt option may be a restriction, and an empty list is a mistake rather than a wish. */
function requireRoots(roots: unknown): readonly RootOptions[] {
  if (!Array.isArray(roots) || roots.length === 0) {
    throw new TypeError("'roots' must be an array with at least one directory");
  }
  // A hole is no root either: map() would pass it over.
  return Array.from(roots, (root: unknown, at) => {
    if (typeof root === "string") return { path: requirePath(root) };
    const options = readOptions<RootOptions>(root, `roots[${at}]`, ["path", "readOnly"]);
    requirePath(options.path);
    requireReadOnly(options.readOnly, "a root");
    return options;
  });
}

function requirePath(path: unknown): string {
  if (typeof path === "string" && path !== "" && !path.includes("\0")) return path;
  throw new TypeError("'path' of a root must be the path of a directory");
}

function requireReadOnly(readOnly: unknown, what: string): void {
  if (readOnly === undefined || typeof readOnly === "boolean") return;
  throw new TypeError(`'readOnly' of ${what} must be true or false`);
}

/** Opens a root; the error tells which one, by its place in the configuration. */
function openRoot(
  backend: FileBackend,
  permissions: GrantedPaths,
  path: string,
  at: number,
): BackendRoot {
  try {
    permissions.checkRead(path);
    return backend.openRoot(path);
  } catch (thrown) {
    const { code, message, details, cause } = fromSystemError(thrown);
    throw fileError(code as FileErrorCode, {
      message: `Cannot open 'roots[${at}]': ${message}`,
      details: { ...details, root: at },
      error: cause ?? thrown,
      reason: path,
    });
  }
}

/** Two roots at one place would leave open whose rules hold there. */
function requireDistinct(roots: readonly FileRoot[]): void {
  const seen = new Map<string, number>();
  roots.forEach(({ path }, at) => {
    const before = seen.get(path);
    if (before !== undefined) {
      throw new TypeError(`'roots[${at}]' is the same directory as 'roots[${before}]'`);
    }
    seen.set(path, at);
  });
}

/** Nobody listens to the silent reporter, so that no event need be made. */
function reporterOf(reporter: AuditReporter | undefined): { readonly reporter?: AuditReporter } {
  return reporter === undefined || reporter === silentReporter ? {} : { reporter };
}

const OPTIONS: Readonly<Record<keyof FileSecurityOptions, true>> = {
  roots: true,
  policy: true,
  resources: true,
  protection: true,
  backend: true,
  audit: true,
};

/** A misspelled `policy` would be no policy at all, and nobody would notice. */
function requireKnown(options: FileSecurityOptions): void {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(OPTIONS, name)) {
      throw new TypeError(`'${name}' is not an option of FileSecurityValidator.open()`);
    }
  }
}

function requireReporter(audit: unknown): void {
  if (audit !== undefined && typeof (audit as { report?: unknown } | null)?.report !== "function") {
    throw new TypeError("'audit' must have a function 'report'");
  }
}
