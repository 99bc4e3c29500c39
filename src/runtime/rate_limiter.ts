import { SecurityError } from "../errors.ts";
import { type Clock, systemClock } from "../_internal/clock.ts";
import { checkNames, integerOption, wrongOption } from "../_internal/options.ts";
import { type AuditReporter, silentReporter } from "../events/audit_event.ts";
import { type RateLimitOptions, readLimits } from "./_gcra.ts";
import { LimitReports } from "./_limit_reports.ts";
import { type UnavailableAction, UnavailablePolicy } from "./_unavailable_policy.ts";
import { MemoryRateStore } from "./memory_rate_store.ts";
import type { RateKey } from "./rate_key.ts";
import type { RateDecision, RateRule, RateStore } from "./rate_store.ts";

export type { RateLimitOptions, UnavailableAction };

/** Options of {@linkcode RateLimiter}. */
export interface RateLimiterOptions {
  /** The limits, all of which a request must keep. */
  readonly limits: readonly RateLimitOptions[];
  /** What remembers. @default {a `MemoryRateStore` of its own} */
  readonly store?: RateStore;
  /**
   * What happens while a shared store gives no answer.
   *
   * - `closed`: requests are refused (`limiter-unavailable`).
   * - `local`: each process applies the limits on its own, in memory.
   * - `open`: requests are allowed. Whoever can make the store fail has no limit then.
   *
   * `local` and `open` begin once `reporter` has recorded that the store is away. Requests wait a second for it
   * at most; then they are refused until it has.
   *
   * @default {"closed"}
   */
  readonly onUnavailable?: UnavailableAction;
  /** By how much limits are divided for `local`: the number of processes. @default {1} */
  readonly localDivisor?: number;
  /** Where refusals are reported. @default {nowhere} */
  readonly reporter?: AuditReporter;
  /** After a refusal was reported, how long those of the same key are only counted. @default {60_000} */
  readonly reportEveryMs?: number;
  /** The clock. @default {the clock of the machine} */
  readonly clock?: Clock;
}

/** How to ask a {@linkcode RateLimiter}. */
export interface RateCheckOptions {
  /** How many requests it counts as; 0 takes nothing, and asks about a request of 1. @default {1} */
  readonly cost?: number;
  /** Ends the wait for a shared store, with its reason. @default {undefined} */
  readonly signal?: AbortSignal | undefined;
}

const PURPOSE = "create a rate limiter";
const ACTIONS: readonly unknown[] = ["closed", "local", "open"];
const NO_OPTIONS: RateCheckOptions = Object.freeze({});

/**
 * Says whether a request comes too soon.
 *
 * Limits are kept by GCRA: at most `burst` requests at once, and `requests` a window at a steady pace; in no
 * span of time are more allowed than `burst` and what the pace gives for it. There is no window whose edge lets
 * twice as many through. With several limits a request takes from all or, when one of them refuses, from none.
 *
 * Whoever is refused is reported once in a while, with the number of refusals in between.
 *
 * @example
 * ```ts
 * import { RateKey, RateLimiter } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const limiter = new RateLimiter({
 *   limits: [
 *     { name: "minute", requests: 5, windowMs: 60_000 },
 *     { name: "daily", requests: 10_000, windowMs: 86_400_000 },
 *   ],
 * });
 * const alice = RateKey.principal("alice");
 * for (let at = 0; at < 5; at++) await limiter.enforce(alice);
 * const decision = await limiter.check(alice);
 * assertEquals([decision.allowed, decision.limit.name], [false, "minute"]);
 * ```
 */
export class RateLimiter implements Disposable {
  /** The limits. */
  readonly limits: readonly RateRule[];
  readonly #store: RateStore;
  /** The store, if it is the usual one, which needs no questions. */
  readonly #memory: MemoryRateStore | undefined;
  readonly #mostCost: number;
  readonly #clock: Clock;
  readonly #reports: LimitReports;
  readonly #policy: UnavailablePolicy | undefined;
  #isClosed = false;

