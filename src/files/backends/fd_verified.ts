/**
 * Files by verified handles: for Linux with all permissions.
 *
 * A path is opened with O_PATH, which touches nothing: no FIFO blocks, no device acts. The kernel is
 * asked for the name of what was opened, and only when that name lies in a root does anything
 * happen, always through the handle and never by the path again. Whoever swaps a directory for a
 * link in between changes which object is found, not where it has to lie.
 *
 * Deno shows /proc only to a process with every permission; a link of /proc/self/fd is followed by
 * the kernel itself, to the very object.
 *
 * What is not promised: the kernel names an object in its own mount namespace. Whoever can put a link
 * to `/proc/PID/root` of a process in another one, which this process may inspect, into a root reaches
 * the same path there; the `kernel` backend refuses such links.
 *
 * @module
 */

import { fileError } from "../_errors.ts";
import { Descriptor } from "./_descriptor.ts";
import { explain, explainAbsolute, linkReader } from "./_explain.ts";
import { NodeFile } from "./_node_file.ts";
import {
  infoOf,
  isMissing,
  isSameObject,
  listBounded,
  type NodeFs,
  requireName,
  requireRegularFile,
} from "./_object_info.ts";
import type {
  Access,
  BackendRoot,
  DirectoryEntry,
  FileBackend,
  Located,
  LocateOptions,
  ObjectInfo,
  OpenFile,
  RootSet,
} from "./backend.ts";

/** Linux's numbers (x86-64 and arm64 agree on these); `node:fs` lacks the first two. */
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
/** A swap for a FIFO must not block, one for a terminal not make it ours. */
const O_NOCTTY = 0o400;
const O_NONBLOCK = 0o4000;

/** What the kernel appends to the name of what was removed, and what a file may be called as well. */
const DELETED = " (deleted)";

const READER = linkReader("/");

const PERMISSIONS = ["read", "write", "net", "env", "sys", "run", "ffi", "import"] as const;

/**
 * What this process lacks for this backend: flags such as `--allow-net`, or `linux`; empty when there
 * is nothing. Never prompts.
 */
export function missingForFdVerified(): string[] {
  if (typeof Deno === "undefined") return ["deno"];
  const missing: string[] = Deno.build.os === "linux" ? [] : ["linux"];
  for (const name of PERMISSIONS) {
    // The type of the descriptor does not know `import`; the runtime does.
    const { state } = Deno.permissions.querySync({ name } as Deno.PermissionDescriptor);
    if (state !== "granted") missing.push(`--allow-${name}`);
  }
  return missing;
}

/** Where handles are paths; made once, as a process keeps its number. */
const HANDLES = typeof Deno === "undefined" ? "" : `/proc/${Deno.pid}/fd/`;

/**
 * A handle as a path. By number instead of `self`, which is one link less to follow in each of the
 * calls; `openFdVerified()` makes sure that they are the same.
 */
function handle(number: number): string {
  return HANDLES + number;
}

function statHandle(number: number): ObjectInfo {
  // A third of the time of fs.fstatSync, and without its garbage (bench/files_bench.ts).
  return infoOf(Deno.statSync(handle(number)));
}

/** The kernel's own name of an open object; `undefined` when it has none any more. */
function kernelName(link: string): string | undefined {
  let name: string;
  try {
    name = Deno.readLinkSync(link);
  } catch (error) {
    if (!(error instanceof Deno.errors.InvalidData)) throw error;
    // A name that is no text cannot be compared with a root; nothing says that it lies in one.
    throw fileError("path-outside-root", { error, reason: "its canonical name is not UTF-8" });
  }
  return name.endsWith(DELETED) && !isNamed(link, name) ? undefined : name;
}

/** Whether an open object really has a name. */
function isNamed(link: string, name: string): boolean {
  try {
    return isSameObject(infoOf(Deno.statSync(link)), infoOf(Deno.lstatSync(name)));
  } catch {
    return false;
  }
}

/** A directory that is held open for as long as it is a root. */
class FdRoot implements BackendRoot {
  readonly path: string;
  /** What canonical names below begin with. */
  readonly #prefix: string;
  readonly #descriptor: Descriptor;
  /** What ways below begin with. */
  readonly #start: string;

  constructor(path: string, descriptor: Descriptor) {
    this.path = path;
    this.#prefix = path === "/" ? "/" : path + "/";
    this.#descriptor = descriptor;
    this.#start = handle(descriptor.number) + "/";
  }

