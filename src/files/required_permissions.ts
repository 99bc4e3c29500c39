/**
 * The Deno permissions that a configuration needs, and whether they are still there.
 *
 * @module
 */

import type { SecurityError } from "../errors.ts";
import { fileError } from "./_errors.ts";
import type { Protection } from "./backends/backend.ts";

/** A root, as far as permissions go. */
export interface PermissionRoot {
  /** Absolute path of the directory. */
  readonly path: string;
  /** Nothing below is changed, so that nothing needs to be written. @default {false} */
  readonly readOnly?: boolean;
}

/** Options of {@linkcode requiredPermissions}. */
export interface RequiredPermissionsOptions {
  /** The roots; one that is configured through a link is listed by both of its spellings. */
  readonly roots: readonly PermissionRoot[];
  /** How well the validator is protected. */
  readonly protection: Protection;
  /**
   * Full paths of the libraries that `kernel` calls, where the permission shall be for these alone.
   * @default {any library}
   */
  readonly libraries?: readonly string[];
}

/** A permission set in the form of deno.json; {@linkcode requiredPermissions} gives one of the two kinds. */
export type PermissionSet =
  | { readonly all: true }
  | {
    /** Directories to be read. */
    readonly read: readonly string[];
    /** Directories to be written; absent when there are none. */
    readonly write?: readonly string[];
    /** Libraries to be called, or any; absent when there are none. */
    readonly ffi?: true | readonly string[];
  };

/** The least permissions of a configuration. */
export interface RequiredPermissions {
  /** Arguments of `deno run`, one a permission; not quoted for any shell. */
  readonly flags: readonly string[];
  /** The same for `"permissions": { "NAME": … }` in deno.json. */
  readonly permissionSet: PermissionSet;
}

/**
 * Gives the least Deno permissions that a configuration of file security needs.
 *
 * - `best-effort` reads the roots and writes those that are not read-only.
 * - `kernel` needs the same, and calls the C library.
 * - `fd-verified` looks at `/proc`, which Deno allows to a process with all permissions only.
 *
 * A comma in a path is doubled in the flags, which is Deno's way to write one. Deno 2.9 does not accept
 * that for directories: a path with a comma has to be granted by the permission set.
 *
 * @param options The roots and the protection.
 * @returns Flags and a permission set that say the same.
 *
 * @example A public and a private root
 * ```ts
 * import { requiredPermissions } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const { flags, permissionSet } = requiredPermissions({
 *   roots: [{ path: "/srv/data" }, { path: "/srv/public", readOnly: true }],
 *   protection: "best-effort",
 * });
 * assertEquals(flags, ["--allow-read=/srv/data,/srv/public", "--allow-write=/srv/data"]);
 * assertEquals(permissionSet, { read: ["/srv/data", "/srv/public"], write: ["/srv/data"] });
 * ```
 */
export function requiredPermissions(options: RequiredPermissionsOptions): RequiredPermissions {
  const { roots, protection, libraries } = options;
  if (protection === "fd-verified") {
    return { flags: ["--allow-all"], permissionSet: { all: true } };
  }
  const read = outermost(roots.map((root) => root.path));
  const write = outermost(roots.filter((root) => root.readOnly !== true).map((root) => root.path));
  const ffi = protection === "kernel" ? libraries ?? true : undefined;
  return {
    flags: [
      flag("read", read),
      ...(write.length === 0 ? [] : [flag("write", write)]),
      ...(ffi === undefined ? [] : [ffi === true ? "--allow-ffi" : flag("ffi", ffi)]),
    ],
    permissionSet: {
      read,
      ...(write.length === 0 ? {} : { write }),
      ...(ffi === undefined ? {} : { ffi }),
    },
  };
}

function flag(name: "read" | "write" | "ffi", paths: readonly string[]): string {
  return `--allow-${name}=${paths.map((path) => path.replaceAll(",", ",,")).join(",")}`;
}

/** The paths without those that lie in another one, whose permission includes them. */
function outermost(paths: readonly string[]): string[] {
  const all = [...new Set(paths)];
  return all.filter((path) => !all.some((other) => other !== path && holds(other, path)));
}

function holds(above: string, path: string): boolean {
  if (!path.startsWith(above)) return false;
  return /[\\/]$/.test(above) || /^[\\/]/.test(path.slice(above.length));
}

/** Every kind of permission there is; `/proc` is for those who have them all. */
const KINDS = ["read", "write", "net", "env", "sys", "run", "ffi", "import"] as const;

type PathAccess = "read" | "write";

