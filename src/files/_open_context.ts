/**
 * Making what a validator stands on: the backend that this process can have, the roots, the rules.
 *
 * @module
 */

import type { BackendFactory, BackendRoot, FileBackend, Protection } from "./backends/backend.ts";
import type { ResourcePolicy, RootOptions, SecurityPolicy } from "./policy.ts";
import { type AuditReporter, silentReporter } from "../events/audit_event.ts";
import { openBackend, requireProtection } from "./_open_backend.ts";
import { FileContext, type FileRoot, type OperationOptions } from "./_context.ts";
import { makeRoot, narrowRules } from "./_open_root.ts";
import type { FileErrorCode } from "../errors.ts";
import { fileError, fromSystemError } from "./_errors.ts";
import { makeLimits } from "./_limits.ts";
import { run } from "./_operation.ts";
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

/** Rules for a `subroot()`; they can only narrow those of the root that it lies in. */
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
  const configured = requireRoots(options.roots);
  const { protection = "best-effort", policy = {} } = options;
  requireProtection(protection);
  const limits = makeLimits(options.resources ?? {});
  if (typeof Deno === "undefined") {
    throw fileError("protection-unavailable", { message: "Files need the Deno runtime" });
  }
  const platform: Platform = Deno.build.os === "windows" ? "windows" : "posix";
  const backend = await openBackend(protection, options.backend);
  const handles: BackendRoot[] = [];
  const release = () => {
    for (const handle of handles) handle.close();
    backend.close();
  };
  try {
    const permissions = await GrantedPaths.open(backend.protection, configured);
    const roots = configured.map(({ path, readOnly = false, ...rules }, at) => {
      permissions.checkRead(path);
      const handle = openRoot(backend, path, at);
      handles.push(handle);
      return makeRoot({ handle, path, readOnly, rules: merge(policy, rules), platform });
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
      ...reporterOf(options.audit),
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
  const { readOnly = false, signal, principal, ...narrower } = overrides;
  const options = {
    ...(signal === undefined ? {} : { signal }),
    ...(principal === undefined ? {} : { principal }),
  };
  return run(parent, "open", path, options, (operation) => {
    const located = parent.locate(path);
    let handle: BackendRoot;
    try {
      operation.resource = located.path;
      if (located.info.type !== "directory") throw fileError("not-a-directory");
      handle = parent.backend.openRoot(located.path);
      if (handle.path !== located.path) {
        handle.close();
        throw fileError("not-found", { reason: `${located.path} was replaced meanwhile` });
      }
    } finally {
      located.close();
    }
    try {
      const outer = parent.rootOf(located.root);
      const { platform } = parent;
      const root = makeRoot({
        handle,
        path: handle.path,
        readOnly: readOnly || outer.readOnly,
        rules: narrowRules(outer, parent.below(outer, handle.path), narrower),
        platform,
      });
      // A root that lies below keeps its own rules; it is reached, but no relative path starts there.
      const inner = parent.roots.filter((other) =>
        other.path !== root.path && isWithin(root.path, other.path, platform)
      );
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

/** A misspelt option may be a restriction, and an empty list is a mistake rather than a wish. */
function requireRoots(roots: unknown): readonly RootOptions[] {
  if (!Array.isArray(roots) || roots.length === 0) {
    throw new TypeError("'roots' must be an array with at least one directory");
  }
  return roots.map((root: unknown) => {
    const options = typeof root === "string" ? { path: root } : root as RootOptions;
    const { path, readOnly } = options ?? {};
    if (typeof path !== "string" || path === "" || path.includes("\0")) {
      throw new TypeError("'path' of a root must be the path of a directory");
    }
    if (readOnly !== undefined && typeof readOnly !== "boolean") {
      throw new TypeError("'readOnly' of a root must be true or false");
    }
    return options;
  });
}

/** Opens a root; the error tells which one, by its place in the configuration. */
function openRoot(backend: FileBackend, path: string, at: number): BackendRoot {
  try {
    return backend.openRoot(path);
  } catch (thrown) {
    const { code, cause } = fromSystemError(thrown);
    throw fileError(code as FileErrorCode, {
      message: `Cannot open 'roots[${at}]': ${fromSystemError(thrown).message}`,
      details: { root: at },
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

/** The rules of one root: what it says itself, and else what holds for all. */
function merge(policy: SecurityPolicy, rules: SecurityPolicy): SecurityPolicy {
  // What is given as `undefined` is not said, and must not lift what holds for all.
  const said = Object.entries(rules).filter(([, value]) => value !== undefined);
  return { ...policy, ...Object.fromEntries(said) };
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
  const audit: unknown = options.audit;
  if (audit !== undefined && typeof (audit as { report?: unknown } | null)?.report !== "function") {
    throw new TypeError("'audit' must have a function 'report'");
  }
}
