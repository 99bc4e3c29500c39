import type { Clock, ClockTimer } from "../_internal/clock.ts";

/** Something that must end in time. */
export interface Deadlined {
  /** When, by the clock's monotonic time; set by the queue. */
  dueMs: number;
  /** Whether it has ended. */
  readonly isOver: boolean;
  /** Called when it has not ended in time; it must not throw. */
  expire(): void;
}

/** Places that are kept before those at the front are given back. */
const KEPT = 1024;
/** A timer that is later than this was kept waiting by a program that was busy, and so were the answers. */
const LATE_MS = 10;
/** For the answers that have come meanwhile, to be read. */
const GRACE_MS = 10;

/**
 * Deadlines that are all equally far away, so that they fall due in the order in which they were added: one
 * timer, no sorting, and nothing to be taken out of the middle. It costs less than a timing wheel, which is
 * the better part of a check otherwise (bench/runtime_redis_bench.ts). No timer is left once nothing is under way.
 */
export class DeadlineQueue {
  readonly #clock: Clock;
  readonly #delayMs: number;
  #queue: Deadlined[] = [];
  #first = 0;
  #underWay = 0;
  #timer: ClockTimer | undefined;
  #wakeAtMs = 0;
  #isGrace = false;

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /**
   * Adds something that is under way.
   *
   * @param call It.
   * @param nowMs The clock's monotonic time, as the caller has just read it.
   */
  add(call: Deadlined, nowMs: number): void {
    call.dueMs = nowMs + this.#delayMs;
    this.#queue.push(call);
    this.#underWay++;
    if (this.#timer === undefined) this.#wakeIn(this.#delayMs, nowMs);
  }

  /** Notes that one has ended: its `isOver` is true by now. */
  ended(): void {
    if (--this.#underWay > 0) return this.#passOver();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#queue = [];
    this.#first = 0;
    this.#isGrace = false;
  }

  #wakeIn(delayMs: number, nowMs: number): void {
    this.#wakeAtMs = nowMs + delayMs;
    this.#timer = this.#clock.setTimer(this.#wake, delayMs, { keepAlive: true });
  }

  /** Gives back what has ended at the front. */
  #passOver(): void {
    while (this.#queue[this.#first]?.isOver === true) this.#first++;
    if (this.#first < KEPT || this.#first * 2 < this.#queue.length) return;
    this.#queue.splice(0, this.#first);
    this.#first = 0;
  }

  readonly #wake = (): void => {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    // Once, and then what is due ends: a program that is always busy must not put it off for ever.
    this.#isGrace = !this.#isGrace && nowMs > this.#wakeAtMs + LATE_MS;
    if (this.#isGrace) return this.#wakeIn(GRACE_MS, nowMs);
    for (let call = this.#queue[this.#first]; call !== undefined; call = this.#queue[this.#first]) {
      // Timers may be early by a fraction of a millisecond.
      if (!call.isOver && call.dueMs > nowMs + 0.5) {
        return this.#wakeIn(Math.ceil(call.dueMs - nowMs), nowMs);
      }
      this.#first++;
      if (!call.isOver) call.expire();
    }
  };
}
