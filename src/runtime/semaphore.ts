import { type Clock, systemClock } from "../_internal/clock.ts";
import { integerOption } from "../_internal/options.ts";
import { checkWait, closed, queueFull, requiredInteger, WaitingLine } from "./_waiting_line.ts";

/** The right to go on, which one holder has at a time. */
export interface Permit extends Disposable {
  /**
   * Gives it back; harmless when that was done before. What is dropped without it is never given back: the
   * garbage collector does not tell in time.
   */
  release(): void;
}

/** How to wait for a {@linkcode Permit}. */
export interface AcquireOptions {
  /** Ends the wait, with its reason. @default {undefined} */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait, in milliseconds; 0 is not to wait. @default {no limit} */
  readonly timeoutMs?: number | undefined;
}

/** Options of {@linkcode Semaphore}. */
export interface SemaphoreOptions {
  /** How many permits there are. */
  readonly permits: number;
  /** How many may wait for one; 0 is none. @default {1000} */
  readonly maxQueue?: number;
  /** The clock of `timeoutMs`. @default {the clock of the machine} */
  readonly clock?: Clock;
}

/** What a {@linkcode Semaphore} is doing. */
export interface SemaphoreStats {
  /** How many permits there are. */
  readonly permits: number;
  /** How many are held. */
  readonly inUse: number;
  /** How many wait for one. */
  readonly queued: number;
}

const PURPOSE = "create a semaphore";
const PATIENT: AcquireOptions = {};

let giveBack: (semaphore: Semaphore) => void;

class HeldPermit implements Permit {
  #semaphore: Semaphore | undefined;

  constructor(semaphore: Semaphore) {
    this.#semaphore = semaphore;
  }

  release(): void {
    const semaphore = this.#semaphore;
    // A second release would let in one more than there are permits.
    if (semaphore === undefined) return;
    this.#semaphore = undefined;
    giveBack(semaphore);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * Lets so many go on at once, and the others wait in the order in which they came.
 *
 * Nobody overtakes: while others wait, {@linkcode Semaphore.tryAcquire} fails. The line is bounded, as one
 * that is not lets an attacker fill the memory, and serves those who have long given up. Ending a wait takes
 * constant time and loses no permit: one that was handed over in the same turn is in the hands of the caller.
 *
 * @example
 * ```ts
 * import { Semaphore } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const semaphore = new Semaphore({ permits: 2 });
 * {
 *   using _permit = await semaphore.acquire({ timeoutMs: 1000 });
 *   assertEquals(semaphore.stats, { permits: 2, inUse: 1, queued: 0 });
 * }
 * assertEquals(await semaphore.run(() => semaphore.stats.inUse), 1);
 * assertEquals(semaphore.stats.inUse, 0);
 * ```
 */
export class Semaphore implements Disposable {
  readonly #permits: number;
  readonly #maxQueue: number;
  readonly #line: WaitingLine<Permit>;
  #free: number;
  #isClosed = false;
  #closeReason: unknown;

  static {
    giveBack = (semaphore) => {
      if (semaphore.#line.length > 0) semaphore.#line.serve(new HeldPermit(semaphore));
      else semaphore.#free++;
    };
  }

  /**
   * Makes a semaphore of which all permits are free.
   *
   * @param options How many permits there are, and how many may wait.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If a number is no integer in its range.
   */
  constructor({ permits, maxQueue, clock = systemClock }: SemaphoreOptions) {
    this.#permits = requiredInteger(PURPOSE, "permits", permits, 1);
    this.#maxQueue = integerOption(PURPOSE, "maxQueue", maxQueue, { otherwise: 1000, least: 0 });
    this.#line = new WaitingLine(clock);
    this.#free = this.#permits;
  }

  /** What it is doing now. */
  get stats(): SemaphoreStats {
    return {
      permits: this.#permits,
      inUse: this.#permits - this.#free,
      queued: this.#line.length,
    };
  }

  /**
   * Takes a permit, and waits for it if need be.
   *
   * @param options How to wait.
   * @returns The permit, which has to be given back.
   * @throws {SecurityError} `queue-full` at once when too many wait, `timeout` when the wait is over, and
   * `closed` when the semaphore is.
   * @throws {RangeError} If `timeoutMs` is negative or no finite number.
   * @throws The reason of the signal, if it is aborted.
   */
  acquire(options?: AcquireOptions): Promise<Permit> {
    try {
      const how = options === undefined ? PATIENT : checkWait(options);
      const permit = this.tryAcquire();
      if (permit !== undefined) return Promise.resolve(permit);
      if (this.#isClosed) throw closed(this.#closeReason);
      const queued = this.#line.length;
      if (queued >= this.#maxQueue) throw queueFull({ queued });
      return this.#line.wait(how);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Takes a permit if there is one.
   *
   * @returns The permit, which has to be given back, or `undefined`.
   */
  tryAcquire(): Permit | undefined {
    // None is free while somebody waits: what is given back goes to the first in the line.
    if (this.#free === 0 || this.#isClosed) return undefined;
    this.#free--;
    return new HeldPermit(this);
  }

  /**
   * Calls with a permit, which is given back when the call has ended.
   *
   * @param fn What to call.
   * @param options How to wait for the permit.
   * @returns What it returns.
   * @throws As {@linkcode Semaphore.acquire} does, without having called.
   */
  async run<T>(fn: () => T | PromiseLike<T>, options?: AcquireOptions): Promise<T> {
    const permit = await this.acquire(options);
    try {
      return await fn();
    } finally {
      permit.release();
    }
  }

  /**
   * Sends everybody away who waits, and lets nobody in any more. Permits that are held stay so.
   *
   * @param reason The cause of the errors that are thrown from now on.
   */
  close(reason?: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closeReason = reason;
    this.#line.dismiss(() => closed(reason));
  }

  /** Closes it. */
  [Symbol.dispose](): void {
    this.close();
  }
}
