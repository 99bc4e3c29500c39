/**
 * Bytes out of an open file, never more of them than allowed, whatever its size is said to be.
 *
 * @module
 */

import type { OpenFile } from "./backends/backend.ts";
import type { Operation } from "./_operation.ts";
import { fileError } from "./_errors.ts";

/** Up to here a read is one system call without leaving the thread, in bytes. */
export const SMALL_BYTES = 64 * 1024;

/** Most that one read off the thread brings, in bytes; between two of them an abort is noticed. */
const CHUNK_BYTES = 1024 * 1024;

/** Room for small files and one byte more, by which a file that grew is noticed. */
let scratch: Uint8Array<ArrayBuffer> | undefined;

/** What is to be read. */
export interface Extent {
  /** Where to begin, in bytes. */
  readonly offset: number;
  /** Most bytes that are wanted. */
  readonly atMost: number;
  /** Bytes that the system says there are from `offset` on; a file may grow, and `/proc` lies. */
  readonly expected: number;
}

/**
 * Reads a small extent into room that is used again by the next call; the caller copies or decodes it
 * before it awaits anything.
 *
 * @returns The bytes, or `undefined` when there are too many for this way.
 */
export function readSmall(file: OpenFile, extent: Extent): Uint8Array<ArrayBuffer> | undefined {
  const { offset, atMost, expected } = extent;
  if (Math.min(atMost, expected) > SMALL_BYTES) return undefined;
  scratch ??= new Uint8Array(SMALL_BYTES + 1);
  const capacity = Math.min(atMost, expected + 1);
  const room = scratch.subarray(0, capacity);
  const read = fillSync(file, room, offset, expected);
  // A file that fills more than it should have grew since its size was asked for.
  return read === capacity && capacity < atMost ? undefined : room.subarray(0, read);
}

/** Fills a buffer from an offset on; fewer bytes are the end of the file. */
function fillSync(file: OpenFile, into: Uint8Array, offset: number, expected: number): number {
  let filled = 0;
  while (filled < into.byteLength) {
    const read = file.readSync(filled === 0 ? into : into.subarray(filled), offset + filled);
    filled += read;
    // What was expected is there and less than was asked for: a regular file ends here.
    if (read === 0 || filled === expected) break;
  }
  return filled;
}

/** Fills a buffer off the thread, aborted between two chunks; fewer bytes are the end of the file. */
export async function fill(
  operation: Operation,
  file: OpenFile,
  into: Uint8Array,
  offset: number,
): Promise<number> {
  // Taken once: a buffer that is lost between two chunks must not pass for the end of the file.
  const total = into.byteLength;
  let filled = 0;
  while (filled < total) {
    const read = await file.read(into.subarray(filled, filled + CHUNK_BYTES), offset + filled);
    operation.check();
    if (into.byteLength !== total) throw changedBuffer();
    if (read === 0) break;
    filled += read;
  }
  return filled;
}

/** A caller's mistake: its buffer went away while the call was waiting. */
export function changedBuffer(): TypeError {
  return new TypeError("The buffer was resized or transferred meanwhile");
}

/**
 * Reads an extent of any size off the thread, with as many bytes reserved as are held.
 *
 * @param demand Throws when the permission to read was revoked; to ask for a size then would ask the user.
 */
export async function readLarge(
  operation: Operation,
  file: OpenFile,
  extent: Extent,
  demand: () => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const { offset, atMost } = extent;
  let capacity = Math.min(atMost, Math.max(extent.expected, SMALL_BYTES));
  while (true) {
    const release = await reserve(operation, capacity);
    try {
      const bytes = new Uint8Array(capacity);
      const read = await fill(operation, file, bytes, offset);
      if (read < capacity) return bytes.slice(0, read);
      if (capacity === atMost || !hasByteAt(file, offset + read)) return bytes;
    } finally {
      release();
    }
    // It grew while it was read: once more with its new size, then with all that is allowed.
    demand();
    const { size } = file.info();
    capacity = size - offset > capacity ? Math.min(atMost, size - offset) : atMost;
  }
}

/** Whether a file goes on at an offset. */
export function hasByteAt(file: OpenFile, offset: number): boolean {
  return file.readSync(new Uint8Array(1), offset) > 0;
}

/** Waits until as many bytes may be held; the function that it returns gives them back. */
export async function reserve(operation: Operation, bytes: number): Promise<() => void> {
  const permits = operation.context.limits.bytes;
  if (bytes > permits.max) {
    throw fileError("file-too-large", { reason: `${bytes} bytes may not be held at once` });
  }
  if (!permits.tryAcquire(bytes)) await permits.acquire(bytes, operation.signal());
  try {
    operation.check();
  } catch (error) {
    permits.release(bytes);
    throw error;
  }
  return () => permits.release(bytes);
}