/** The descriptors of both kinds of access to a root, made once. */
interface RootDescriptors {
  readonly read: Deno.PermissionDescriptor;
  readonly write: Deno.PermissionDescriptor;
}

/**
 * Whether the permissions that were there when a validator opened are there still. It asks Deno what is
 * granted, which never prompts, so that the operation itself does not either.
 *
 * A status of Deno's follows a change only when its very descriptor is revoked or asked about again: that
 * of a whole kind of permission can be relied on, that of a path cannot. So an unrestricted permission
 * costs a glance, and a path of its own is asked about every time.
 */
export class GrantedPaths {
  readonly #kinds: Readonly<Record<PathAccess, Deno.PermissionStatus>> | undefined;
  /** Those that must stay unrestricted whatever is done; none where paths are enough. */
  readonly #all: readonly Deno.PermissionStatus[];
  /** Whether one of those is denied in part, which only a flag at the start can do. */
  readonly #partial: boolean;
  readonly #descriptors = new Map<string, RootDescriptors>();

  private constructor(
    roots: readonly PermissionRoot[],
    kinds: Readonly<Record<PathAccess, Deno.PermissionStatus>> | undefined,
    all: readonly Deno.PermissionStatus[],
  ) {
    this.#kinds = kinds;
    this.#all = all;
    this.#partial = all.some((status) => status.partial);
    for (const root of roots) this.add(root);
  }

  /**
   * Asks what is granted; where there is no Deno there is nothing to ask, and everything is.
   *
   * @param protection How well the validator is protected.
   * @param roots Its roots, by any spelling.
   */
  static async open(
    protection: Protection,
    roots: readonly PermissionRoot[],
  ): Promise<GrantedPaths> {
    if (!("Deno" in globalThis)) return new GrantedPaths(roots, undefined, []);
    const kinds = { read: await queryKind("read"), write: await queryKind("write") };
    const all: Deno.PermissionStatus[] = [];
    if (protection === "fd-verified") { for (const name of KINDS) all.push(await queryKind(name)); }
    return new GrantedPaths(roots, kinds, all);
  }

  /** Adds a root, or another spelling of one, such as the canonical path. */
  add(root: PermissionRoot): void {
    this.#descriptors.set(root.path, describe(root.path));
  }

  /** Throws `permission-missing` when a root may not be read, or written where that is asked for. */
  demand(rootPath: string, change: boolean): void {
    this.checkRead(rootPath);
    if (change) this.checkWrite(rootPath);
  }

  /** Throws `permission-missing` when a root may not be read. */
  checkRead(rootPath: string): void {
    this.#check("read", rootPath);
  }

  /** Throws `permission-missing` when a root may not be written. */
  checkWrite(rootPath: string): void {
    this.#check("write", rootPath);
  }

  #check(access: PathAccess, rootPath: string): void {
    if (this.#kinds === undefined) return;
    if (this.#all.length > 0) {
      if (this.#partial) throw missingAll();
      for (const status of this.#all) if (status.state !== "granted") throw missingAll();
      return;
    }
    if (isUnrestricted(this.#kinds[access])) return;
    const descriptor = (this.#descriptors.get(rootPath) ?? describe(rootPath))[access];
    if (Deno.permissions.querySync(descriptor).state !== "granted") {
      throw missingPermission(access, rootPath);
    }
  }
}

/** The types of Deno do not know of `import` yet; at run time it is a kind like the others. */
function queryKind(name: typeof KINDS[number]): Promise<Deno.PermissionStatus> {
  return Deno.permissions.query({ name } as Deno.PermissionDescriptor);
}

/** Granted, and nothing of it denied: a `--deny-read=ROOT` makes it partial. */
function isUnrestricted(status: Deno.PermissionStatus): boolean {
  return status.state === "granted" && !status.partial;
}

function describe(path: string): RootDescriptors {
  return { read: { name: "read", path }, write: { name: "write", path } };
}

/** The error for a permission that is missing for a root: its path is for the operator alone. */
export function missingPermission(access: "read" | "write", rootPath: string): SecurityError {
  return fileError("permission-missing", {
    message: `A Deno permission is missing: run again with --allow-${access} for the root`,
    details: { flag: `--allow-${access}` },
    reason: `Run again with ${flag(access, [rootPath])}`,
  });
}

function missingAll(): SecurityError {
  return fileError("permission-missing", {
    message: "A Deno permission is missing: run again with --allow-all",
    details: { flag: "--allow-all" },
    reason: "One of the permissions was revoked, without all of which /proc is out of reach",
  });
}
