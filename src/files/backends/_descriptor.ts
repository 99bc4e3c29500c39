/**
 * A descriptor number with an owner.
 *
 * @module
 */

import { fileError } from "../_errors.ts";
import type { NodeFs } from "./_object_info.ts";

/**
 * Holds a descriptor number of `node:fs`, closes it once, and not while somebody works with it: the
 * kernel hands a closed number to the next file that is opened, and a late read would go there.
 */
export class Descriptor {
  readonly #fs: NodeFs;
  readonly #number: number;
  #busy = 0;
  #closed = false;

  constructor(fs: NodeFs, number: number) {
    this.#fs = fs;
    this.#number = number;
  }

  /** The number; throws `closed` after `close()`. */
  get number(): number {
    if (this.#closed) throw fileError("closed", { reason: "a handle was used after its end" });
    return this.#number;
  }

  /** Keeps the number open until `work` has settled, even when `close()` comes in between. */
  async during<T>(work: (number: number) => Promise<T>): Promise<T> {
    const number = this.number;
    this.#busy++;
    try {
      return await work(number);
    } finally {
      this.#busy--;
      if (this.#closed && this.#busy === 0) this.#fs.closeSync(number);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#busy === 0) this.#fs.closeSync(this.#number);
  }
}
