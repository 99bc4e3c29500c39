import { SecurityError } from "../errors.ts";
import { KeyedWords } from "./_keyed_words.ts";
import { ReplayTable } from "./_replay_table.ts";
import type { ReplayAddOptions, ReplayStore } from "./replay_store.ts";

/** Keeps the memory below 2.3 GB, and entry numbers within 32 bits. */
const MAX_CAPACITY = 2 ** 26;
/** Seconds since the epoch are kept in 32 bits, which last until February 2106. */
const MAX_EXPIRY = 2 ** 32 - 1;
/** A quarter of the table for one client: it takes several keys to fill it. */
const KEYS_TO_FILL = 4;
/** Dropped with each call: more than a call adds, so that a table of expired entries empties. */
const DROPS_PER_ADD = 8;
/** Dropped once, before a client is told that its quota is used up: less than a millisecond of work. */
const DROPS_BEFORE_REFUSAL = 1024;
/** In a store so small that a share of it would be less, one client is likely the only one. */
const MIN_SHARE = 1000;

/** Options of {@linkcode MemoryReplayStore}. */
export interface MemoryReplayStoreOptions {
  /**
   * Most proofs it remembers at once, from 1 to 67,108,864: accepted proofs per second, times the
   * lifetime of one, which is `maxAgeSeconds` plus `maxFutureSeconds`. @default {100_000}
   */
  readonly capacity?: number;
  /**
   * Most of them of one client key.
   * @default {a quarter of `capacity`, rounded up, or 1,000 if that is more; at most `capacity`}
   */
  readonly maxPerKey?: number;
  /** Milliseconds since the epoch, where `add` is told no time. @default {Date.now} */
  readonly now?: () => number;
}

/**
 * Remembers proofs in the memory of one process, in a fixed amount: 34 bytes for each that fits, and
 * 256 KiB, taken from the system as they are used.
 *
 * - What is alive is never forgotten: a full store refuses (`replay-store-full`), since an attacker who
 *   may evict entries may replay them. It is full exactly when it holds `capacity` living entries.
 * - One client key cannot fill it alone: beyond `maxPerKey` living entries it is refused
 *   (`replay-quota-exceeded`), and others are not. Keys are counted by 16 bits of a keyed hash: one in
 *   65,535 pairs of clients shares a quota, and no client can choose with whom.
 * - Nothing is accepted twice, however the clock moves: what expires no later than anything that was
 *   already dropped is answered `false`, and so is what has expired. A clock that goes back by more than
 *   `maxFutureSeconds` therefore costs refusals until it catches up, at most for the lifetime of a proof.
 * - Every call does a bounded amount of work. There is no sweep, no rehash, no timer and nothing to
 *   close. After a pause in which very many entries expired, each call drops a few of them, and a key at
 *   its quota up to 1024 more, so it may be refused some times before its own have gone.
 * - Positions depend on a random secret: choosing `jti`s to collide does not slow it down.
 * - Verifiers that share one need the same `maxAgeSeconds` and `maxFutureSeconds`: a proof is remembered for
 *   the window of the one that accepted it, and one with a longer window would accept it again after that.
 *
 * It knows what this process saw. Several processes need {@linkcode ReplayStore}s that they share, and
 * so does a process that restarts within the lifetime of a proof, unless nonces from before the restart
 * are refused.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9449#section-11.1 | RFC 9449, section 11.1}
 *
 * @example Accept a proof once
 * ```ts
 * import { MemoryReplayStore } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const store = new MemoryReplayStore({ capacity: 1_000, now: () => 1_700_000_000_000 });
 * assertEquals(await store.add("n4bQgYhMfWWaL-qgxVrQFa", 1_700_000_360), true);
 * assertEquals(await store.add("n4bQgYhMfWWaL-qgxVrQFa", 1_700_000_360), false);
 * assertEquals(store.size, 1);
 * ```
 */
export class MemoryReplayStore implements ReplayStore {
  readonly #table: ReplayTable;
  readonly #maxPerKey: number;
  readonly #now: () => number;
  /** Made when first used: workerd has no randomness yet while modules load. */
  #keyed: KeyedWords | undefined;

