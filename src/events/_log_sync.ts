/**
 * Waiting for the disk, but not for ever.
 *
 * @module
 */

import type { Clock } from "../_internal/clock.ts";

/** Time that a sync has: what hangs for longer is not a slow disk, but one that is gone. */
const SYNC_TIMEOUT_MS = 30_000;

/** What can be brought to the disk. */
export interface Syncable {
  /** Without holding up the program. */
  sync(): Promise<void>;
  /** At once. */
  syncNow(): void;
}

/** Brings data to the disk; one that hangs holds up neither whoever waits for it nor the end of the program. */
export class LogSync {
  readonly #data: Syncable;
  readonly #clock: Clock;
  #isUnderWay = false;
  #wait: PromiseWithResolvers<void> | undefined;

  constructor(data: Syncable, clock: Clock) {
    this.#data = data;
    this.#clock = clock;
  }

  /** Whether a sync that nobody waits for any more is still under way. */
  get isHung(): boolean {
    return this.#isUnderWay && this.#wait === undefined;
  }

  /**
   * Brings the data to the disk; one call at a time.
   *
   * @throws {Error} What the system says, or if it does not answer in time. As long as it does not, every further
   * call throws at once: each would take another thread.
   */
  async sync(): Promise<void> {
    this.#refuseIfHung();
    const wait = this.#wait = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(
      () => wait.reject(new Error(`No sync within ${SYNC_TIMEOUT_MS} ms`)),
      SYNC_TIMEOUT_MS,
    );
    this.#isUnderWay = true;
    const settle = (tell: () => void) => {
      this.#isUnderWay = false;
      tell();
    };
    this.#data.sync().then(() => settle(wait.resolve), (error) => settle(() => wait.reject(error)));
    try {
      await wait.promise;
    } finally {
      timer.cancel();
      this.#wait = undefined;
    }
  }

  /**
   * Brings the data to the disk at once.
   *
   * @throws {Error} What the system says, or that an earlier sync hangs.
   */
  syncNow(): void {
    this.#refuseIfHung();
    this.#data.syncNow();
  }

  /** Ends the wait for a sync that is under way. */
  giveUp(error: unknown): void {
    this.#wait?.reject(error);
  }

  #refuseIfHung(): void {
    if (this.isHung) throw new Error("An earlier sync has not ended");
  }
}