  /**
   * Makes a limiter.
   *
   * @param options The limits, the store and what happens without it.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If a number is out of its range.
   */
  constructor(options: RateLimiterOptions) {
    checkNames(PURPOSE, options, [
      "limits",
      "store",
      "onUnavailable",
      "localDivisor",
      "reporter",
      "reportEveryMs",
      "clock",
    ]);
    const { onUnavailable = "closed", reporter = silentReporter, clock = systemClock } = options;
    this.limits = readLimits(options.limits);
    this.#mostCost = Math.min(...this.limits.map(({ burst }) => burst));
    if (!ACTIONS.includes(onUnavailable)) {
      throw wrongOption(PURPOSE, "onUnavailable", '"closed", "local" or "open"', onUnavailable);
    }
    const divisor = integerOption(PURPOSE, "localDivisor", options.localDivisor, {
      otherwise: 1,
      least: 1,
    });
    const reportEveryMs = integerOption(PURPOSE, "reportEveryMs", options.reportEveryMs, {
      otherwise: 60_000,
      least: 1,
    });
    if (typeof reporter?.report !== "function") {
      throw wrongOption(PURPOSE, "reporter", "an AuditReporter", reporter);
    }
    const { store = new MemoryRateStore({ clock }) } = options;
    if (typeof store?.consume !== "function") {
      throw wrongOption(PURPOSE, "store", "a RateStore", store);
    }
    this.#store = store;
    this.#memory = store instanceof MemoryRateStore ? store : undefined;
    this.#clock = clock;
    this.#reports = new LimitReports(reporter, reportEveryMs);
    this.#policy = store.isShared
      ? new UnavailablePolicy(onUnavailable, this.limits, divisor, clock, this.#reports)
      : undefined;
  }

  /** Whether the shared store gives no answer at the moment. */
  get isDegraded(): boolean {
    return this.#policy?.isAway ?? false;
  }

  /**
   * Asks for a request.
   *
   * @param key For whom.
   * @param options What it costs, and the signal.
   * @returns The decision; a refusal is one, too.
   * @throws {RangeError} If `cost` is no integer from 0 to the smallest burst: it could never be allowed.
   * @throws {SecurityError} `closed`.
   * @throws The reason of the signal, if it is aborted.
   */
  check(key: RateKey, options: RateCheckOptions = NO_OPTIONS): Promise<RateDecision> {
    // The usual question, which nothing can be wrong with, by the shortest way; nor is this an async function:
    // in memory, the promise is a good part of the time (bench/runtime_rate_bench.ts).
    if (options === NO_OPTIONS && this.#memory !== undefined) {
      if (typeof key === "string" && !this.#isClosed) {
        const decision = this.#memory.consume(key, this.limits, 1);
        return Promise.resolve(decision.allowed ? decision : this.#refused(key, 1, decision));
      }
    }
    try {
      if (this.#policy !== undefined) return this.#askShared(this.#policy, key, options);
      options.signal?.throwIfAborted();
      return Promise.resolve(this.checkSync(key, options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Asks for a request, and does not wait: only with a store in memory.
   *
   * @param key For whom.
   * @param options What it costs.
   * @returns The decision.
   * @throws {TypeError} If the store is shared.
   * @throws {RangeError} If `cost` is no integer from 0 to the smallest burst.
   * @throws {SecurityError} `closed`.
   */
  checkSync(
    key: RateKey,
    { cost = 1 }: Pick<RateCheckOptions, "cost"> = NO_OPTIONS,
  ): RateDecision {
    this.#checkArguments(key, cost);
    const decision = this.#memory === undefined
      ? this.#askAtOnce(key, cost)
      : this.#memory.consume(key, this.limits, cost);
    return decision.allowed ? decision : this.#refused(key, cost, decision);
  }

  /**
   * Asks for a request, and throws when it is refused.
   *
   * @param key For whom.
   * @param options What it costs, and the signal.
   * @returns The decision, which allows it.
   * @throws {SecurityError} `rate-limited` or `limiter-unavailable`, with `retryAfterMs` and `limit` in its
   * details; `closed`.
   * @throws {RangeError} If `cost` is no integer from 0 to the smallest burst.
   * @throws The reason of the signal, if it is aborted.
   */
  async enforce(key: RateKey, options: RateCheckOptions = NO_OPTIONS): Promise<RateDecision> {
    const decision = await this.check(key, options);
    if (decision.allowed) return decision;
    const { code = "rate-limited", retryAfterMs, limit } = decision;
    const message = code === "rate-limited"
      ? "Too many requests"
      : "The rate limiter cannot decide at the moment";
    throw new SecurityError(code, message, { details: { retryAfterMs, limit: limit.name } });
  }

  /** Reports the refusals that were only counted, and decides nothing any more. The store stays open. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#reports.end();
  }

  /** The same as {@linkcode RateLimiter.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #askAtOnce(key: string, cost: number): RateDecision {
    const decision = this.#policy === undefined
      ? this.#store.consume(key, this.limits, cost)
      : undefined;
    if (decision !== undefined && !(decision instanceof Promise)) return decision;
    throw new TypeError("Cannot decide at once: the store of the limiter is shared");
  }

  async #askShared(
    policy: UnavailablePolicy,
    key: RateKey,
    { cost = 1, signal }: RateCheckOptions,
  ): Promise<RateDecision> {
    this.#checkArguments(key, cost);
    signal?.throwIfAborted();
    let decision: RateDecision;
    try {
      decision = await this.#store.consume(key, this.limits, cost, { signal });
      policy.answered();
    } catch (error) {
      signal?.throwIfAborted();
      decision = await policy.decide(key, cost, error, signal);
    }
    return decision.allowed ? decision : this.#refused(key, cost, decision);
  }

  #refused(key: string, cost: number, decision: RateDecision): RateDecision {
    if (cost > 0) this.#reports.refused(key, decision, this.#clock.monotonicMs());
    return decision;
  }

  #checkArguments(key: unknown, cost: number): void {
    if (this.#isClosed) throw new SecurityError("closed", "The rate limiter is closed");
    if (typeof key !== "string") {
      throw new TypeError("Cannot check a request: the key must be made by RateKey");
    }
    if (Number.isInteger(cost) && cost >= 0 && cost <= this.#mostCost) return;
    throw new RangeError(
      `Cannot check a request: 'cost' must be an integer from 0 to ${this.#mostCost}, the smallest burst: ` +
        `current value is ${cost}`,
    );
  }
}