  /**
   * Makes an empty store.
   *
   * @param options How much it holds, of one client too, and the clock.
   * @throws {RangeError} If `capacity` is no integer from 1 to 67,108,864, or `maxPerKey` none from 1 to
   * `capacity`.
   * @throws {TypeError} If `now` is no function.
   */
  constructor(options: MemoryReplayStoreOptions = {}) {
    const { capacity = 100_000, now = Date.now } = options;
    checkInteger("capacity", capacity, MAX_CAPACITY);
    const share = Math.max(Math.ceil(capacity / KEYS_TO_FILL), MIN_SHARE);
    const { maxPerKey = Math.min(share, capacity) } = options;
    checkInteger("maxPerKey", maxPerKey, capacity);
    if (typeof now !== "function") {
      throw new TypeError(
        `Cannot make a MemoryReplayStore as 'now' must be a function: current value is ${now}`,
      );
    }
    this.#table = new ReplayTable(capacity);
    this.#maxPerKey = maxPerKey;
    this.#now = now;
  }

  /** Most entries it holds at once. */
  get capacity(): number {
    return this.#table.capacity;
  }

  /** Entries that it holds; those that expired a moment ago may be among them. */
  get size(): number {
    return this.#table.size;
  }

  /**
   * Adds a key if it is not there yet.
   *
   * @param key Any string; 22 characters of base64url for 128 bits take the shortest way.
   * @param expiresAtSeconds When it may be forgotten, in seconds since the epoch; a fraction counts as the
   * next whole second.
   * @param options The time, and whose key it is; without `jkt` no quota applies. The signal is not looked
   * at, as there is nothing to wait for.
   * @returns Whether it was new; `false` also for what has expired, or expires no later than an entry that
   * was already forgotten: it may have been seen.
   * @throws {SecurityError} `replay-store-full` or `replay-quota-exceeded`: then the proof must be refused.
   * @throws {RangeError} If the expiry or the time is no number of seconds until 2106.
   */
  // deno-lint-ignore require-await -- what it throws is to reject, as with every other store
  async add(
    key: string,
    expiresAtSeconds: number,
    options: ReplayAddOptions = {},
  ): Promise<boolean> {
    const { nowSeconds = this.#now() / 1000, jkt } = options;
    checkSeconds("nowSeconds", nowSeconds);
    checkSeconds("expiresAtSeconds", expiresAtSeconds);
    const expiry = Math.ceil(expiresAtSeconds);
    const table = this.#table;
    table.drop(nowSeconds, DROPS_PER_ADD);
    // Once an entry was dropped, a copy of its proof looks new. The watermark stands for all of them: it is
    // past the expiry of each. While clocks go forward it is below `nowSeconds`, and no proof that the
    // verifier lets through expires before that, so a new one is never taken for an old one.
    if (expiry < nowSeconds || expiry <= table.watermark) return false;
    const keyed = this.#keyed ??= new KeyedWords();
    let owner = 0;
    if (jkt !== undefined) {
      keyed.setThumbprint(jkt);
      owner = table.ownerOf(keyed.words);
    }
    keyed.setKey(key);
    let place = table.findPlace(keyed.words);
    if (place < 0) return false;
    // Had anything expired, it would have been dropped above, and there would be room.
    if (table.size === table.capacity) throw full(table.capacity);
    if (owner > 0 && table.countOf(owner) >= this.#maxPerKey) {
      table.drop(nowSeconds, DROPS_BEFORE_REFUSAL);
      if (table.countOf(owner) >= this.#maxPerKey) throw quotaExceeded(this.#maxPerKey);
      place = table.findPlace(keyed.words);
    }
    table.insert(place, keyed.words, expiry, owner);
    return true;
  }
}

function checkInteger(name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new RangeError(
    `Cannot make a MemoryReplayStore as '${name}' must be an integer from 1 to ${most}: ` +
      `current value is ${value}`,
  );
}

function checkSeconds(name: string, value: number): void {
  if (value >= 0 && value <= MAX_EXPIRY) return;
  throw new RangeError(
    `Cannot add to a MemoryReplayStore as '${name}' must be from 0 to ${MAX_EXPIRY}: ` +
      `current value is ${value}`,
  );
}

function full(capacity: number): SecurityError {
  return new SecurityError("replay-store-full", "Too many requests to remember at the moment", {
    details: { capacity },
  });
}

function quotaExceeded(maxPerKey: number): SecurityError {
  return new SecurityError(
    "replay-quota-exceeded",
    "Too many requests of this key to remember at the moment",
    { details: { maxPerKey } },
  );
}
