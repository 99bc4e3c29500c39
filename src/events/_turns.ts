import type { Clock, ClockTimer } from "../_internal/clock.ts";

/** How long a program may go on without a turn for its timers, in milliseconds. */
const MAX_STRETCH_MS = 20;

/**
 * Notices a program that never lets its timers have a turn, as one that awaits nothing but microtasks: deadlines,
 * signatures and everything else that comes from outside would wait for as long.
 */
export class Turns {
  readonly #clock: Clock;
  #timer: ClockTimer | undefined;
  #next: ClockTimer | undefined;
  #sinceMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls as soon as what is at work now waits: in this turn, unless the timers have waited for too long. */
  soon(callback: () => void): void {
    if (!this.#isOverdue()) return queueMicrotask(callback);
    this.#next = this.#clock.setTimer(callback, 0, { keepAlive: true });
  }

  #isOverdue(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#timer !== undefined) return nowMs - this.#sinceMs > MAX_STRETCH_MS;
    this.#sinceMs = nowMs;
    this.#timer = this.#clock.setTimer(() => {
      this.#timer = undefined;
    }, 0);
    return false;
  }

  /** Gives the timers back. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#next?.cancel();
  }
}
