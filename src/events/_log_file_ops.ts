/**
 * What the file sink asks of the operating system. One seam: a test puts a full disk behind it.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";

/** What the system says of an object. */
export interface ObjectStatus {
  /** What it is. */
  readonly type: "file" | "directory" | "symlink" | "special";
  /** Number of the file system. */
  readonly dev: number;
  /** Number within the file system. */
  readonly ino: number;
  /** Bytes. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** Number of names. */
  readonly nlink: number;
  /** Owner. */
  readonly uid: number;
  /** When it was last written, in milliseconds since the epoch. */
  readonly modifiedMs: number;
}

/** How a file is opened. */
export type OpenPurpose = "create" | "append" | "read";

/** The calls, all at once unless they say otherwise; each throws what the system says. */
export interface LogFileOps {
  /** Opens a file: `create` makes it with mode 0600 and fails if there is one; none follows a link. */
  open(path: string, purpose: OpenPurpose): number;
  /** What a descriptor refers to. */
  status(descriptor: number): ObjectStatus;
  /** What a name refers to, links not followed; `undefined` where there is nothing. */
  statusOf(path: string): ObjectStatus | undefined;
  /** The same, links followed. */
  statusBehind(path: string): ObjectStatus | undefined;
  /** The folders above one, links resolved and not, as far as the permissions go; nobody is asked for more. */
  foldersAbove(path: string): ObjectStatus[];
  /** Appends bytes; returns how many, and may have appended some before it throws. */
  write(descriptor: number, bytes: Uint8Array, start: number, length: number): number;
  /** Reads at a position; returns how many. */
  read(descriptor: number, into: Uint8Array, position: number): number;
  /** Brings the data to the disk, without holding up the program. */
  sync(descriptor: number): Promise<void>;
  /** Brings the data to the disk. */
  syncNow(descriptor: number): void;
  /** Brings the names of a folder to the disk, without holding up the program. */
  syncFolder(path: string): Promise<void>;
  /** Brings the names of a folder to the disk. */
  syncFolderNow(path: string): void;
  /** Cuts a file to a size. */
  truncate(descriptor: number, size: number): void;
  /** Sets the permission bits. */
  setMode(descriptor: number, mode: number): void;
  /** Closes a descriptor. */
  close(descriptor: number): void;
  /** Gives a file another name. */
  rename(from: string, to: string): void;
  /** Removes a file. */
  remove(path: string): void;
  /** Names in a folder. */
  names(path: string): string[];
  /**
   * Takes the lock of a file, which the system gives back when the process ends, however it ends.
   * Returns what releases it, or `undefined` while somebody else has it.
   */
  lock(path: string, create: boolean): HeldLock | undefined;
}

/** A lock that is held. */
export interface HeldLock {
  /** Which file it is a lock of. */
  readonly dev: number;
  /** Which file it is a lock of. */
  readonly ino: number;
  /** Releases it. */
  release(): void;
}

type NodeFs = typeof import("node:fs");

let found: LogFileOps | undefined;

/**
 * The calls of this machine.
 *
 * @returns The calls.
 * @throws {TypeError} If this is not Deno: locks of files are needed, which Node does not have.
 */
export function systemFileOps(): LogFileOps {
  if (found !== undefined) return found;
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
  const fs = process?.getBuiltinModule?.("node:fs") as NodeFs | undefined;
  if (fs === undefined || !("Deno" in globalThis) || !("tryLockSync" in Deno.FsFile.prototype)) {
    throw new TypeError("Cannot write an audit log to a file: it needs the file locks of Deno");
  }
  return found = makeOps(fs);
}

