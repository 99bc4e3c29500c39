/**
 * What a rate limiter and its stores say to each other.
 *
 * @module
 */

/**
 * One limit, taken apart. All times are whole microseconds and a fraction with the denominator `requests`, so
 * that nothing is ever rounded: the interval between two requests is
 * `intervalMicros + intervalRest / requests`.
 */
export interface RateRule {
  /** Its name and its numbers in one text: what a store counts it under. */
  readonly id: string;
  /** Its name, unique among the limits of a limiter. */
  readonly name: string;
  /** How many requests a window. */
  readonly requests: number;
  /** Length of the window, in milliseconds. */
  readonly windowMs: number;
  /** How many requests may come at once. */
  readonly burst: number;
  /** Whole microseconds between two requests at the steady rate. */
  readonly intervalMicros: number;
  /** What is over, in parts of `requests` of a microsecond. */
  readonly intervalRest: number;
  /** Whole microseconds until a burst that was used up is back. */
  readonly burstMicros: number;
  /** What is over, in parts of `requests` of a microsecond. */
  readonly burstRest: number;
}

/** What was decided about a request. */
export interface RateDecision {
  /** Whether it may go on. */
  readonly allowed: boolean;
  /** How many more requests would be allowed now by the limit that binds. */
  readonly remaining: number;
  /** When the same request would be allowed, in milliseconds from now; 0 when it is. */
  readonly retryAfterMs: number;
  /** When the limit that binds will be as if nothing had been asked, in milliseconds from now. */
  readonly resetMs: number;
  /** The limit that binds: the one that refused longest, or else the one with the least left. */
  readonly limit: RateRule;
  /** All limits that were looked at. */
  readonly limits: readonly RateRule[];
  /** Why it was refused; `undefined` when it was not. */
  readonly code: "rate-limited" | "limiter-unavailable" | undefined;
  /** Whether the shared store gave no answer, so that the limiter's policy decided. */
  readonly isDegraded: boolean;
}

/** How a {@linkcode RateStore} is asked. */
export interface RateConsumeOptions {
  /** Ends the wait, with its reason. @default {undefined} */
  readonly signal?: AbortSignal | undefined;
}

/**
 * What remembers how much of their limits keys have used.
 *
 * Two limiters that share a store share the limits of which name and numbers are the same, and no others: 5
 * logins do not use up what another limiter allows. Whoever changes a number begins anew.
 */
export interface RateStore {
  /** Whether it may be out of reach, so that a policy for that case is needed. */
  readonly isShared: boolean;

  /**
   * Takes from all limits of a key, or from none of them, atomically.
   *
   * @param key The key.
   * @param limits The limits; at least one.
   * @param cost How much to take; 0 takes nothing, and tells whether 1 could be taken.
   * @param options The signal.
   * @returns The decision, or a promise of it if the store is shared.
   * @throws {SecurityError} `limiter-unavailable` when a shared store gives no answer.
   */
  consume(
    key: string,
    limits: readonly RateRule[],
    cost: number,
    options?: RateConsumeOptions,
  ): RateDecision | Promise<RateDecision>;
}
