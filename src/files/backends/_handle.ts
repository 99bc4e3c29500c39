/**
 * A descriptor that FFI opened, with an owner.
 *
 * @module
 */

import { fileError } from "../_errors.ts";
import type { Libc } from "./_libc.ts";

/** Most bytes that go through one buffer of our own, and most such buffers that are kept. */
const ROOM_BYTES = 256 * 1024;
const MAX_ROOMS = 4;

/** The one handle that has a neighbour. */
let paired: Handle | undefined;

const rooms: Uint8Array<ArrayBuffer>[] = [];

/**
 * Lends a buffer to `work`. Another thread writes to or reads from it by its address, so it must not
 * be a buffer that a caller can transfer meanwhile: its memory would be freed under that thread.
 */
export async function withRoom<T>(
  work: (room: Uint8Array<ArrayBuffer>) => Promise<T>,
): Promise<T> {
  const room = rooms.pop() ?? new Uint8Array(ROOM_BYTES);
  try {
    return await work(room);
  } finally {
    if (rooms.length < MAX_ROOMS) rooms.push(room);
  }
}

/**
 * Holds a descriptor, closes it once, and not while another thread works with it: the kernel hands a
 * closed number to the next file that is opened, and a late read would go there.
 */
export class Handle {
  /** Where it came from. */
  readonly libc: Libc;
  readonly #number: number;
  #busy = 0;
  #closed = false;
  /** A descriptor next to this one, which is closed together with it. */
  #neighbour = -1;

  /**
   * @param libc The library, which stays loaded until the handle is closed.
   * @param number The descriptor, which is owned from here on.
   */
  constructor(libc: Libc, number: number) {
    this.libc = libc;
    this.#number = number;
    libc.retain();
  }

  /** The descriptor; throws `closed` after `close()`. */
  get number(): number {
    if (this.#closed) throw fileError("closed", { reason: "a handle was used after its end" });
    return this.#number;
  }

  /** Whether `close()` was called. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Keeps the descriptor open until `work` has settled, even when `close()` comes in between. */
  async during<T>(work: (number: number) => Promise<T>): Promise<T> {
    const number = this.number;
    this.#busy++;
    this.#dropNeighbour();
    try {
      return await work(number);
    } finally {
      this.#busy--;
      if (this.#closed && this.#busy === 0) this.#end();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#busy === 0) this.#end();
  }

  /** Closes this handle, at the latest together with `other`: by one system call if they are neighbours. */
  closeWith(other: Handle): void {
    const areNeighbours = Math.abs(this.#number - other.#number) === 1;
    const areIdle = this.#busy === 0 && other.#busy === 0;
    if (this.#closed || other.#closed || other.#neighbour >= 0 || !areNeighbours || !areIdle) {
      return this.close();
    }
    this.#closed = true;
    // A client that opens streams of small files and never reads would take two descriptors for each: only the
    // last one waits for its neighbour, and a file that is read and closed at once is the last one.
    if (paired !== undefined) paired.#dropNeighbour();
    paired = other;
    other.#neighbour = this.#number;
    this.libc.release();
  }

  /** Nothing is held longer than for one look at a small file. */
  #dropNeighbour(): void {
    if (this.#neighbour < 0) return;
    this.libc.symbols.close(this.#neighbour);
    this.#forgetNeighbour();
  }

  #forgetNeighbour(): void {
    this.#neighbour = -1;
    paired = undefined;
  }

  #end(): void {
    if (this.#neighbour >= 0) {
      this.libc.closePair(Math.min(this.#number, this.#neighbour));
      this.#forgetNeighbour();
      this.libc.release();
      return;
    }
    // An error says nothing that could be acted on: Linux has closed it either way.
    this.libc.symbols.close(this.#number);
    this.libc.release();
  }
}
