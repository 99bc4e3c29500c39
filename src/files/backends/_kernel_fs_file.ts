/**
 * All methods of `Deno.FsFile` on a descriptor that FFI opened.
 *
 * A process without every permission gets no `Deno.FsFile` for a descriptor: Deno would open it by a
 * path once more, and a path may lead elsewhere by then.
 *
 * @module
 */

import { fileError } from "../_errors.ts";
import type { Handle } from "./_handle.ts";
import {
  MAX_SYNC_BYTES,
  readLater,
  readNow,
  syncLater,
  writeLater,
  writeNow,
} from "./_kernel_file.ts";
import { fileInfoOfStatx } from "./_statx.ts";
import { plainView, sizeOf, whole } from "../_view.ts";

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/** Bytes of one chunk of `readable`. */
const CHUNK_BYTES = 64 * 1024;

/** A regular file with a position, used as Deno's own. */
export class KernelFsFile implements Deno.FsFile {
  readonly #handle: Handle;
  readonly #append: boolean;
  #position = 0;
  /** Calls off the thread take turns, since they share the position. */
  #turn: Promise<unknown> = Promise.resolve();
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  #writable: WritableStream<Uint8Array<ArrayBufferLike>> | undefined;

  /**
   * @param handle The file, which is owned from here on.
   * @param append Whether it was opened to append.
   */
  constructor(handle: Handle, append: boolean) {
    this.#handle = handle;
    this.#append = append;
  }

