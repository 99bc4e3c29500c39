/**
 * What the three ways of touching files have in common.
 *
 * A backend finds an object below a root, says where it really lies, and acts on exactly that object.
 * Every function is synchronous unless it moves data: between a check and the act that relies on it
 * there is no `await`, so nothing of this process can come between.
 *
 * A backend throws what the system throws, or a `SecurityError`; `fromSystemError()` translates.
 *
 * @module
 */

/**
 * How well a validator is protected against a tree that changes while it is used.
 *
 * - `kernel`: the kernel itself resolves below the root (Linux, `openat2`).
 * - `fd-verified`: what was opened is asked where it is, before anything is done with it (Linux with all
 *   permissions).
 * - `best-effort`: paths are checked before and after; another process that changes the tree at the
 *   right moment can win.
 */
export type Protection = "kernel" | "fd-verified" | "best-effort";

/** What an object is. */
export type ObjectType = "file" | "directory" | "symlink" | "special";

/** What the system says of an object. */
export interface ObjectInfo {
  /** A FIFO, socket or device is `special`. */
  readonly type: ObjectType;
  /** Size in bytes. */
  readonly size: number;
  /** Number of names, `0` where unknown. */
  readonly nlink: number;
  /** Device, `0` where unknown. */
  readonly dev: number;
  /** Number on the device, `0` where unknown; only good for comparison. */
  readonly ino: number;
  /** Permission bits, `0o600`; `0` where unknown. */
  readonly mode: number;
  /** Time of the last change of the content in milliseconds since the epoch; `0` where unknown. */
  readonly modifiedMs: number;
}

/** A name in a directory. */
export interface DirectoryEntry {
  /** The name alone. */
  readonly name: string;
  /** What it names; links are not followed. */
  readonly type: ObjectType;
}

/** A root as a backend holds it. */
export interface BackendRoot {
  /** Canonical absolute path at the time it was opened; no separator at the end, except `/` itself. */
  readonly path: string;
  /** Lets it go. */
  close(): void;
}

/** The roots of a validator. */
export interface RootSet {
  /**
   * Finds the innermost root that a canonical absolute path lies in.
   *
   * @param path What a backend found.
   * @returns The root, or `undefined` when the path lies outside of every root.
   */
  find(path: string): BackendRoot | undefined;
}

/** How a path is followed. */
export interface LocateOptions {
  /** `deny` refuses any symbolic link on the way, the last component included. */
  readonly symlinks: "within-root" | "deny";
}

/** A regular file that is open; positions are the caller's. */
export interface OpenFile {
  /** What the system says of the open file now. */
  info(): ObjectInfo;
  /** Reads up to `into.byteLength` bytes at an offset without leaving the thread; `0` at the end. */
  readSync(into: Uint8Array, offset: number): number;
  /** The same off the thread; for much data, or a slow disk. */
  read(into: Uint8Array, offset: number): Promise<number>;
  /** Writes all of `from` at an offset; at the end, wherever that is, when opened to append. */
  write(from: Uint8Array, offset: number): Promise<void>;
  /** Sets the size in bytes. */
  truncate(size: number): void;
  /** Changes the permission bits; those of a new file stay as they are where the runtime has no `node:fs`. */
  chmod(mode: number): void;
  /** Resolves when the data is on the disk. */
  sync(): Promise<void>;
  /** Closes it; a second time does nothing. */
  close(): void;
}

/** What a file is opened for. */
export type Access = "read" | "write" | "append";

/**
 * An object that was found, with the proof of where it lies. A directory acts on the names in it, of which
 * none holds a separator or is `.` or `..`.
 */
export interface Located {
  /** The innermost root it lies in. */
  readonly root: BackendRoot;
  /** Where it lies: canonical, absolute. */
  readonly path: string;
  /** What it is; asked once. */
  readonly info: ObjectInfo;

  /** Opens the file that was found; throws `special-file` or `not-a-file` for anything but a regular one. */
  openFile(access: Access): OpenFile;
  /** Opens the file that was found as Deno's own class, or something with all its methods. */
  openFsFile(options: { read: boolean; write: boolean; append: boolean }): Promise<Deno.FsFile>;

  /**
   * The names in the directory; throws `too-many-entries` above `maxEntries`, and holds no more than
   * that. A promise where the runtime only reads without a bound on the thread (`Deno.readDirSync`
   * collects everything first): always `await` it, and close the directory only afterwards.
   */
  list(maxEntries: number): DirectoryEntry[] | Promise<DirectoryEntry[]>;
  /** What a name in the directory is, links not followed; `undefined` when there is none. */
  lookup(name: string): ObjectInfo | undefined;
  /** Creates a file that must not exist (O_EXCL, O_NOFOLLOW) and opens it for writing. */
  createFile(name: string, mode: number): OpenFile;
  /** Creates a directory that must not exist. */
  createDirectory(name: string, mode: number): void;
  /** Removes a file or a link. */
  removeFile(name: string): void;
  /** Removes an empty directory. */
  removeDirectory(name: string): void;
  /**
   * Renames a name in this directory to a name in another (or the same); replaces what is there, unless
   * `overwrite` is `false` and both the backend and the file system can refuse in the same act: so look first.
   */
  rename(
    name: string,
    target: Located,
    targetName: string,
    options?: { readonly overwrite?: boolean },
  ): void;

  /** Lets it go; a second time does nothing. */
  close(): void;
}

/** One of the three ways. */
export interface FileBackend {
  /** Which one. */
  readonly protection: Protection;
  /** Full paths of the libraries that it calls; absent where these cannot be granted alone, or there are none. */
  readonly libraries?: readonly string[] | undefined;
  /** Opens a directory as a root, by any path that leads to it. */
  openRoot(path: string): BackendRoot;
  /**
   * Finds an object.
   *
   * @param roots All roots of the validator; a link may lead from one to another.
   * @param root Where to start.
   * @param path Relative to `root`, lexically clean, with `/`; empty for the root itself.
   * @param options Whether links are followed.
   * @returns The object, in whichever root it lies.
   */
  locate(roots: RootSet, root: BackendRoot, path: string, options: LocateOptions): Located;
  /**
   * Finds an object by an absolute path that begins with the spelling of no root but may lead into
   * one; throws `path-outside-root` when it does not, whether there is anything or not.
   *
   * To know where it leads it is looked up on the thread, outside of every root as well: an automounter or a
   * network file system there that does not answer holds up the process.
   */
  locateAbsolute(roots: RootSet, path: string, options: LocateOptions): Located;
  /** Lets go of what it holds itself, such as a library; a second time does nothing. */
  close(): void;
}

/** Makes a backend; what `openat2()` returns. */
export type BackendFactory = () => Promise<FileBackend>;