  /** The way from the root's handle to a path below; throws `closed` once that is. */
  wayTo(path: string): string {
    void this.#descriptor.number;
    return this.#start + (path === "" ? "." : path);
  }

  /** Whether a canonical name is that of a path below, which it is if no link is on the way. */
  isNameOf(path: string, name: string): boolean {
    if (path === "") return name === this.path;
    // A slice is no copy, unlike `prefix + path`; `endsWith()` takes five times as long.
    return name.startsWith(this.#prefix) && name.slice(this.#prefix.length) === path;
  }

  /** Refuses when the directory is not any more where it was when it became a root. */
  requireUnmoved(): void {
    const name = Deno.readLinkSync(handle(this.#descriptor.number));
    if (name !== this.path) {
      throw fileError("root-moved", { reason: `${this.path} is ${name} now` });
    }
  }

  close(): void {
    this.#descriptor.close();
  }
}

function requireFdRoot(root: BackendRoot): FdRoot {
  if (root instanceof FdRoot) return root;
  throw new TypeError("Cannot use the root of another backend");
}

/** The root of a canonical name; a pipe, for one, has a name that does not begin with a slash. */
function findRoot(roots: RootSet, name: string): BackendRoot | undefined {
  return name.startsWith("/") ? roots.find(name) : undefined;
}

class FdLocated implements Located {
  readonly root: BackendRoot;
  readonly path: string;
  readonly #fs: NodeFs;
  readonly #descriptor: Descriptor;
  #info: ObjectInfo | undefined;

  constructor(fs: NodeFs, root: BackendRoot, path: string, descriptor: Descriptor) {
    this.#fs = fs;
    this.root = root;
    this.path = path;
    this.#descriptor = descriptor;
  }

  get #link(): string {
    return handle(this.#descriptor.number);
  }

  #name(name: string): string {
    return `${this.#link}/${requireName(name, false)}`;
  }

  get info(): ObjectInfo {
    return this.#info ??= statHandle(this.#descriptor.number);
  }

  openFile(access: Access): OpenFile {
    requireRegularFile(this.info); // An object never changes its type: what is reopened is that file.
    const { O_RDONLY, O_WRONLY, O_APPEND } = this.#fs.constants;
    const mode = access === "read" ? O_RDONLY : access === "write" ? O_WRONLY : O_WRONLY | O_APPEND;
    const flags = mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    const number = this.#fs.openSync(this.#link, flags, 0);
    return new NodeFile(this.#fs, number, statHandle, access === "append");
  }

  // deno-lint-ignore require-await -- opened before anything else can close the handle
  async openFsFile(
    options: { read: boolean; write: boolean; append: boolean },
  ): Promise<Deno.FsFile> {
    const { read, write, append } = options;
    // Deno cannot open without waiting: this one is refused while another process has a lease on the file, and keeps
    // it from getting one.
    const first = this.openFile(append ? "append" : write ? "write" : "read");
    try {
      return Deno.openSync(this.#link, { read, write, append });
    } finally {
      first.close();
    }
  }

  list(maxEntries: number): Promise<DirectoryEntry[]> {
    return this.#descriptor.during((number) => listBounded(handle(number), maxEntries));
  }

  lookup(name: string): ObjectInfo | undefined {
    try {
      return infoOf(Deno.lstatSync(this.#name(name)));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  createFile(name: string, mode: number): OpenFile {
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = this.#fs.constants;
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    const number = this.#fs.openSync(this.#name(name), flags, mode);
    return new NodeFile(this.#fs, number, statHandle, false);
  }

  createDirectory(name: string, mode: number): void {
    Deno.mkdirSync(this.#name(name), { mode });
  }

  removeFile(name: string): void {
    // Deno's remove takes an empty directory as well.
    if (this.lookup(name)?.type === "directory") throw fileError("not-a-file");
    Deno.removeSync(this.#name(name));
  }

  removeDirectory(name: string): void {
    this.#fs.rmdirSync(this.#name(name));
  }

  rename(name: string, target: Located, targetName: string): void {
    if (!(target instanceof FdLocated)) throw new TypeError("Cannot rename across backends");
    Deno.renameSync(this.#name(name), target.#name(targetName));
  }

  close(): void {
    this.#descriptor.close();
  }
}

class FdVerifiedBackend implements FileBackend {
  readonly protection = "fd-verified";
  readonly #fs: NodeFs;

  constructor(fs: NodeFs) {
    this.#fs = fs;
  }

  openRoot(path: string): BackendRoot {
    const flags = O_PATH | O_CLOEXEC | this.#fs.constants.O_DIRECTORY;
    const number = this.#fs.openSync(path, flags, 0);
    try {
      const name = kernelName(handle(number));
      if (name === undefined) throw fileError("not-found", { reason: `${path} was removed` });
      return new FdRoot(name, new Descriptor(this.#fs, number));
    } catch (error) {
      this.#fs.closeSync(number);
      throw error;
    }
  }

  locate(roots: RootSet, root: BackendRoot, path: string, options: LocateOptions): Located {
    const from = requireFdRoot(root);
    let number: number;
    try {
      number = this.#fs.openSync(from.wayTo(path), O_PATH | O_CLOEXEC, 0);
    } catch (error) {
      from.requireUnmoved();
      throw explain(error, roots, from.path, path, options, READER);
    }
    try {
      const name = kernelName(handle(number));
      if (name === undefined || !from.isNameOf(path, name)) {
        // A link was followed, or the root is not where it was: then the names below it moved as well.
        from.requireUnmoved();
        if (name === undefined) {
          throw fileError("not-found", { reason: `${path} was removed while it was looked up` });
        }
        if (options.symlinks === "deny") throw fileError("symlink-denied", { reason: name });
      }
      const found = findRoot(roots, name);
      if (found !== undefined && found !== root) requireFdRoot(found).requireUnmoved();
      if (found === undefined) throw fileError("path-outside-root", { reason: name });
      return new FdLocated(this.#fs, found, name, new Descriptor(this.#fs, number));
    } catch (error) {
      this.#fs.closeSync(number);
      throw error;
    }
  }

  locateAbsolute(roots: RootSet, path: string, options: LocateOptions): Located {
    let number: number;
    try {
      number = this.#fs.openSync(path, O_PATH | O_CLOEXEC, 0);
    } catch (error) {
      const canonical = (part: string): string => this.#nameOf(part);
      throw explainAbsolute(error, roots, path, options, READER, canonical);
    }
    try {
      const name = kernelName(handle(number));
      const found = name === undefined ? undefined : findRoot(roots, name);
      if (name === undefined || found === undefined) {
        throw fileError("path-outside-root", { reason: name ?? path });
      }
      if (options.symlinks === "deny" && name !== path) {
        throw fileError("symlink-denied", { reason: name });
      }
      // By its path, another directory may have been put in the place of the root.
      requireFdRoot(found).requireUnmoved();
      return new FdLocated(this.#fs, found, name, new Descriptor(this.#fs, number));
    } catch (error) {
      this.#fs.closeSync(number);
      throw error;
    }
  }

  /** Canonical path of something that exists. */
  #nameOf(path: string): string {
    const number = this.#fs.openSync(path, O_PATH | O_CLOEXEC, 0);
    try {
      const name = kernelName(handle(number));
      if (name === undefined) throw fileError("not-found", { reason: `${path} was removed` });
      return name;
    } finally {
      this.#fs.closeSync(number);
    }
  }

  close(): void {}
}

/**
 * Opens the backend of Linux with all permissions.
 *
 * @throws {SecurityError} `protection-unavailable` If the system is another, a permission is missing,
 * or /proc is not what it should be; the message names what.
 */
export async function openFdVerified(): Promise<FileBackend> {
  const missing = missingForFdVerified();
  if (missing.length > 0) {
    const message = `Protection fd-verified needs ${missing.join(", ")}`;
    throw fileError("protection-unavailable", { message, details: { missing } });
  }
  const fs = await import("node:fs");
  const number = fs.openSync("/", O_PATH | O_CLOEXEC, 0);
  try {
    // A /proc of another process namespace, as a container may be given, shows other processes.
    const isOwn = Deno.readLinkSync("/proc/self") === String(Deno.pid) &&
      Deno.readLinkSync(handle(number)) === "/";
    if (!isOwn) throw new Error("/proc shows another process under the number of this one");
  } catch (error) {
    const message = "Protection fd-verified needs this process to be in /proc";
    throw fileError("protection-unavailable", { message, error });
  } finally {
    fs.closeSync(number);
  }
  return new FdVerifiedBackend(fs);
}
