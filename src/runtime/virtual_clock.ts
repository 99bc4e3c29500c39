import type { Clock, ClockTimer } from "../_internal/clock.ts";

export type { Clock, ClockTimer };

/** When a {@linkcode VirtualClock} begins. */
export interface VirtualClockOptions {
  /** Time on the wall at the beginning, in milliseconds since the epoch. @default {1_700_000_000_000} */
  readonly wallMs?: number;
}

interface VirtualTimer extends ClockTimer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A clock that a test moves: nothing happens until it says so, and then everything that was due.
 *
 * @example
 * ```ts
 * import { VirtualClock } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const clock = new VirtualClock();
 * const fired: number[] = [];
 * clock.setTimer(() => fired.push(clock.monotonicMs()), 30 * 86_400_000 / 30);
 * clock.advance(86_400_000);
 * assertEquals(fired, [86_400_000]);
 * ```
 */
export class VirtualClock implements Clock {
  #monotonicMs = 0;
  #wallOffsetMs: number;
  #order = 0;
  readonly #timers = new Set<VirtualTimer>();

  /**
   * Makes a clock that stands still.
   *
   * @param options When it begins.
   */
  constructor({ wallMs = 1_700_000_000_000 }: VirtualClockOptions = {}) {
    this.#wallOffsetMs = wallMs;
  }

  /** How many timers are set: what a test looks at to find a leak. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Milliseconds since the clock was made. */
  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** Milliseconds since the epoch. */
  wallMs(): number {
    return this.#wallOffsetMs + this.#monotonicMs;
  }

  /**
   * Calls once, when the clock has been moved far enough.
   *
   * @param callback What to call.
   * @param delayMs The delay, in milliseconds.
   * @returns The timer.
   */
  setTimer(callback: () => void, delayMs: number): ClockTimer {
    const timer: VirtualTimer = {
      atMs: this.#monotonicMs + Math.max(0, delayMs),
      order: this.#order++,
      callback,
      cancel: () => this.#timers.delete(timer),
    };
    this.#timers.add(timer);
    return timer;
  }

  /**
   * Moves time on, and calls what falls due in the order of its time, with the clock at that time.
   *
   * @param byMs How far, in milliseconds.
   */
  advance(byMs: number): void {
    if (!(byMs >= 0)) throw new RangeError(`Cannot advance by ${byMs} ms`);
    const untilMs = this.#monotonicMs + byMs;
    for (let timer = this.#next(untilMs); timer !== undefined; timer = this.#next(untilMs)) {
      this.#timers.delete(timer);
      this.#monotonicMs = timer.atMs;
      timer.callback();
    }
    this.#monotonicMs = untilMs;
  }

  /**
   * Sets the clock on the wall, as NTP or an administrator does; durations do not notice.
   *
   * @param wallMs What it shows from now on, in milliseconds since the epoch.
   */
  setWall(wallMs: number): void {
    this.#wallOffsetMs = wallMs - this.#monotonicMs;
  }

  #next(untilMs: number): VirtualTimer | undefined {
    let next: VirtualTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs > untilMs) continue;
      if (
        next === undefined || timer.atMs < next.atMs ||
        timer.atMs === next.atMs && timer.order < next.order
      ) next = timer;
    }
    return next;
  }
}