  #inTurn<T>(work: (number: number) => Promise<T> | T): Promise<T> {
    const run = () => this.#handle.during((number) => Promise.resolve(work(number)));
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Runs a synchronous method as an asynchronous one; what it throws becomes a rejection. */
  #soon<T>(work: () => T): Promise<T> {
    return this.#inTurn(work);
  }

  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#readable ??= new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        try {
          const chunk = new Uint8Array(CHUNK_BYTES);
          const count = await this.read(chunk);
          if (count !== null) return controller.enqueue(chunk.subarray(0, count));
          this.close();
          controller.close();
          controller.byobRequest?.respond(0);
        } catch (error) {
          this.close();
          controller.error(error);
        }
      },
      cancel: () => this.close(),
    }, { highWaterMark: 0 });
    return this.#readable;
  }

  get writable(): WritableStream<Uint8Array<ArrayBufferLike>> {
    this.#writable ??= new WritableStream({
      write: async (chunk, controller) => {
        try {
          const view = plainView(chunk);
          const total = view.byteLength;
          for (let done = 0; done < total;) {
            const count = await whole(view, total, this.write(plainView(view, done)));
            if (count <= 0) throw fileError("io-error", { reason: "a write took no bytes" });
            done += count;
          }
        } catch (error) {
          this.close();
          controller.error(error);
        }
      },
      close: () => this.close(),
      abort: () => this.close(),
    });
    return this.#writable;
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#inTurn(async (number) => {
      if (sizeOf(p) <= MAX_SYNC_BYTES) return this.readSync(p);
      const count = await readLater(this.#handle.libc, number, p, this.#position);
      this.#position += count;
      return count === 0 ? null : count;
    });
  }

  readSync(p: Uint8Array): number | null {
    const count = readNow(this.#handle.libc, this.#handle.number, p, this.#position);
    this.#position += count;
    return count === 0 && sizeOf(p) > 0 ? null : count;
  }

  write(p: Uint8Array): Promise<number> {
    return this.#inTurn(async (number) => {
      if (sizeOf(p) <= MAX_SYNC_BYTES) return this.writeSync(p);
      return this.#wrote(await writeLater(this.#handle.libc, number, p, this.#position));
    });
  }

  writeSync(p: Uint8Array): number {
    return this.#wrote(writeNow(this.#handle.libc, this.#handle.number, p, this.#position));
  }

  /** The position is behind what was written, which is at the end of a file that is appended to. */
  #wrote(count: number): number {
    this.#position = this.#append ? this.#size() : this.#position + count;
    return count;
  }

  #size(): number {
    return this.statSync().size;
  }

  truncate(len?: number): Promise<void> {
    return this.#soon(() => this.truncateSync(len));
  }

  truncateSync(len = 0): void {
    // As a BigInt of 64 bits, 2 ** 64 would be 0.
    if (!Number.isSafeInteger(len) || len < 0) throw new TypeError(`Cannot truncate to ${len}`);
    const { libc, number } = this.#handle;
    libc.retry("ftruncate", () => libc.symbols.ftruncate(number, BigInt(len)));
  }

  seek(offset: number | bigint, whence: Deno.SeekMode): Promise<number> {
    return this.#soon(() => this.seekSync(offset, whence));
  }

  seekSync(offset: number | bigint, whence: Deno.SeekMode): number {
    const position = this.#base(whence) + Number(offset);
    if (!Number.isSafeInteger(position) || position < 0) {
      throw new TypeError(`Cannot seek to ${position}`);
    }
    this.#position = position;
    return position;
  }

  #base(whence: Deno.SeekMode): number {
    void this.#handle.number; // Throws once it is closed.
    if (whence === Deno.SeekMode.Start) return 0;
    if (whence === Deno.SeekMode.Current) return this.#position;
    if (whence === Deno.SeekMode.End) return this.#size();
    throw new TypeError(`Invalid seek mode: ${whence}`);
  }

  stat(): Promise<Deno.FileInfo> {
    return this.#soon(() => this.statSync());
  }

  statSync(): Deno.FileInfo {
    const { libc, number } = this.#handle;
    libc.statRaw(number);
    return fileInfoOfStatx(libc.stat);
  }

  sync(): Promise<void> {
    return this.#inTurn((number) => syncLater(this.#handle.libc, number, false));
  }

  syncSync(): void {
    const { libc, number } = this.#handle;
    libc.check("fsync", libc.symbols.fsync(number));
  }

  syncData(): Promise<void> {
    return this.#inTurn((number) => syncLater(this.#handle.libc, number, true));
  }

  syncDataSync(): void {
    const { libc, number } = this.#handle;
    libc.check("fdatasync", libc.symbols.fdatasync(number));
  }

  utime(atime: number | Date, mtime: number | Date): Promise<void> {
    return this.#soon(() => this.utimeSync(atime, mtime));
  }

  utimeSync(atime: number | Date, mtime: number | Date): void {
    const { libc, number } = this.#handle;
    const times = new BigInt64Array([...timespec(atime), ...timespec(mtime)]);
    libc.check("futimens", libc.symbols.futimens(number, times));
  }

  isTerminal(): boolean {
    return false;
  }

  setRaw(_mode: boolean, _options?: Deno.SetRawOptions): void {
    throw new TypeError("Cannot set the raw mode of a regular file");
  }

  lock(exclusive = false): Promise<void> {
    const { libc } = this.#handle;
    // Outside of the turns: whoever waits for a lock does not keep others from reading.
    return this.#handle.during(async (number) => {
      const operation = exclusive ? LOCK_EX : LOCK_SH;
      if (await libc.symbols.flockLater(number, operation) >= 0) return;
      libc.check("flock", libc.symbols.flock(number, operation | LOCK_NB));
    });
  }

  lockSync(exclusive = false): void {
    const { libc, number } = this.#handle;
    libc.retry("flock", () => libc.symbols.flock(number, exclusive ? LOCK_EX : LOCK_SH));
  }

  tryLock(exclusive = false): Promise<boolean> {
    return this.#soon(() => this.tryLockSync(exclusive));
  }

  tryLockSync(exclusive = false): boolean {
    const { libc, number } = this.#handle;
    const operation = (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
    if (libc.symbols.flock(number, operation) >= 0) return true;
    const error = libc.error("flock");
    if (error.code === "EAGAIN") return false;
    throw error;
  }

  unlock(): Promise<void> {
    return this.#soon(() => this.unlockSync());
  }

  unlockSync(): void {
    const { libc, number } = this.#handle;
    libc.check("flock", libc.symbols.flock(number, LOCK_UN));
  }

  close(): void {
    this.#handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Seconds and nanoseconds of a time, which is in seconds when it is a number. */
function timespec(time: number | Date): readonly [bigint, bigint] {
  const ms = time instanceof Date ? time.getTime() : time * 1000;
  const seconds = Math.floor(ms / 1000);
  if (!Number.isSafeInteger(seconds)) {
    throw new TypeError("A time must be a date or a number of seconds");
  }
  return [BigInt(seconds), BigInt(Math.floor((ms - seconds * 1000) * 1e6))];
}
