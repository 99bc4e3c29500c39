/**
 * Files by paths that are checked before and after: for scoped permissions, macOS, Windows and hosted
 * runtimes.
 *
 * A path is made canonical, compared with the roots, opened without following a link at its end, and
 * then handle and path are compared twice. Another process that changes the tree at the right moment
 * can still win; bench/README.md says how often it did.
 *
 * @module
 */

import { fileError } from "../_errors.ts";
import { DenoFile } from "./_deno_file.ts";
import { explain, explainAbsolute, type LinkReader, linkReader } from "./_explain.ts";
import { NodeFile } from "./_node_file.ts";
import {
  infoOf,
  infoOfStats,
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

/** What differs from machine to machine. */
interface Place {
  /** `undefined` where the runtime has no `node:fs`. */
  readonly fs: NodeFs | undefined;
  readonly reader: LinkReader;
}

/** What the system says of a path, links not followed. */
function lstat(path: string): ObjectInfo {
  return infoOf(Deno.lstatSync(path));
}

function join(place: Place, path: string, name: string): string {
  const { separator } = place.reader;
  return path.endsWith(separator) ? path + name : path + separator + name;
}

/** A directory, remembered by its path and its number. */
class PathRoot implements BackendRoot {
  readonly path: string;
  readonly #info: ObjectInfo;

  constructor(path: string, info: ObjectInfo) {
    this.path = path;
    this.#info = info;
  }

  /** Refuses when another directory, or none, is where the root was. */
  requireUnmoved(): void {
    let error: unknown;
    try {
      if (
        Deno.realPathSync(this.path) === this.path &&
        isSameObject(lstat(this.path), this.#info)
      ) return;
    } catch (thrown) {
      if (!isMissing(thrown)) throw thrown;
      error = thrown;
    }
    throw fileError("root-moved", { error, reason: this.path });
  }

  close(): void {}
}

function requirePathRoot(root: BackendRoot): PathRoot {
  if (root instanceof PathRoot) return root;
  throw new TypeError("Cannot use the root of another backend");
}

class PathLocated implements Located {
  readonly root: BackendRoot;
  readonly path: string;
  readonly info: ObjectInfo;
  readonly #place: Place;
  readonly #roots: RootSet;
  #closed = false;

  constructor(place: Place, roots: RootSet, root: BackendRoot, path: string, info: ObjectInfo) {
    this.#place = place;
    this.#roots = roots;
    this.root = root;
    this.path = path;
    this.info = info;
  }

  /** Refuses when the path leads elsewhere by now, or another object has its name. */
  #verify(): void {
    if (this.#closed) {
      throw fileError("closed", { reason: "a handle was used after its end" });
    }
    const real = Deno.realPathSync(this.path);
    if (real !== this.path && this.#roots.find(real) === undefined) {
      throw fileError("path-outside-root", { reason: `${this.path} became ${real}` });
    }
    if (real !== this.path || !isSameObject(lstat(this.path), this.info)) {
      throw fileError("not-found", { reason: `${this.path} was replaced meanwhile` });
    }
  }

  /** Acts by a path between two checks: the first keeps the act inside, the second tells if it was. */
  #act<T>(work: () => T): T {
    this.#verify();
    const result = work();
    this.#verify();
    return result;
  }

  #name(name: string): string {
    return join(this.#place, this.path, requireName(name, this.#place.reader.separator === "\\"));
  }

  openFile(access: Access): OpenFile {
    requireRegularFile(this.info);
    this.#verify();
    return this.#checked(this.#open(this.path, access), () => this.#verify(), this.info);
  }

  /** Gives out a file only after handle and path agreed twice. */
  #checked(file: OpenFile, verifyPath: () => void, expected?: ObjectInfo): OpenFile {
    try {
      for (let round = 0; round < 2; round++) {
        const info = file.info();
        requireRegularFile(info);
        if (expected !== undefined && !isSameObject(info, expected)) {
          throw fileError("not-found", { reason: `${this.path} was replaced while it was opened` });
        }
        verifyPath();
      }
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  #open(path: string, access: Access): OpenFile {
    const { fs } = this.#place;
    const append = access === "append";
    if (fs === undefined) {
      const write = access === "write";
      return new DenoFile(Deno.openSync(path, { read: access === "read", write, append }), append);
    }
    const { O_RDONLY, O_WRONLY, O_APPEND } = fs.constants;
    const mode = access === "read" ? O_RDONLY : append ? O_WRONLY | O_APPEND : O_WRONLY;
    return this.#nodeFile(fs, fs.openSync(path, mode | noSurprise(fs), 0), append);
  }

  #nodeFile(fs: NodeFs, number: number, append: boolean): OpenFile {
    return new NodeFile(fs, number, (open) => infoOfStats(fs.fstatSync(open)), append);
  }

  async openFsFile(
    options: { read: boolean; write: boolean; append: boolean },
  ): Promise<Deno.FsFile> {
    const { read, write, append } = options;
    // Held until the end, so that its number cannot be given to another file in between.
    const verified = this.openFile(read ? "read" : append ? "append" : "write");
    try {
      // Off the thread: should a FIFO be swapped in here, this call waits and not the whole process.
      const file = await Deno.open(this.path, { read, write, append });
      try {
        if (!isSameObject(infoOf(file.statSync()), verified.info())) {
          throw fileError("not-found", { reason: `${this.path} was replaced while it was opened` });
        }
        this.#verify();
        return file;
      } catch (error) {
        file.close();
        throw error;
      }
    } finally {
      verified.close();
    }
  }

  async list(maxEntries: number): Promise<DirectoryEntry[]> {
    this.#verify();
    const entries = await listBounded(this.path, maxEntries);
    this.#verify();
    return entries;
  }

  lookup(name: string): ObjectInfo | undefined {
    const path = this.#name(name);
    return this.#act(() => {
      try {
        return lstat(path);
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    });
  }

  createFile(name: string, mode: number): OpenFile {
    const { fs } = this.#place;
    const path = this.#name(name);
    this.#verify();
    let file: OpenFile;
    if (fs === undefined) {
      file = new DenoFile(Deno.openSync(path, { write: true, createNew: true, mode }), false);
    } else {
      const { O_WRONLY, O_CREAT, O_EXCL } = fs.constants;
      const flags = O_WRONLY | O_CREAT | O_EXCL | noSurprise(fs);
      file = this.#nodeFile(fs, fs.openSync(path, flags, mode), false);
    }
    // Should the directory have been swapped just now, an empty file lies elsewhere; no byte goes there.
    return this.#checked(file, () => {
      this.#verify();
      if (!isSameObject(file.info(), lstat(path))) {
        throw fileError("not-found", { reason: `${path} was replaced while it was created` });
      }
    });
  }

  createDirectory(name: string, mode: number): void {
    const path = this.#name(name);
    this.#act(() => Deno.mkdirSync(path, { mode }));
  }

  removeFile(name: string): void {
    const path = this.#name(name);
    this.#act(() => {
      // Deno's remove takes an empty directory as well.
      if (lstat(path).type === "directory") throw fileError("not-a-file");
      Deno.removeSync(path);
    });
  }

  removeDirectory(name: string): void {
    const path = this.#name(name);
    this.#act(() => {
      if (lstat(path).type !== "directory") throw fileError("not-a-directory");
      Deno.removeSync(path);
    });
  }

  rename(name: string, target: Located, targetName: string): void {
    if (!(target instanceof PathLocated)) throw new TypeError("Cannot rename across backends");
    const from = this.#name(name);
    const to = target.#name(targetName);
    this.#act(() => target.#act(() => Deno.renameSync(from, to)));
  }

  close(): void {
    this.#closed = true;
  }
}

