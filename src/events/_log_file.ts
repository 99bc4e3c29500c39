/**
 * The file that a log is appended to, and who may have put what there.
 *
 * @module
 */

import type { HeldLock, LogFileOps, ObjectStatus } from "./_log_file_ops.ts";
import { checkFile, checkPlace, isWindows, refused } from "./_log_place.ts";

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
    const uid = checkPlace(ops, path);
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
      if (status.uid !== uid && !isWindows()) throw refused("somebody else's file", path);
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

  /**
   * Takes the last bytes back, which a write that failed has left of a line.
   *
   * @throws {Error} If the file does not end with them, or what the system says.
   */
  takeBack(count: number): void {
    if (this.#sizeNow() !== this.#size) throw new Error("somebody else has written, too");
    this.#ops.truncate(this.#descriptor, this.#size - count);
    this.#size -= count;
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
  const uid = checkPlace(ops, path);
  const before = ops.statusOf(path);
  if (before !== undefined) checkFile(before);
  const lock = ops.lock(path, before === undefined);
  if (lock === undefined) return undefined;
  const named = ops.statusOf(path);
  const isOurs = named?.uid === uid || named?.uid === 0 || isWindows();
  if (named?.type === "file" && isSame(named, lock) && isOurs) return lock;
  lock.release();
  throw refused(isOurs ? "a link" : "somebody else's lock", path);
}

/**
 * Tells whether a name still has the lock that was taken of it.
 *
 * @param ops The system calls.
 * @param path The name.
 * @param lock The lock.
 * @returns Whether it has: not if the file of the lock was deleted, so that somebody else can take another.
 */
export function hasLock(ops: LogFileOps, path: string, lock: HeldLock): boolean {
  const named = ops.statusOf(path);
  return named !== undefined && isSame(named, lock);
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

function isSame(
  one: { readonly dev: number; readonly ino: number },
  other: { readonly dev: number; readonly ino: number },
): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}
