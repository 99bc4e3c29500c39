/**
 * Files by openat2: the kernel resolves below the root, whatever happens in the tree meanwhile.
 *
 * A path is opened with O_PATH and `RESOLVE_BENEATH`, which touches nothing: no FIFO blocks, no device
 * acts. The kernel's name of what was opened says in which root it lies. The type is checked by that
 * handle, and the file opened through the kernel's own link to it, so that what was checked is what is
 * read. A link that leaves a root, which the kernel refuses, is followed without touching anything
 * only to learn where it ends; if that is in a root, the walk begins anew beneath that root, and
 * without links.
 *
 * @module
 */

import { fileError, fromSystemError } from "../_errors.ts";
import { explain, explainAbsolute, type LinkReader, notText } from "./_explain.ts";
import { Handle } from "./_handle.ts";
import { KernelLocated, KernelRoot, requirePermission } from "./_kernel_located.ts";
import { Libc } from "./_libc.ts";
import {
  AT_FDCWD,
  ErrnoError,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  openHow,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from "./_linux.ts";
import { errnoOf } from "./_object_info.ts";
import { identityOf, infoOfStatx } from "./_statx.ts";
import type { BackendRoot, FileBackend, Located, LocateOptions, RootSet } from "./backend.ts";

const FIND = O_PATH | O_CLOEXEC;
const BENEATH = openHow(FIND, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
const BENEATH_NO_LINKS = openHow(
  FIND,
  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
);
/** To learn where something is; what is opened so is never acted on. */
const ANYWHERE = openHow(FIND, RESOLVE_NO_MAGICLINKS);
const ITSELF = openHow(FIND | O_NOFOLLOW, RESOLVE_NO_MAGICLINKS);
/** The roots themselves are the operator's to name, links and all. */
const ROOT = openHow(FIND | O_DIRECTORY, 0);

/** What the kernel appends to the name of what was removed, and what a file may be called as well. */
const DELETED = " (deleted)";

function requireKernelRoot(root: BackendRoot): KernelRoot {
  if (root instanceof KernelRoot) return root;
  throw new TypeError("Cannot use the root of another backend");
}

/** The root of a canonical name; what is not reachable has a name that does not begin with a slash. */
function findRoot(roots: RootSet, name: string): KernelRoot | undefined {
  const root = name.startsWith("/") ? roots.find(name) : undefined;
  return root === undefined ? undefined : requireKernelRoot(root);
}

class KernelBackend implements FileBackend {
  readonly protection = "kernel";
  readonly libraries: readonly string[] | undefined;
  readonly #libc: Libc;
  readonly #reader: LinkReader;
  #closed = false;

  constructor(libc: Libc, library: string) {
    this.#libc = libc;
    // Deno grants a library alone only by its full path.
    this.libraries = library.includes("/") ? [library] : undefined;
    this.#reader = { separator: "/", readLink: (path) => this.#readLink(path) };
  }

  openRoot(path: string): BackendRoot {
    this.#requireOpen();
    requirePermission("read", path);
    const handle = new Handle(this.#libc, this.#libc.open(AT_FDCWD, path, ROOT));
    try {
      const name = this.#nameOf(handle.number);
      if (name === undefined) throw fileError("not-found", { reason: `${path} was removed` });
      // Where the canonical path is granted, what is denied below it counts; a grant of a link is one too.
      const { state } = Deno.permissions.querySync({ name: "read", path: name });
      return new KernelRoot(name, handle, state === "granted" ? name : path);
    } catch (error) {
      handle.close();
      throw error;
    }
  }

  locate(roots: RootSet, root: BackendRoot, path: string, options: LocateOptions): Located {
    this.#requireOpen();
    const from = requireKernelRoot(root);
    const how = options.symlinks === "deny" ? BENEATH_NO_LINKS : BENEATH;
    let number: number;
    try {
      number = this.#libc.open(from.handle.number, path === "" ? "." : path, how);
    } catch (error) {
      from.requireUnmoved();
      if (options.symlinks === "deny") throw deniedLink(error);
      if (errnoOf(error) !== "EXDEV") throw error;
      return this.#follow(roots, from, path, options);
    }
    return this.#found(roots, from, path, number);
  }

  locateAbsolute(roots: RootSet, path: string, options: LocateOptions): Located {
    this.#requireOpen();
    let name: string | undefined;
    try {
      name = this.#canonical(AT_FDCWD, path);
    } catch (error) {
      const canonical = (part: string): string => this.#canonical(AT_FDCWD, part) ?? "";
      throw explainAbsolute(error, roots, path, options, this.#reader, canonical);
    }
    const found = name === undefined ? undefined : findRoot(roots, name);
    if (name === undefined || found === undefined) {
      throw fileError("path-outside-root", { reason: name ?? path });
    }
    if (options.symlinks === "deny" && name !== path) {
      throw fileError("symlink-denied", { reason: name });
    }
    return this.#beneath(roots, found, name);
  }

  /** Follows a link that leaves its root to where it ends, which may be in another root, or this one. */
  #follow(roots: RootSet, from: KernelRoot, path: string, options: LocateOptions): Located {
    let name: string | undefined;
    try {
      name = this.#canonical(from.handle.number, path);
    } catch (error) {
      throw explain(error, roots, from.path, path, options, this.#reader);
    }
    const found = name === undefined ? undefined : findRoot(roots, name);
    if (name === undefined || found === undefined) {
      throw fileError("path-outside-root", { reason: name ?? path });
    }
    return this.#beneath(roots, found, name);
  }

  /** Opens a canonical path beneath the root that it lies in; links on it are new, and refused. */
  #beneath(roots: RootSet, root: KernelRoot, name: string): Located {
    root.requireUnmoved();
    const path = root.relative(name);
    let number: number;
    try {
      const start = root.handle.number;
      number = this.#libc.open(start, path === "" ? "." : path, BENEATH_NO_LINKS);
    } catch (error) {
      if (errnoOf(error) !== "ELOOP") throw error;
      throw fileError("path-outside-root", { error, reason: `${name} was replaced by a link` });
    }
    return this.#found(roots, root, path, number);
  }

  /** Finds out in which root an object lies; closes it when it lies in none. */
  #found(roots: RootSet, from: KernelRoot, path: string, number: number): Located {
    const libc = this.#libc;
    try {
      const length = libc.readName(number);
      const isExpected = path !== "" && this.#isBelow(from, length);
      const name = isExpected ? from.below(path) : this.#nameText(length);
      if (libc.mayBeDeleted(length) && name.endsWith(DELETED) && !this.#isNamed(number, name)) {
        from.requireUnmoved();
        throw fileError("not-found", { reason: `${path} was removed while it was looked up` });
      }
      // A link was followed, or the root is not where it was: then the names below it moved as well.
      if (!isExpected && name !== from.below(path)) from.requireUnmoved();
      const root = findRoot(roots, name);
      if (root === undefined) throw fileError("path-outside-root", { reason: name });
      if (root !== from) root.requireUnmoved();
      root.requireReadable(name);
      return new KernelLocated(root, name, new Handle(libc, number));
    } catch (error) {
      libc.symbols.close(number);
      throw error;
    }
  }

  /**
   * Whether the kernel's name is the root's and the path that was just opened. Compared as bytes: most
   * paths are canonical, and to decode a name takes longer than to ask for it (bench/files_bench.ts).
   */
  #isBelow({ prefix }: KernelRoot, length: number): boolean {
    const { name, path } = this.#libc;
    if (length !== prefix.byteLength + path.length) return false;
    for (let at = 0; at < prefix.byteLength; at++) {
      if (name[at] !== prefix[at]) return false;
    }
    const { bytes } = path;
    for (let at = prefix.byteLength, from = 0; at < length; at++, from++) {
      if (name[at] !== bytes[from]) return false;
    }
    return true;
  }

  /** Whether an open object really has a name, as one that ends in " (deleted)" may. */
  #isNamed(number: number, name: string): boolean {
    const libc = this.#libc;
    try {
      libc.statRaw(number);
      const identity = identityOf(libc.stat);
      libc.statName(AT_FDCWD, name);
      return identityOf(libc.stat) === identity;
    } catch {
      return false;
    }
  }

  /** The kernel's own name of an open object; `undefined` when it has none any more. */
  #nameOf(number: number): string | undefined {
    const name = this.#nameText(this.#libc.readName(number));
    return name.endsWith(DELETED) && !this.#isNamed(number, name) ? undefined : name;
  }

  /** The name that was just read. */
  #nameText(length: number): string {
    const name = this.#libc.nameText(length);
    if (name === undefined) throw notText("the path");
    return name;
  }

  /** Canonical path of something that exists, wherever it is. */
  #canonical(directory: number, path: string): string | undefined {
    const number = this.#libc.open(directory, path, ANYWHERE);
    try {
      return this.#nameOf(number);
    } finally {
      this.#libc.symbols.close(number);
    }
  }

  /** The target of a link; `undefined` for what is none. */
  #readLink(path: string): string | undefined {
    const libc = this.#libc;
    const number = libc.open(AT_FDCWD, path, ITSELF);
    try {
      libc.statRaw(number);
      if (infoOfStatx(libc.stat).type !== "symlink") return undefined;
      const target = libc.readLink(number);
      if (target === undefined) throw notText(path);
      return target;
    } finally {
      libc.symbols.close(number);
    }
  }

  #requireOpen(): void {
    if (this.#closed) throw fileError("closed", { reason: "the backend is closed" });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // What is still open keeps the library.
    this.#libc.release();
  }
}