/** No link at the end, no wait for a FIFO's other end, no terminal of our own; Windows has none of it. */
function noSurprise(fs: NodeFs): number {
  const { O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = fs.constants;
  return (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0) | (O_NOCTTY ?? 0);
}

class BestEffortBackend implements FileBackend {
  readonly protection = "best-effort";
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
  }

  openRoot(path: string): BackendRoot {
    const real = Deno.realPathSync(path);
    const info = lstat(real);
    if (info.type !== "directory") throw fileError("not-a-directory", { reason: real });
    return new PathRoot(real, info);
  }

  locate(roots: RootSet, root: BackendRoot, path: string, options: LocateOptions): Located {
    const from = requirePathRoot(root);
    from.requireUnmoved();
    const { separator } = this.#place.reader;
    const native = separator === "\\" ? path.replaceAll("/", "\\") : path;
    const full = native === "" ? from.path : join(this.#place, from.path, native);
    let real: string;
    try {
      real = Deno.realPathSync(full);
    } catch (error) {
      throw explain(error, roots, from.path, path, options, this.#place.reader);
    }
    const found = roots.find(real);
    if (options.symlinks === "deny" && real !== full) this.#requireNoLink(roots, from, path, real);
    if (found === undefined) throw fileError("path-outside-root", { reason: real });
    if (found !== root) requirePathRoot(found).requireUnmoved();
    return this.#found(roots, found, real);
  }

  /**
   * A path that came out otherwise is allowed only where names have more than one spelling and there
   * is no link on the way.
   */
  #requireNoLink(roots: RootSet, root: PathRoot, path: string, real: string): void {
    const full = path === "" ? root.path : join(this.#place, root.path, path).replaceAll("\\", "/");
    const fold = (text: string): string => text.replaceAll("\\", "/").normalize().toLowerCase();
    if (Deno.build.os !== "linux" && fold(full) === fold(real)) {
      const deny: LocateOptions = { symlinks: "deny" };
      const nothing = explain(undefined, roots, root.path, path, deny, this.#place.reader);
      if (nothing === undefined) return;
    }
    throw fileError("symlink-denied", { reason: real });
  }

  locateAbsolute(roots: RootSet, path: string, options: LocateOptions): Located {
    let real: string;
    try {
      real = Deno.realPathSync(path);
    } catch (error) {
      const canonical = (part: string): string => Deno.realPathSync(part);
      throw explainAbsolute(error, roots, path, options, this.#place.reader, canonical);
    }
    const found = roots.find(real);
    if (found === undefined) throw fileError("path-outside-root", { reason: real });
    if (options.symlinks === "deny" && real !== path) {
      throw fileError("symlink-denied", { reason: real });
    }
    requirePathRoot(found).requireUnmoved();
    return this.#found(roots, found, real);
  }

  #found(roots: RootSet, root: BackendRoot, real: string): Located {
    const info = lstat(real);
    if (info.type === "symlink") {
      throw fileError("not-found", { reason: `${real} was replaced while it was looked up` });
    }
    return new PathLocated(this.#place, roots, root, real, info);
  }

  close(): void {}
}

/** What tests put in the place of the machine's own. */
export interface BestEffortOptions {
  /** `null` for a runtime without `node:fs`. @default {what the runtime has} */
  readonly fs?: NodeFs | null;
}

/**
 * Opens the backend that works with any permissions.
 *
 * @throws {SecurityError} `protection-unavailable` If the runtime is not Deno.
 */
export async function openBestEffort(options: BestEffortOptions = {}): Promise<FileBackend> {
  if (typeof Deno === "undefined") {
    throw fileError("protection-unavailable", { message: "Files need the Deno runtime" });
  }
  let fs: NodeFs | undefined;
  if (options.fs === undefined) {
    // Not every host of Deno's API has Node's: then Deno.open has to do, without O_NOFOLLOW.
    fs = await import("node:fs").catch(() => undefined);
  } else {
    fs = options.fs ?? undefined;
  }
  const separator = Deno.build.os === "windows" ? "\\" : "/";
  return new BestEffortBackend({ fs, reader: linkReader(separator) });
}
