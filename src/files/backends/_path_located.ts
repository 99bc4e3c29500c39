/**
 * Roots and objects that are remembered by their paths, which are checked before and after each act.
 *
 * @module
 */

import { fileError } from "../_errors.ts";
import { DenoFile } from "./_deno_file.ts";
import type { LinkReader } from "./_explain.ts";
import type { Granted } from "./_granted.ts";
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
  Located,
  ObjectInfo,
  OpenFile,
  RootSet,
} from "./backend.ts";

/** What differs from machine to machine. */
export interface Place {
  /** `undefined` where the runtime has no `node:fs`. */
  readonly fs: NodeFs | undefined;
  readonly reader: LinkReader;
  readonly granted: Granted;
}

/** What the system says of a path, links not followed. */
export function lstat(path: string): ObjectInfo {
  return infoOf(Deno.lstatSync(path));
}

/** The path of a name in a directory. */
export function join(place: Place, path: string, name: string): string {
  const { separator } = place.reader;
  return path.endsWith(separator) ? path + name : path + separator + name;
}

/** A directory, remembered by its path and its number. */
export class PathRoot implements BackendRoot {
  readonly path: string;
  readonly #info: ObjectInfo;

  constructor(path: string, info: ObjectInfo) {
    this.path = path;
    this.#info = info;
  }

  /**
   * Refuses when another directory, or none, is where the root was.
   *
   * @param isCanonical Whether a path below just came out as it was written, and the root's with it.
   */
  requireUnmoved(isCanonical = false): void {
    let error: unknown;
    try {
      if (
        (isCanonical || Deno.realPathSync(this.path) === this.path) &&
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

/**
 * Open directories in which a file was created. They go along when this process renames them, so that no client
 * leaves a temporary file by that, which nobody sees, and for which the directory cannot be removed.
 */
const makers = new Set<PathLocated>();

/** An object that was found, remembered by its path and its number. */
export class PathLocated implements Located {
  #root: BackendRoot;
  #path: string;
  readonly #info: ObjectInfo;
  readonly #place: Place;
  readonly #roots: RootSet;
  #shown = false;
  #closed = false;

  constructor(place: Place, roots: RootSet, root: BackendRoot, path: string, info: ObjectInfo) {
    this.#place = place;
    this.#roots = roots;
    this.#root = root;
    this.#path = path;
    this.#info = info;
  }

  get root(): BackendRoot {
    return this.#root;
  }

  get path(): string {
    return this.#path;
  }

  /**
   * Verified before it is shown. A directory that was swapped for a link when it was asked, and may be back by
   * now, would show size and time of what lies outside: of `stat()` that is all there is to see. `validate()`
   * shows nothing of it and does not wait for that.
   */
  get info(): ObjectInfo {
    if (!this.#shown) this.#verify();
    this.#shown = true;
    return this.#info;
  }

  /**
   * Begins an act, or goes on after an `await`: a permission that was revoked meanwhile is found before Deno
   * would ask the user for it.
   */
  #begin(change = false): void {
    if (this.#closed) {
      throw fileError("closed", { reason: "a handle was used after its end" });
    }
    const { granted } = this.#place;
    granted.demand("read", this.root.path);
    if (change) granted.demand("write", this.root.path);
    this.#verify();
  }

  /** Refuses when the path leads elsewhere by now, or another object has its name. */
  #verify(): void {
    const real = Deno.realPathSync(this.path);
    if (real !== this.path && this.#roots.find(real) === undefined) {
      throw fileError("path-outside-root", { reason: `${this.path} became ${real}` });
    }
    if (real !== this.path || !isSameObject(lstat(this.path), this.#info)) {
      throw fileError("not-found", { reason: `${this.path} was replaced meanwhile` });
    }
  }

  /** Acts by a path between two checks: the first keeps the act inside, the second tells if it was. */
  #act<T>(change: boolean, work: () => T): T {
    this.#begin(change);
    const result = work();
    this.#verify();
    return result;
  }

  #name(name: string): string {
    return join(this.#place, this.path, requireName(name, this.#place.reader.separator === "\\"));
  }

  openFile(access: Access): OpenFile {
    requireRegularFile(this.#info);
    this.#begin(access !== "read");
    return this.#checked(this.#open(this.path, access), () => this.#verify(), this.#info);
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
      // Waits, and the process with it, for as long as another one holds a lease on the file.
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
    if (write || append) this.#place.granted.demand("write", this.root.path);
    // Held until the end, so that its number cannot be given to another file in between, and nobody gets a lease
    // that the next call would have to wait for.
    const verified = this.openFile(append ? "append" : write ? "write" : "read");
    try {
      // Off the thread: should a FIFO be swapped in here, this call waits and not the whole process.
      const file = await Deno.open(this.path, { read, write, append });
      try {
        // Deno would ask the user for what was revoked meanwhile, even to say what it just opened.
        this.#place.granted.demand("read", this.root.path);
        if (!isSameObject(infoOf(file.statSync()), verified.info())) {
          throw fileError("not-found", { reason: `${this.path} was replaced while it was opened` });
        }
        this.#begin();
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
    this.#begin();
    const entries = await listBounded(this.path, maxEntries);
    this.#begin();
    return entries;
  }

  lookup(name: string): ObjectInfo | undefined {
    const path = this.#name(name);
    return this.#act(false, () => {
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
    this.#begin(true);
    makers.add(this);
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
    this.#act(true, () => Deno.mkdirSync(path, { mode }));
  }

  removeFile(name: string): void {
    const path = this.#name(name);
    this.#act(true, () => {
      // Deno's remove takes an empty directory as well.
      if (lstat(path).type === "directory") throw fileError("not-a-file");
      Deno.removeSync(path);
    });
  }

  removeDirectory(name: string): void {
    const path = this.#name(name);
    this.#act(true, () => {
      if (lstat(path).type !== "directory") throw fileError("not-a-directory");
      Deno.removeSync(path);
    });
  }

  rename(name: string, target: Located, targetName: string): void {
    if (!(target instanceof PathLocated)) throw new TypeError("Cannot rename across backends");
    const from = this.#name(name);
    const to = target.#name(targetName);
    const { granted } = this.#place;
    for (const path of [from, to]) {
      granted.demandWhole("read", path);
      granted.demandWhole("write", path);
    }
    const work = () => {
      Deno.renameSync(from, to);
      for (const one of makers) one.#follow(from, to);
    };
    this.#act(true, () => target.#act(true, work));
  }

  /** Goes along with a directory that was renamed; it is verified before it is used again. */
  #follow(from: string, to: string): void {
    const { separator } = this.#place.reader;
    if (this.#path !== from && !this.#path.startsWith(from + separator)) return;
    const path = to + this.#path.slice(from.length);
    const root = this.#roots.find(path);
    if (root === undefined) return;
    this.#path = path;
    this.#root = root;
  }

  close(): void {
    this.#closed = true;
    makers.delete(this);
  }
}

/** No link at the end, no wait for a FIFO's other end, no terminal of our own; Windows has none of it. */
function noSurprise(fs: NodeFs): number {
  const { O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = fs.constants;
  return (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0) | (O_NOCTTY ?? 0);
}