function makeOps(fs: NodeFs): LogFileOps {
  const { O_APPEND, O_CREAT, O_EXCL, O_WRONLY, O_RDONLY } = fs.constants;
  // Windows has neither. With O_NONBLOCK a FIFO that has taken the place of the log does not hang the program.
  const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = fs.constants as Partial<NodeFs["constants"]>;
  const careful = O_NOFOLLOW | O_NONBLOCK;
  const flags: Readonly<Record<OpenPurpose, number>> = {
    create: O_WRONLY | O_APPEND | O_CREAT | O_EXCL | careful,
    append: O_WRONLY | O_APPEND | careful,
    read: O_RDONLY | careful,
  };
  return {
    open: (path, purpose) => fs.openSync(path, flags[purpose], 0o600),
    status: (descriptor) => ofNode(fs.fstatSync(descriptor)),
    // Deno's own is twice as fast as Node's, and it is called before every batch.
    statusOf: (path) => unlessMissing(() => ofDeno(Deno.lstatSync(path))),
    statusBehind: (path) => unlessMissing(() => ofDeno(Deno.statSync(path))),
    foldersAbove,
    write: (descriptor, bytes, start, length) =>
      fs.writeSync(descriptor, bytes, start, length, null),
    read: (descriptor, into, position) =>
      fs.readSync(descriptor, into, 0, into.byteLength, position),
    sync: (descriptor) =>
      new Promise((resolve, reject) => {
        fs.fdatasync(descriptor, (error) => error ? reject(error) : resolve());
      }),
    syncNow: (descriptor) => fs.fdatasyncSync(descriptor),
    async syncFolder(path) {
      if (Deno.build.os === "windows") return;
      const descriptor = fs.openSync(path, O_RDONLY);
      try {
        await new Promise<void>((resolve, reject) => {
          fs.fsync(descriptor, (error) => error ? reject(error) : resolve());
        });
      } finally {
        fs.closeSync(descriptor);
      }
    },
    syncFolderNow(path) {
      if (Deno.build.os === "windows") return;
      const descriptor = fs.openSync(path, O_RDONLY);
      try {
        fs.fsyncSync(descriptor);
      } finally {
        fs.closeSync(descriptor);
      }
    },
    truncate: (descriptor, size) => fs.ftruncateSync(descriptor, size),
    setMode: (descriptor, mode) => fs.fchmodSync(descriptor, mode),
    close: (descriptor) => fs.closeSync(descriptor),
    rename: (from, to) => Deno.renameSync(from, to),
    remove: (path) => Deno.removeSync(path),
    names: (path) => Array.from(Deno.readDirSync(path), ({ name }) => name),
    lock,
  };
}

function lock(path: string, create: boolean): HeldLock | undefined {
  const file = create
    ? Deno.openSync(path, { read: true, write: true, createNew: true, mode: 0o600 })
    : Deno.openSync(path, { read: true });
  try {
    if (file.tryLockSync(true)) {
      const { dev, ino } = ofDeno(file.statSync());
      return { dev, ino, release: () => file.close() };
    }
  } catch (error) {
    file.close();
    throw error;
  }
  file.close();
  return undefined;
}

function foldersAbove(path: string): ObjectStatus[] {
  const found = new Map<string, ObjectStatus>();
  for (const start of [path, Deno.realPathSync(path)]) {
    let at = start;
    for (let above = dirname(at); above !== at && !found.has(above); above = dirname(at)) {
      at = above;
      if (Deno.permissions.querySync({ name: "read", path: at }).state !== "granted") continue;
      const status = unlessMissing(() => ofDeno(Deno.statSync(at)));
      if (status !== undefined) found.set(at, status);
    }
  }
  return [...found.values()];
}

function unlessMissing(status: () => ObjectStatus): ObjectStatus | undefined {
  try {
    return status();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function ofDeno(info: Deno.FileInfo): ObjectStatus {
  return {
    type: info.isFile
      ? "file"
      : info.isDirectory
      ? "directory"
      : info.isSymlink
      ? "symlink"
      : "special",
    dev: info.dev,
    ino: info.ino ?? 0,
    size: info.size,
    mode: (info.mode ?? 0o600) & 0o7777,
    nlink: info.nlink ?? 1,
    uid: info.uid ?? 0,
    modifiedMs: info.mtime?.getTime() ?? 0,
  };
}

function ofNode(info: import("node:fs").Stats): ObjectStatus {
  return {
    type: info.isFile() ? "file" : info.isDirectory() ? "directory" : "special",
    dev: info.dev,
    ino: info.ino,
    size: info.size,
    mode: info.mode & 0o7777,
    nlink: info.nlink,
    uid: info.uid,
    modifiedMs: info.mtimeMs,
  };
}
