/**
 * The file that a log is appended to, and who may have put what there.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import { dirname } from "@std/path/dirname";
import type { HeldLock, LogFileOps, ObjectStatus } from "./_log_file_ops.ts";

/** A write that did not go as it should. */
export class AppendError extends Error {
  /** How many of the bytes are in the file all the same. */
  readonly written: number;

  constructor(written: number, cause: unknown) {
    super("The log could not be written", { cause });
    this.written = written;
  }
}

/** What happened to a file behind our back. */
export type FileChange = "file-moved" | "file-truncated" | "foreign-bytes";

/** An open log, which nobody else has open through this library. */
export class LogFile {
  readonly path: string;
  readonly #ops: LogFileOps;
  readonly #descriptor: number;
  readonly #lock: HeldLock;
  readonly #dev: number;
  readonly #ino: number;
  #size: number;
  #users = 0;
  #isClosed = false;

  private constructor(
    ops: LogFileOps,
    path: string,
    descriptor: number,
    lock: HeldLock,
    { dev, ino, size }: ObjectStatus,
  ) {
    this.path = path;
    this.#ops = ops;
    this.#descriptor = descriptor;
    this.#lock = lock;
    this.#dev = dev;
    this.#ino = ino;
    this.#size = size;
  }

  /**
   * Opens a log, or makes one.
   *
   * @returns The log, or `undefined` while another process, or another sink of this one, writes it.
   * @throws {SecurityError} `audit-log-refused` if it is not a file that only its owner, which is us, writes.
   */
  static open(ops: LogFileOps, path: string): LogFile | undefined {
    return onceMoreIfThere(() => LogFile.#open(ops, path));
  }

  static #open(ops: LogFileOps, path: string): LogFile | undefined {
    checkFolder(ops, path);
    const before = ops.statusOf(path);
    if (before !== undefined) checkFile(before);
    const descriptor = ops.open(path, before === undefined ? "create" : "append");
    let lock: HeldLock | undefined;
    try {
      const status = ops.status(descriptor);
      checkFile(status);
      // Where Deno's permissions are limited to some folders, it resolves links itself before it opens, and
      // O_NOFOLLOW never sees them: what the name refers to must be what was opened.
      const named = ops.statusOf(path);
      if (named === undefined || !isSame(named, status)) throw refused("a link", path);
      if (before !== undefined) checkOwner(ops, path, status.uid);
      lock = ops.lock(path, false);
      if (lock === undefined) {
        ops.close(descriptor);
        return undefined;
      }
      if (!isSame(lock, status)) throw refused("a link", path);
      if ((status.mode & 0o077) !== 0 && !isWindows()) ops.setMode(descriptor, 0o600);
      return new LogFile(ops, path, descriptor, lock, status);
    } catch (error) {
      lock?.release();
      ops.close(descriptor);
      throw error;
    }
  }

  /** Bytes in the file, as far as we know. */
  get size(): number {
    return this.#size;
  }

  /**
   * Appends bytes.
   *
   * @throws {AppendError} With the number of bytes that are in the file all the same.
   */
  append(bytes: Uint8Array, length: number): void {
    let done = 0;
    try {
      while (done < length) {
        const count = this.#ops.write(this.#descriptor, bytes, done, length - done);
        if (count <= 0) throw new Error("a write took no bytes");
        done += count;
      }
    } catch (error) {
      // node:fs of Deno writes what fits of a call before it throws, and does not say how much that was.
      const size = this.#sizeNow() ?? this.#size + done;
      const written = Math.min(length, Math.max(done, size - this.#size));
      this.#size = size;
      throw new AppendError(written, error);
    }
    this.#size += length;
  }

  #sizeNow(): number | undefined {
    try {
      return this.#ops.status(this.#descriptor).size;
    } catch {
      return undefined;
    }
  }

  /** Compares the file with what its name refers to now. */
  change(): FileChange | undefined {
    const named = this.#ops.statusOf(this.path);
    if (named === undefined || named.dev !== this.#dev || named.ino !== this.#ino) {
      return "file-moved";
    }
    if (named.size === this.#size) return undefined;
    const change = named.size < this.#size ? "file-truncated" : "foreign-bytes";
    this.#size = named.size;
    return change;
  }

  /** Brings everything to the disk; the descriptor stays open until then. */
  async sync(): Promise<void> {
    this.#users++;
    try {
      await this.#ops.sync(this.#descriptor);
    } finally {
      this.#users--;
      if (this.#isClosed) this.#giveBack();
    }
  }

  /** Brings everything to the disk at once. */
  syncNow(): void {
    this.#ops.syncNow(this.#descriptor);
  }

  /** Gives the file back, after a sync that still runs. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#giveBack();
  }

  #giveBack(): void {
    if (this.#users > 0) return;
    this.#lock.release();
    this.#ops.close(this.#descriptor);
  }
}

/**
 * Takes the lock of a name.
 *
 * @returns The lock, or `undefined` while somebody else has it.
 * @throws {SecurityError} `audit-log-refused` if there is a link or anything else but a file.
 */
export function lockName(ops: LogFileOps, path: string): HeldLock | undefined {
  return onceMoreIfThere(() => lockNow(ops, path));
}

function lockNow(ops: LogFileOps, path: string): HeldLock | undefined {
  checkFolder(ops, path);
  const before = ops.statusOf(path);
  if (before !== undefined) checkFile(before);
  const lock = ops.lock(path, before === undefined);
  if (lock === undefined) return undefined;
  const named = ops.statusOf(path);
  if (named !== undefined && named.type === "file" && isSame(named, lock)) return lock;
  lock.release();
  throw refused("a link", path);
}

/** Two programs that start at once: the other one has made the file in between. */
function onceMoreIfThere<T>(open: () => T): T {
  try {
    return open();
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== "EEXIST") throw error;
    return open();
  }
}

function isWindows(): boolean {
  return "Deno" in globalThis && Deno.build.os === "windows";
}

function isSame(
  one: { readonly dev: number; readonly ino: number },
  other: { readonly dev: number; readonly ino: number },
): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

function checkFile({ type, nlink, mode }: ObjectStatus): void {
  if (type === "symlink") throw refused("a link");
  if (type !== "file") throw refused(`no regular file`);
  // A second name of somebody's file lets that file be filled with records, and be read by who has the name.
  if (nlink !== 1) throw refused("a file with more than one name");
  if ((mode & 0o022) !== 0 && !isWindows()) throw refused("a file that others may write");
}

/** Whoever may write the folder can put another file in the place of the log. */
function checkFolder(ops: LogFileOps, path: string): void {
  const folder = ops.statusBehind(dirname(path));
  if (folder === undefined || folder.type !== "directory") throw refused("not in a folder");
  if ((folder.mode & 0o022) !== 0 && (folder.mode & 0o1000) === 0 && !isWindows()) {
    throw refused("in a folder that others may write");
  }
}

/** Who we are is asked with a new file: for the number of the user, Deno wants one more permission. */
function checkOwner(ops: LogFileOps, path: string, uid: number): void {
  if (isWindows()) return;
  const probe = `${path}.${crypto.randomUUID()}.probe`;
  const descriptor = ops.open(probe, "create");
  try {
    if (ops.status(descriptor).uid !== uid) throw refused("somebody else's file");
  } finally {
    ops.close(descriptor);
    ops.remove(probe);
  }
}

function refused(what: string, path?: string): SecurityError {
  return new SecurityError("audit-log-refused", `The path of the audit log is refused: ${what}`, {
    ...(path === undefined ? {} : { cause: new Error(path) }),
  });
}
