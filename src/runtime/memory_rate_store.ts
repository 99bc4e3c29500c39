import { type Clock, systemClock } from "../_internal/clock.ts";
import { integerOption } from "../_internal/options.ts";
import { decide, MOST_LIMITS, newDebts } from "./_gcra.ts";
import { KeyHash } from "./_key_hash.ts";
import { RateTable } from "./_rate_table.ts";
import type { RateDecision, RateRule, RateStore } from "./rate_store.ts";

/** Keeps the memory of the table below 2 GiB. */
const MOST_CAPACITY = 2 ** 24;
/** Shared buckets of each limit: fewer would make small stores unfair. */
const LEAST_BUCKETS = 1024;
const PURPOSE = "create a memory rate store";

/** Options of {@linkcode MemoryRateStore}. */
export interface MemoryRateStoreOptions {
  /**
   * For how many keys, times limits, it remembers debts at once, from 1 to 16,777,216. @default {100_000}
   */
  readonly capacity?: number;
  /** The clock. @default {the clock of the machine} */
  readonly clock?: Clock;
}

/** What a {@linkcode MemoryRateStore} holds. */
export interface MemoryRateStoreStats {
  /** Debts that it remembers; those that were paid back a moment ago may be among them. */
  readonly size: number;
  /** How many fit. */
  readonly capacity: number;
  /** How many debts of keys below their limits were forgotten, to make room for others. */
  readonly forgotten: number;
  /** How many requests were counted in shared buckets, as there was no room. */
  readonly overflowed: number;
  /** Memory that it takes, in bytes. */
  readonly bytes: number;
}

/** Debts of all keys that did not fit, by a hash of theirs. */
interface Buckets {
  readonly times: Float64Array;
  readonly rests: Float64Array;
}

/**
 * Remembers the debts of keys in the memory of one process, in a fixed amount: 64 bytes for each that fits, and
 * at most 16 more for each limit once it was full.
 *
 * - A key at its limit, where one more request would be refused, is never forgotten before that one would be
 *   allowed, however many other keys come: an attacker cannot wash it out, and a window of 30 days lasts 30 days.
 * - When it is full, a key that is new takes the place of another below its limit: that which has used least
 *   of its own, among some thirty. So a flood of keys with a request each locks nobody out, and makes it forget
 *   such keys. For a key that has used more to be forgotten, about `capacity` others must have used as much.
 * - Where all of those thirty are at their limits, the new key is counted together with others, in one of at
 *   least `capacity / 2` shared buckets per limit, by a keyed hash, so that nobody chooses with whom. A bucket
 *   counts like a key, and allows no more to each of those in it, but it may allow less. To lock most newcomers
 *   out, somebody has to use the whole burst of nearly `capacity` keys, and then that of as many again as there
 *   are buckets, before they are paid back. Mind that with a `burst` of 1 each request is a whole one.
 * - A key that gets room of its own later starts with the debt of its bucket. One that owes nothing takes none.
 * - Every call does a bounded amount of work. There is no sweep, no rehash, no timer and nothing to close.
 * - Time is taken from a clock that never goes back, and one that does stands still here.
 *
 * It knows what this process saw; several processes need a store that they share.
 *
 * @example
 * ```ts
 * import { MemoryRateStore, RateKey, RateLimiter } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const store = new MemoryRateStore({ capacity: 10_000 });
 * const limiter = new RateLimiter({ limits: [{ requests: 5, windowMs: 60_000 }], store });
 * await limiter.check(RateKey.principal("alice"));
 * assertEquals(store.stats.size, 1);
 * ```
 */
export class MemoryRateStore implements RateStore {
  /** It is always there. */
  readonly isShared = false;
  readonly #clock: Clock;
  readonly #isSystemClock: boolean;
  readonly #table: RateTable;
  readonly #bucketBits: number;
  /** Made when first used: workerd has no randomness yet while modules load. */
  #hash: KeyHash | undefined;
  #overflowed = 0;
  #nowMicros = 1;
  #wallMs = NaN;
  readonly #tags = new Map<string, number>();
  #lastRules: readonly RateRule[] | undefined;
  #lastTags: readonly number[] = [];
  readonly #buckets: (Buckets | undefined)[] = [];
  readonly #slots = new Int32Array(MOST_LIMITS);
  readonly #debts = newDebts();
  readonly #after = newDebts();

