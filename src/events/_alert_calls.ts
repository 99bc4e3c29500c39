import type { Clock } from "../_internal/clock.ts";
import { withinTime } from "./_time_box.ts";

/** How calls are bounded. */
export interface AlertCallsOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Of calls at once, of alerts that wait for them, and of calls of one function that run on over time. */
  readonly maxInFlight: number;
}

/** Why a call has not succeeded; `skipped`: too many earlier ones of the same function run on over time. */
export type CallFailure = "error" | "timeout" | "skipped";

/** Marks what a call is ended with when its time is over. */
class OverTime extends Error {}

/**
 * Calls of other people's code on behalf of one rule, none of which can throw into the caller, and which are bounded
 * in time and number. Each rule has its own: one whose actions are slow must not take the place of another.
 */
export class AlertCalls {
  readonly #options: AlertCallsOptions;
  readonly #waiting = new Set<Promise<void>>();
  readonly #orphans = new Map<object, number>();
  readonly #pending: (() => void)[] = [];

  constructor(options: AlertCallsOptions) {
    this.#options = options;
  }

  /** How many calls somebody waits for. */
  get inFlight(): number {
    return this.#waiting.size;
  }

  /** How many alerts wait until others are done. */
  get pending(): number {
    return this.#pending.length;
  }

  /** How many calls run on though their time is over. */
  get orphans(): number {
    let sum = 0;
    for (const count of this.#orphans.values()) sum += count;
    return sum;
  }

  /** Whether there may be another alert, at once or a little later. */
  get hasRoom(): boolean {
    return this.#isFree || this.#pending.length < this.#options.maxInFlight;
  }

  get #isFree(): boolean {
    return this.#waiting.size < this.#options.maxInFlight;
  }

  /**
   * Begins the calls of an alert, at once or when there is room.
   *
   * @param begin Starts them; never throws.
   */
  enter(begin: () => void): void {
    this.#pending.push(begin);
    this.#drain();
  }

  /**
   * Calls, a little later: whoever has reported the event does not wait.
   *
   * @param callee Whose calls are counted together when they run on over time.
   * @param call The code.
   * @param failed Told why, unless it succeeds; never throws.
   */
  start(
    callee: object,
    call: (signal: AbortSignal) => unknown,
    failed: (failure: CallFailure) => void,
  ): void {
    const { clock, timeoutMs, maxInFlight } = this.#options;
    // Calls that never settle would pile up; those that wait no more take nobody else's place.
    if ((this.#orphans.get(callee) ?? 0) >= maxInFlight) return failed("skipped");
    let isOver = false;
    const observed = async (signal: AbortSignal) => {
      await undefined;
      try {
        await call(signal);
      } finally {
        if (isOver) this.#countOrphan(callee, -1);
      }
    };
    const timeout = () => {
      isOver = true;
      this.#countOrphan(callee, 1);
      return new OverTime(`No answer within ${timeoutMs} ms`);
    };
    const done = withinTime(observed, { clock, timeoutMs, timeout })
      .catch((error) => failed(error instanceof OverTime ? "timeout" : "error"))
      .finally(() => {
        this.#waiting.delete(done);
        this.#drain();
      });
    this.#waiting.add(done);
  }

  /** Waits until all calls are over, also those that are begun meanwhile. */
  async settle(): Promise<void> {
    // Whatever is pending is begun when one of these ends.
    while (this.#waiting.size > 0) await Promise.all(this.#waiting);
  }

  #drain(): void {
    while (this.#isFree && this.#pending.length > 0) this.#pending.shift()!();
  }

  #countOrphan(callee: object, change: number): void {
    const count = (this.#orphans.get(callee) ?? 0) + change;
    if (count === 0) this.#orphans.delete(callee);
    else this.#orphans.set(callee, count);
  }
}
