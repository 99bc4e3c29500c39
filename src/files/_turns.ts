/**
 * Turns of the event loop, for work that never waits by itself.
 *
 * @module
 */

import type { Operation } from "./_operation.ts";

/** How much is done in one turn, in names. */
const NAMES_A_TURN = 512;

/**
 * Counts what is done, and lets others have their turn. Where the backend answers at once there is nothing but
 * promises from the first directory to the last, so that no timer would fire, and with it no abort.
 */
export class Turns {
  readonly #operation: Operation;
  #names = 0;

  constructor(operation: Operation) {
    this.#operation = operation;
  }

  /** Counts names; whether it is time to {@linkcode wait}. */
  isOver(names: number): boolean {
    this.#names += names;
    return this.#names >= NAMES_A_TURN;
  }

  /** Goes on in the next turn, unless it was aborted or closed meanwhile; permissions may be revoked by then. */
  async wait(): Promise<void> {
    this.#names = 0;
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#operation.check();
  }
}
