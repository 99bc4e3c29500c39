/**
 * An open file on a descriptor that FFI opened.
 *
 * @module
 */

import { fileError } from "../_errors.ts";
import { type Handle, withRoom } from "./_handle.ts";
import type { Libc } from "./_libc.ts";
import { ErrnoError } from "./_linux.ts";
import { infoOfStatx } from "./_statx.ts";
import { plainView, sizeOf, whole } from "../_view.ts";
import type { ObjectInfo, OpenFile } from "./backend.ts";

/** Up to this many bytes, a hop to another thread and back costs more than the call. */
export const MAX_SYNC_BYTES = 64 * 1024;

/** Most bytes of one call on the thread; its result has 32 bits here. */
const MAX_CALL_BYTES = 1024 * 1024 * 1024;

/**
 * Reads into a buffer off the thread. The errno of another thread cannot be asked for, so after a
 * failure the call is made again on this one, where it either succeeds or says why.
 */
export async function readLater(
  libc: Libc,
  number: number,
  into: Uint8Array,
  offset: number,
): Promise<number> {
  const view = plainView(into);
  const size = view.byteLength;
  return await withRoom(async (room) => {
    const length = BigInt(Math.min(size, room.byteLength));
    const at = BigInt(offset);
    let count = await whole(view, size, libc.symbols.preadLater(number, room, length, at));
    if (count < 0) {
      count = libc.retry("read", () => libc.symbols.pread(number, room, length, at));
    }
    view.set(room.subarray(0, count));
    return count;
  });
}

/** Writes a part of a buffer off the thread; returns how much of it. */
export function writeLater(
  libc: Libc,
  number: number,
  from: Uint8Array,
  offset: number,
): Promise<number> {
  return withRoom(async (room) => {
    // Said to be longer than it is, it would bring into the file what others left in this room.
    const view = plainView(from);
    const length = Math.min(view.byteLength, room.byteLength);
    room.set(view.subarray(0, length));
    const size = BigInt(length);
    const at = BigInt(offset);
    const count = await libc.symbols.pwriteLater(number, room, size, at);
    if (count >= 0) return count;
    // Nothing was written, or it would have been counted: to write it now appends nothing twice.
    return libc.retry("write", () => libc.symbols.pwrite(number, room, size, at));
  });
}

/**
 * Reads on the thread. The size is the engine's word about the very buffer that the call gets: by a getter of a
 * subclass the kernel would be told to write behind its end.
 */
export function readNow(libc: Libc, number: number, into: Uint8Array, offset: number): number {
  const { pread } = libc.symbols;
  const length = BigInt(Math.min(sizeOf(into), MAX_CALL_BYTES));
  if (length === 0n) return 0;
  const at = offset === 0 ? 0n : BigInt(offset);
  const count = pread(number, into as Uint8Array<ArrayBuffer>, length, at);
  return count >= 0
    ? count
    : libc.retry("read", () => pread(number, into as Uint8Array<ArrayBuffer>, length, at));
}

/** Writes a part of a buffer on the thread; returns how much of it. The size is the engine's word, as above. */
export function writeNow(libc: Libc, number: number, from: Uint8Array, offset: number): number {
  const { pwrite } = libc.symbols;
  const length = BigInt(Math.min(sizeOf(from), MAX_CALL_BYTES));
  if (length === 0n) return 0;
  const at = BigInt(offset);
  return libc.retry(
    "write",
    () => pwrite(number, from as Uint8Array<ArrayBuffer>, length, at),
  );
}

/** Brings a file's data to the disk off the thread. */
export async function syncLater(libc: Libc, number: number, dataOnly: boolean): Promise<void> {
  const { fsyncLater, fdatasyncLater } = libc.symbols;
  const result = await (dataOnly ? fdatasyncLater(number) : fsyncLater(number));
  // Not again: the kernel reports lost data once, and a second call would say that all is well.
  if (result < 0) throw new ErrnoError(dataOnly ? "fdatasync" : "fsync", "EIO");
}

/** A regular file. */
export class KernelFile implements OpenFile {
  readonly #handle: Handle;

  /** @param handle The file, which is owned from here on. */
  constructor(handle: Handle) {
    this.#handle = handle;
  }

  info(): ObjectInfo {
    const { libc, number } = this.#handle;
    libc.statRaw(number);
    return infoOfStatx(libc.stat);
  }

  readSync(into: Uint8Array, offset: number): number {
    return readNow(this.#handle.libc, this.#handle.number, into, offset);
  }

  read(into: Uint8Array, offset: number): Promise<number> {
    const { libc } = this.#handle;
    return this.#handle.during(async (number) => {
      const view = plainView(into);
      const total = view.byteLength;
      let done = 0;
      while (done < total) {
        const count = await readLater(libc, number, plainView(view, done), offset + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    });
  }

  write(from: Uint8Array, offset: number): Promise<void> {
    const { libc } = this.#handle;
    return this.#handle.during(async (number) => {
      const view = plainView(from);
      const total = view.byteLength;
      for (let done = 0; done < total;) {
        const part = plainView(view, done);
        const count = part.byteLength <= MAX_SYNC_BYTES
          ? writeNow(libc, number, part, offset + done)
          : await whole(view, total, writeLater(libc, number, part, offset + done));
        // A system that takes nothing and reports nothing would keep this loop for ever.
        if (count <= 0) throw fileError("io-error", { reason: "a write took no bytes" });
        done += count;
      }
    });
  }

  truncate(size: number): void {
    const { libc, number } = this.#handle;
    libc.retry("ftruncate", () => libc.symbols.ftruncate(number, BigInt(size)));
  }

  chmod(mode: number): void {
    const { libc, number } = this.#handle;
    libc.check("fchmod", libc.symbols.fchmod(number, mode));
  }

  sync(): Promise<void> {
    const { libc } = this.#handle;
    return this.#handle.during((number) => syncLater(libc, number, false));
  }

  close(): void {
    this.#handle.close();
  }
}