/** Where links are denied, the kernel's `ELOOP` is the first link that it met. */
function deniedLink(error: unknown): unknown {
  return errnoOf(error) === "ELOOP" ? fileError("symlink-denied", { error }) : error;
}

/**
 * Opens the backend of Linux with openat2.
 *
 * @param library Name or path of the C library.
 * @throws {SecurityError} `permission-missing` Without `--allow-ffi` for the library.
 * @throws {SecurityError} `protection-unavailable` Where the system is another, or openat2 or /proc is
 * not to be had.
 */
export function openKernel(library: string): Promise<FileBackend> {
  // Whatever is thrown is a rejection.
  return Promise.resolve().then(() => openNow(library));
}

function openNow(library: string): FileBackend {
  if (typeof Deno === "undefined" || Deno.build.os !== "linux") {
    throw unavailable("Protection kernel needs Linux", "linux");
  }
  const { arch } = Deno.build;
  if (arch !== "x86_64" && arch !== "aarch64") {
    throw unavailable("Protection kernel needs an x86-64 or arm64 processor", "arch");
  }
  requireFfi(library);
  let libc: Libc;
  try {
    libc = Libc.load(library);
  } catch (error) {
    throw unavailable("Protection kernel needs a C library; set 'library'", "library", error);
  }
  try {
    if (!libc.openHandles()) {
      throw unavailable("Protection kernel needs a /proc of its own", "/proc");
    }
  } catch (error) {
    libc.release();
    // Too many open files, for one, is a state that passes.
    if (!(error instanceof ErrnoError) || error.code === "EMFILE" || error.code === "ENFILE") {
      throw fromSystemError(error);
    }
    throw error.code === "ENOSYS" || error.code === "EPERM"
      ? unavailable(
        "Protection kernel needs openat2 (Linux 5.6), not refused by seccomp",
        "openat2",
        error,
      )
      : unavailable("Protection kernel needs /proc", "/proc", error);
  }
  return new KernelBackend(libc, library);
}

/** Asks before `Deno.dlopen` does, which would prompt. */
function requireFfi(library: string): void {
  const path = library.includes("/") ? { path: library } : {};
  const { state } = Deno.permissions.querySync({ name: "ffi", ...path });
  if (state === "granted") return;
  const flag = library.includes("/") ? `--allow-ffi=${library}` : "--allow-ffi";
  throw fileError("permission-missing", {
    message: `Protection kernel needs ${flag}`,
    details: { flag },
  });
}

function unavailable(message: string, missing: string, error?: unknown): Error {
  return fileError("protection-unavailable", { message, details: { missing: [missing] }, error });
}