  /**
   * Makes an empty store.
   *
   * @param options How much it holds, and the clock.
   * @throws {TypeError} If `capacity` is no number.
   * @throws {RangeError} If `capacity` is out of its range.
   */
  constructor(options: MemoryRateStoreOptions = {}) {
    const capacity = integerOption(PURPOSE, "capacity", options.capacity, {
      otherwise: 100_000,
      least: 1,
      most: MOST_CAPACITY,
    });
    this.#clock = options.clock ?? systemClock;
    this.#isSystemClock = this.#clock === systemClock;
    this.#table = new RateTable(capacity);
    this.#bucketBits = Math.ceil(Math.log2(Math.max(LEAST_BUCKETS, capacity / 2)));
  }

  /** What it holds now. */
  get stats(): MemoryRateStoreStats {
    const { size, capacity, forgotten, bytes } = this.#table;
    const buckets = this.#buckets.reduce(
      (sum, each) => sum + (each === undefined ? 0 : each.times.byteLength * 2),
      0,
    );
    return { size, capacity, forgotten, overflowed: this.#overflowed, bytes: bytes + buckets };
  }

  /**
   * Takes from all limits of a key, or from none of them.
   *
   * @param key The key.
   * @param limits The limits, as `RateLimiter` has them.
   * @param cost How much to take; 0 takes nothing, and tells whether 1 could be taken.
   * @returns The decision.
   */
  consume(key: string, limits: readonly RateRule[], cost: number): RateDecision {
    const now = this.#readClock();
    const hash = this.#hash ??= new KeyHash();
    hash.hash(key);
    const tags = limits === this.#lastRules ? this.#lastTags : this.#tagsOf(limits);
    const debts = this.#debts;
    for (let at = 0; at < limits.length; at++) {
      const slot = this.#table.find(hash.words, tags[at]!);
      this.#slots[at] = slot;
      if (slot >= 0) {
        debts.micros[at] = this.#table.timeAt(slot) - now;
        debts.rests[at] = this.#table.restAt(slot);
      } else {
        const buckets = this.#buckets[tags[at]!];
        const index = this.#bucketOf(hash.words);
        debts.micros[at] = (buckets?.times[index] ?? 0) - now;
        debts.rests[at] = buckets?.rests[index] ?? 0;
      }
      if (debts.micros[at]! < 0) debts.micros[at] = debts.rests[at] = 0;
    }
    const decision = decide(limits, cost, debts, this.#after);
    if (cost > 0 && decision.allowed) this.#keep(hash.words, tags, now);
    return decision;
  }

  /**
   * The time, more than 0. On the machine's own clock it may be late by a millisecond, which refuses rather
   * than allows: while `Date.now()` says the same, the other clock, which takes twice as long to read and is
   * the greatest part of a check (bench/runtime_rate_bench.ts), is not asked.
   */
  #readClock(): number {
    if (this.#isSystemClock) {
      const wallMs = Date.now();
      if (wallMs === this.#wallMs) return this.#nowMicros;
      this.#wallMs = wallMs;
    }
    const micros = Math.floor(this.#clock.monotonicMs() * 1000) + 1;
    if (micros > this.#nowMicros) this.#nowMicros = micros;
    return this.#nowMicros;
  }

  #keep(key: Int32Array, tags: readonly number[], now: number): void {
    const { micros, rests } = this.#after;
    // Insertions move entries, so those that are there come first.
    for (let at = 0; at < tags.length; at++) {
      const slot = this.#slots[at]!;
      if (slot >= 0) this.#table.set(slot, now + micros[at]!, rests[at]!);
    }
    for (let at = 0; at < tags.length; at++) {
      if (this.#slots[at]! >= 0) continue;
      const time = now + micros[at]!;
      if (this.#table.insert(key, tags[at]!, time, rests[at]!, now)) continue;
      // Full of keys at their limits: who uses up very many gets here, and so do the clients that are new
      // meanwhile. Dropping one would let it start anew, and refusing would lock everybody new out.
      this.#overflowed++;
      const buckets = this.#buckets[tags[at]!] ??= this.#newBuckets();
      const index = this.#bucketOf(key);
      buckets.times[index] = time;
      buckets.rests[index] = rests[at]!;
    }
  }

  #newBuckets(): Buckets {
    const count = 2 ** this.#bucketBits;
    return { times: new Float64Array(count), rests: new Float64Array(count) };
  }

  /** Not from the word that says where the key lies in the table. */
  #bucketOf(key: Int32Array): number {
    return key[1]! >>> (32 - this.#bucketBits);
  }

  #tagsOf(rules: readonly RateRule[]): readonly number[] {
    const tags = rules.map((rule) => {
      const known = this.#tags.get(rule.id);
      if (known !== undefined) return known;
      this.#tags.set(rule.id, this.#tags.size);
      return this.#table.rules.push(rule) - 1;
    });
    this.#lastRules = rules;
    this.#lastTags = tags;
    return tags;
  }
}
