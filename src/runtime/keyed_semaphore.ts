import { type Clock, systemClock } from "../_internal/clock.ts";
import { integerOption, wrongOption } from "../_internal/options.ts";
import type { AcquireOptions, Permit } from "./semaphore.ts";
import { checkWait, closed, queueFull, requiredInteger, WaitingLine } from "./_waiting_line.ts";

/** Options of {@linkcode KeyedSemaphore}. */
export interface KeyedSemaphoreOptions {
  /** How many permits one key may hold. */
  readonly permitsPerKey: number;
  /** How many permits there are for all keys together. @default {no limit} */
  readonly totalPermits?: number;
  /** How many may wait for one key; 0 is none. @default {100} */
  readonly maxQueuePerKey?: number;
  /** How many may wait in all; 0 is none. @default {1000} */
  readonly maxQueue?: number;
  /** How many keys may hold permits or wait at once. @default {10_000} */
  readonly maxKeys?: number;
  /** The clock of `timeoutMs`. @default {the clock of the machine} */
  readonly clock?: Clock;
}

/** What a {@linkcode KeyedSemaphore} is doing. */
export interface KeyedSemaphoreStats {
  /** Keys that hold permits or wait. */
  readonly keys: number;
  /** How many permits are held. */
  readonly inUse: number;
  /** How many wait for one. */
  readonly queued: number;
}

const PURPOSE = "create a keyed semaphore";
const PATIENT: AcquireOptions = {};

let giveBack: (semaphore: KeyedSemaphore, key: Key) => void;

/** One key that holds permits or waits, and its place in the round. */
interface Key {
  readonly name: string;
  inUse: number;
  isInRound: boolean;
  before: Key | undefined;
  after: Key | undefined;
  /** Made once somebody has to wait. */
  line: WaitingLine<Permit> | undefined;
}

class KeyedPermit implements Permit {
  readonly #semaphore: KeyedSemaphore;
  #key: Key | undefined;

  constructor(semaphore: KeyedSemaphore, key: Key) {
    this.#semaphore = semaphore;
    this.#key = key;
  }

