/**
 * How much happens at once, and how often: {@linkcode Permits} and {@linkcode OperationRate}.
 *
 * @module
 */

import { fileError } from "./_errors.ts";

/** Gives permits back; a second call does nothing. */
export type ReleasePermits = () => void;

/** Options of {@linkcode Permits}. */
export interface PermitsOptions {
  /** Most acquisitions that wait. @default {10_000} */
  readonly maxQueued?: number;
}

/** Someone who waits, in a list that can be left from the middle. */
interface Waiter {
  readonly weight: number;
  readonly grant: () => void;
  readonly reject: (reason: unknown) => void;
  previous: Waiter | undefined;
  next: Waiter | undefined;
}

/**
 * A counting semaphore, first come, first served: nobody overtakes, so that many small acquisitions
 * cannot starve a large one.
 */
export class Permits {
  /** All the permits there are. */
  readonly max: number;
  readonly #maxQueued: number;
  #free: number;
  #head: Waiter | undefined;
  #tail: Waiter | undefined;
  #queued = 0;
  #closed = false;

  /**
   * @param max All the permits there are.
   * @param options How many may wait.
   * @throws {RangeError} If a number is out of range.
   */
  constructor(max: number, options: PermitsOptions = {}) {
    const { maxQueued = 10_000 } = options;
    if (!Number.isSafeInteger(max) || max < 1) {
      throw new RangeError(`'max' must be a whole number from 1 on: current value is ${max}`);
    }
    if (!Number.isSafeInteger(maxQueued) || maxQueued < 0) {
      throw new RangeError(
        `'maxQueued' must be a whole number from 0 on: current value is ${maxQueued}`,
      );
    }
    this.max = max;
    this.#maxQueued = maxQueued;
    this.#free = max;
  }

  /** Permits that nobody holds; some may wait for more than these. */
  get free(): number {
    return this.#free;
  }

  /** How many wait. */
  get queued(): number {
    return this.#queued;
  }

  /**
   * Takes permits when that needs no wait.
   *
   * @returns Whether they were taken; never when somebody else waits, or after `close()`.
   */
  tryAcquire(weight = 1): boolean {
    this.#checkWeight(weight);
    if (this.#closed || this.#head !== undefined || weight > this.#free) return false;
    this.#free -= weight;
    return true;
  }

  /**
   * Takes permits, in turn.
   *
   * @param weight How many.
   * @param signal Ends the wait; nothing is taken then.
   * @throws {RangeError} If there are never as many.
   * @throws {SecurityError} `too-many-operations` when too many wait, `closed` after `close()`.
   */
  acquire(weight: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.tryAcquire(weight)) return resolve();
      if (this.#closed) throw fileError("closed");
      if (this.#queued >= this.#maxQueued) throw fileError("too-many-operations");
      this.#enqueue(weight, signal, resolve, reject);
    });
  }

  #enqueue(
    weight: number,
    signal: AbortSignal | undefined,
    resolve: () => void,
    reject: (reason: unknown) => void,
  ): void {
    // Signals outlive a wait: a listener left behind by each would be a leak.
    const stop = () => signal?.removeEventListener("abort", abort);
    const waiter: Waiter = {
      weight,
      grant: () => {
        stop();
        resolve();
      },
      reject: (reason) => {
        stop();
        reject(reason);
      },
      previous: this.#tail,
      next: undefined,
    };
    const abort = () => {
      this.#remove(waiter);
      waiter.reject(signal?.reason);
      // It may have been the one that was too large, with others behind that are not.
      this.#serve();
    };
    signal?.addEventListener("abort", abort, { once: true });
    if (this.#tail === undefined) this.#head = waiter;
    else this.#tail.next = waiter;
    this.#tail = waiter;
    this.#queued++;
  }

  /**
   * Gives permits back that were taken by `tryAcquire()` or `acquire()`.
   *
   * @throws {RangeError} If nobody holds as many; more than `max` would lift the limit.
   */
  release(weight = 1): void {
    this.#checkWeight(weight);
    if (weight > this.max - this.#free) {
      throw new RangeError("More permits were released than are held");
    }
    this.#free += weight;
    this.#serve();
  }

  /**
   * Takes permits, without a promise when they are free; what is returned gives them back once,
   * however often it is called.
   *
   * @throws As `acquire()` does, from the call itself where there is no wait.
   */
  hold(weight: number, signal?: AbortSignal): ReleasePermits | Promise<ReleasePermits> {
    signal?.throwIfAborted();
    return this.tryHold(weight) ??
      this.acquire(weight, signal).then(() => this.#releaser(weight));
  }

  /** Takes permits as `hold()` does, but only when that needs no wait; otherwise `undefined`. */
  tryHold(weight = 1): ReleasePermits | undefined {
    return this.tryAcquire(weight) ? this.#releaser(weight) : undefined;
  }

  #releaser(weight: number): ReleasePermits {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.release(weight);
    };
  }

  /** Rejects everybody who waits, and whoever comes, with `closed`; what is held can be released. */
  close(): void {
    this.#closed = true;
    let waiter = this.#head;
    this.#head = this.#tail = undefined;
    this.#queued = 0;
    for (; waiter !== undefined; waiter = waiter.next) waiter.reject(fileError("closed"));
  }

  #serve(): void {
    let head = this.#head;
    while (head !== undefined && head.weight <= this.#free) {
      this.#free -= head.weight;
      this.#remove(head);
      head.grant();
      head = this.#head;
    }
  }

  #remove(waiter: Waiter): void {
    if (waiter.previous === undefined) this.#head = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.#tail = waiter.previous;
    else waiter.next.previous = waiter.previous;
    this.#queued--;
  }

  #checkWeight(weight: number): void {
    if (!Number.isSafeInteger(weight) || weight < 0 || weight > this.max) {
      throw new RangeError(
        `'weight' must be a whole number from 0 to ${this.max}: current value is ${weight}`,
      );
    }
  }
}

/**
 * How many operations in a second: the generic cell rate algorithm of ITU-T I.371, which keeps one
 * number and no timer. As many as in a second may come at once.
 */
export class OperationRate {
  readonly #perSecond: number;
  readonly #now: () => number;
  /** When all that was taken is paid for; in units of 1 / perSecond of a millisecond, hence whole. */
  #paidAt = 0;

  /**
   * @param perSecond Operations in a second; `undefined` for any number.
   * @param now A clock that never goes back, in milliseconds. @default {performance.now}
   * @throws {RangeError} If `perSecond` is not a whole number from 1 on.
   */
  constructor(perSecond: number | undefined, now: () => number = () => performance.now()) {
    if (perSecond !== undefined && (!Number.isSafeInteger(perSecond) || perSecond < 1)) {
      throw new RangeError(
        `'maxOperationsPerSecond' must be a whole number from 1 on: current value is ${perSecond}`,
      );
    }
    this.#perSecond = perSecond ?? 0;
    this.#now = now;
  }

  /**
   * Counts one operation.
   *
   * @throws {SecurityError} `rate-limited`, with `retryAfterMs` in its details.
   */
  take(): void {
    const perSecond = this.#perSecond;
    if (perSecond === 0) return;
    const now = Math.floor(this.#now() * perSecond);
    const paidAt = Math.max(this.#paidAt, now);
    const over = paidAt - now - 1000 * (perSecond - 1);
    if (over > 0) {
      throw fileError("rate-limited", { details: { retryAfterMs: Math.ceil(over / perSecond) } });
    }
    this.#paidAt = paidAt + 1000;
  }
}
