import type { Clock } from "../_internal/clock.ts";
import { withinTime } from "./_time_box.ts";

/** How calls are bounded. */
export interface AlertCallsOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly maxInFlight: number;
}

/** How many calls that nobody waits for any more may run for each that somebody waits for. */
const ORPHANS_PER_CALL = 16;

/** Marks what a call is ended with when its time is over. */
class OverTime extends Error {}

/**
 * Calls of other people's code, none of which can throw into the caller, and which are bounded in time and number.
 */
export class AlertCalls {
  readonly #options: AlertCallsOptions;
  readonly #waiting = new Set<Promise<void>>();
  #orphans = 0;

  constructor(options: AlertCallsOptions) {
    this.#options = options;
  }

  /** How many calls somebody waits for. */
  get inFlight(): number {
    return this.#waiting.size;
  }

  /** How many calls run on though their time is over. */
  get orphans(): number {
    return this.#orphans;
  }

  /** Whether there may be another call. */
  get hasRoom(): boolean {
    const { maxInFlight } = this.#options;
    return this.#waiting.size < maxInFlight && this.#orphans < maxInFlight * ORPHANS_PER_CALL;
  }

  /**
   * Calls, a little later: whoever has reported the event does not wait.
   *
   * @param call The code.
   * @param failed Told why, unless it succeeds; never throws.
   */
  start(
    call: (signal: AbortSignal) => unknown,
    failed: (error: unknown, isTimeout: boolean) => void,
  ): void {
    const { clock, timeoutMs } = this.#options;
    let isOver = false;
    const observed = async (signal: AbortSignal) => {
      await undefined;
      try {
        await call(signal);
      } finally {
        if (isOver) this.#orphans--;
      }
    };
    const timeout = () => {
      isOver = true;
      this.#orphans++;
      return new OverTime(`No answer within ${timeoutMs} ms`);
    };
    const done = withinTime(observed, { clock, timeoutMs, timeout })
      .catch((error) => failed(error, error instanceof OverTime))
      .finally(() => this.#waiting.delete(done));
    this.#waiting.add(done);
  }

  /** Waits until all calls are over, also those that are begun meanwhile. */
  async settle(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.all(this.#waiting);
  }
}
