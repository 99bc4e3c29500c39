/**
 * How long a store that failed is left alone.
 *
 * @module
 */

/** Pause after a first failure; it doubles with each further one. */
const MIN_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 60_000;

/** Counts failures in a row. */
export class FailurePause {
  #failures = 0;
  #failedAtMs = -Infinity;

  /** How often it failed since it last worked. */
  get failures(): number {
    return this.#failures;
  }

  /** How long the pause is, or would be after a first failure. */
  get lengthMs(): number {
    return Math.min(MAX_PAUSE_MS, MIN_PAUSE_MS * 2 ** Math.max(0, this.#failures - 1));
  }

  /**
   * Notes a failure.
   *
   * @param nowMs The time.
   */
  begin(nowMs: number): void {
    this.#failures++;
    this.#failedAtMs = nowMs;
  }

  /** Notes that it works. */
  end(): void {
    this.#failures = 0;
  }

  /**
   * Tells whether it is to be left alone.
   *
   * @param nowMs The time; one before the failure ends the pause, since the clock was set back.
   */
  isOn(nowMs: number): boolean {
    const sinceMs = nowMs - this.#failedAtMs;
    return this.#failures > 0 && sinceMs >= 0 && sinceMs < this.lengthMs;
  }
}