  release(): void {
    const key = this.#key;
    // A second release would let in one more than there are permits.
    if (key === undefined) return;
    this.#key = undefined;
    giveBack(this.#semaphore, key);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * Lets each key, such as a principal, do so much at once, and all keys together so much.
 *
 * Keys that wait take turns, one permit each, and within a key it is first come, first served: a principal with
 * a thousand waiting operations is one turn away from another's first. A key that waits for its own
 * permits stands in nobody's way. Nothing is kept of keys that neither hold permits nor wait.
 *
 * Use keys that the server has verified: whoever can choose them takes as many turns as they like.
 *
 * @example
 * ```ts
 * import { KeyedSemaphore } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const semaphore = new KeyedSemaphore({ permitsPerKey: 2, totalPermits: 16 });
 * {
 *   using _permit = await semaphore.acquire("alice", { timeoutMs: 1000 });
 *   assertEquals(semaphore.stats, { keys: 1, inUse: 1, queued: 0 });
 * }
 * assertEquals(semaphore.stats.keys, 0);
 * ```
 */
export class KeyedSemaphore implements Disposable {
  readonly #permitsPerKey: number;
  readonly #maxQueuePerKey: number;
  readonly #maxQueue: number;
  readonly #maxKeys: number;
  readonly #clock: Clock;
  readonly #totalPermits: number;
  readonly #keys = new Map<string, Key>();
  /** Ends of the round of those who wait, and could go on if there were a permit for all. */
  #first: Key | undefined;
  #last: Key | undefined;
  #inUse = 0;
  #queued = 0;
  #isClosed = false;
  #closeReason: unknown;

  static {
    giveBack = (semaphore, key) => {
      key.inUse--;
      semaphore.#inUse--;
      semaphore.#update(key);
      semaphore.#serve();
    };
  }

  /**
   * Makes a semaphore of which all permits are free.
   *
   * @param options How many permits there are, and how many may wait.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If a number is no integer in its range.
   */
  constructor(options: KeyedSemaphoreOptions) {
    const { permitsPerKey, totalPermits, maxQueuePerKey, maxQueue, maxKeys } = options;
    this.#permitsPerKey = requiredInteger(PURPOSE, "permitsPerKey", permitsPerKey, 1);
    this.#totalPermits = integerOption(PURPOSE, "totalPermits", totalPermits, {
      otherwise: Number.MAX_SAFE_INTEGER,
      least: 1,
    });
    this.#maxQueuePerKey = integerOption(PURPOSE, "maxQueuePerKey", maxQueuePerKey, {
      otherwise: 100,
      least: 0,
    });
    this.#maxQueue = integerOption(PURPOSE, "maxQueue", maxQueue, { otherwise: 1000, least: 0 });
    this.#maxKeys = integerOption(PURPOSE, "maxKeys", maxKeys, { otherwise: 10_000, least: 1 });
    this.#clock = options.clock ?? systemClock;
  }

  /** What it is doing now. */
  get stats(): KeyedSemaphoreStats {
    return { keys: this.#keys.size, inUse: this.#inUse, queued: this.#queued };
  }

  /**
   * Takes a permit of a key, and waits for it if need be.
   *
   * @param key Whose permit.
   * @param options How to wait.
   * @returns The permit, which has to be given back.
   * @throws {SecurityError} `queue-full` at once when too many wait or there are too many keys, `timeout` when
   * the wait is over, and `closed` when the semaphore is.
   * @throws {TypeError} If the key is no string.
   * @throws {RangeError} If `timeoutMs` is negative or no finite number.
   * @throws The reason of the signal, if it is aborted.
   */
  acquire(key: string, options?: AcquireOptions): Promise<Permit> {
    try {
      const how = options === undefined ? PATIENT : checkWait(options);
      const permit = this.tryAcquire(key);
      if (permit !== undefined) return Promise.resolve(permit);
      if (this.#isClosed) throw closed(this.#closeReason);
      return this.#wait(key, how);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #wait(name: string, how: AcquireOptions): Promise<Permit> {
    const key = this.#key(name);
    // A flood of keys, of waiters, or of waiters of one key: each has a bound of its own.
    if (key === undefined) throw queueFull({ keys: this.#keys.size });
    const queuedOfKey = key.line?.length ?? 0;
    if (queuedOfKey >= this.#maxQueuePerKey || this.#queued >= this.#maxQueue) {
      this.#update(key);
      throw queueFull({ queuedOfKey, queued: this.#queued });
    }
    key.line ??= new WaitingLine(this.#clock, () => {
      this.#queued--;
      this.#update(key);
    });
    const permit = key.line.wait(how);
    // With no time to wait nobody has joined it.
    this.#queued += key.line.length - queuedOfKey;
    this.#update(key);
    return permit;
  }

  /**
   * Takes a permit of a key if there is one, and nobody else would be overtaken.
   *
   * @param key Whose permit.
   * @returns The permit, which has to be given back, or `undefined`.
   * @throws {TypeError} If the key is no string.
   */
  tryAcquire(key: string): Permit | undefined {
    if (typeof key !== "string") throw wrongOption("take a permit", "key", "a string", key);
    if (this.#isClosed || this.#inUse >= this.#totalPermits) return undefined;
    const found = this.#key(key);
    // A key for which somebody waits has all its permits in use while any of all are free.
    if (found === undefined || found.inUse >= this.#permitsPerKey) return undefined;
    return this.#take(found);
  }

  /**
   * Calls with a permit of a key, which is given back when the call has ended.
   *
   * @param key Whose permit.
   * @param fn What to call.
   * @param options How to wait for the permit.
   * @returns What it returns.
   * @throws As {@linkcode KeyedSemaphore.acquire} does, without having called.
   */
  async run<T>(key: string, fn: () => T | PromiseLike<T>, options?: AcquireOptions): Promise<T> {
    const permit = await this.acquire(key, options);
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
    for (const key of [...this.#keys.values()]) {
      this.#queued -= key.line?.length ?? 0;
      key.line?.dismiss(() => closed(reason));
      this.#update(key);
    }
  }

  /** Closes it. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Finds a key, or makes it unless there are too many. */
  #key(name: string): Key | undefined {
    let key = this.#keys.get(name);
    if (key === undefined && this.#keys.size < this.#maxKeys) {
      key = {
        name,
        inUse: 0,
        isInRound: false,
        before: undefined,
        after: undefined,
        line: undefined,
      };
      this.#keys.set(name, key);
    }
    return key;
  }

  #take(key: Key): Permit {
    key.inUse++;
    this.#inUse++;
    return new KeyedPermit(this, key);
  }

  /** Serves those who wait in turns, as long as there are permits. */
  #serve(): void {
    while (this.#first !== undefined && this.#inUse < this.#totalPermits) {
      const key = this.#first;
      this.#leaveRound(key);
      this.#queued--;
      key.line?.serve(this.#take(key));
      this.#update(key);
    }
  }

  /** Keeps in the round who could be served, and of the others only who is not idle. */
  #update(key: Key): void {
    const isWaiting = key.line !== undefined && key.line.length > 0;
    const isReady = isWaiting && key.inUse < this.#permitsPerKey;
    if (isReady && !key.isInRound) this.#joinRound(key);
    if (!isReady && key.isInRound) this.#leaveRound(key);
    if (!isWaiting && key.inUse === 0) this.#keys.delete(key.name);
  }

  #joinRound(key: Key): void {
    key.isInRound = true;
    key.before = this.#last;
    if (this.#last === undefined) this.#first = key;
    else this.#last.after = key;
    this.#last = key;
  }

  #leaveRound(key: Key): void {
    const { before, after } = key;
    key.isInRound = false;
    key.before = undefined;
    key.after = undefined;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
  }
}
