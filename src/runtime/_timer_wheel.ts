import type { Clock, ClockTimer } from "../_internal/clock.ts";
import { MAX_TIMEOUT_MS } from "../_internal/options.ts";

/**
 * How coarse the time of a wheel is, in milliseconds: nothing fires early, nor later than by this and what the
 * timers of the runtime are late by.
 */
export const TICK_MS = 10;

const SLOT_BITS = 5;
const SLOTS = 1 << SLOT_BITS;
/** Seven levels of 32 slots reach 10 years; what lies beyond is looked at again by then. */
const LEVELS = 7;
const SPANS: readonly number[] = Array.from({ length: LEVELS + 1 }, (_, level) => SLOTS ** level);

/**
 * How many microtasks pass before a timer of the runtime is set. Much work has ended by then, and never costs
 * one, which takes longer than all else here together (bench/runtime_bench.ts).
 */
const PATIENCE = 4;

/** What follows on it costs less than `queueMicrotask()`. */
const RESOLVED = Promise.resolve();

/** A place in a ring of timers; an empty ring is one place that is its own neighbour. */
class Place {
  before: Place = this;
  after: Place = this;
}

/** Head of the ring of one slot, or of those that are being fired. */
class Slot extends Place {
  constructor(readonly level: number, readonly index: number) {
    super();
  }
}

/** Something that falls due. It costs no object of its own where the work itself extends it. */
export abstract class WheelTimer extends Place {
  /** The tick at which it falls due. */
  tick = 0;

  /** Called once it is due; it must not throw. */
  abstract due(): void;
}

const wheels = new WeakMap<Clock, TimerWheel>();

/**
 * The wheel of a clock. All that waits on one clock shares one timer of it.
 *
 * @param clock The clock.
 * @returns Its wheel.
 */
export function wheelOf(clock: Clock): TimerWheel {
  let wheel = wheels.get(clock);
  if (wheel === undefined) {
    wheel = new TimerWheel(clock);
    wheels.set(clock, wheel);
  }
  return wheel;
}

/**
 * A hierarchical timing wheel: adding and removing takes constant time, whatever else is pending.
 *
 * It sets one timer of the clock, for the next tick at which something happens, which keeps the program
 * alive: somebody waits for it. None is left once nothing is pending.
 */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #originMs: number;
  readonly #levels: readonly (readonly Slot[])[];
  /** One bit a slot that holds something. */
  readonly #occupied = new Int32Array(LEVELS);
  /** Everything up to this tick has been fired. */
  #tick = 0;
  #pending = 0;
  #timer: ClockTimer | undefined;
  /** The tick for which the timer is set; infinite without one. */
  #timerTick = Infinity;
  /** How many microtasks are left until the timer is set; 0 when nobody has asked for it. */
  #patience = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#originMs = clock.monotonicMs();
    this.#levels = Array.from(
      { length: LEVELS },
      (_, level) => Array.from({ length: SLOTS }, (_, index) => new Slot(level, index)),
    );
  }

  /** How many timers are pending. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Adds a timer that is not in a wheel.
   *
   * @param timer The timer.
   * @param nowMs The clock's monotonic time, as the caller has just read it.
   * @param delayMs When it is due, from then on.
   */
  add(timer: WheelTimer, nowMs: number, delayMs: number): void {
    const elapsedMs = nowMs - this.#originMs;
    if (this.#pending++ === 0) this.#tick = Math.max(this.#tick, Math.floor(elapsedMs / TICK_MS));
    timer.tick = Math.max(Math.ceil((elapsedMs + delayMs) / TICK_MS), this.#tick + 1);
    this.#place(timer);
    if (timer.tick < this.#timerTick && this.#patience === 0) {
      this.#patience = PATIENCE;
      RESOLVED.then(this.#armSoon);
    }
  }

  /**
   * Removes a timer; harmless when it is in no wheel.
   *
   * @param timer The timer.
   */
  remove(timer: WheelTimer): void {
    if (timer.after === timer) return;
    this.#unlink(timer);
    if (--this.#pending === 0) this.#disarm();
  }

  #place(timer: WheelTimer): void {
    const distance = Math.min(timer.tick - this.#tick, SPANS[LEVELS]! - 1);
    let level = 0;
    while (distance >= SPANS[level + 1]!) level++;
    const index = Math.floor((this.#tick + distance) / SPANS[level]!) % SLOTS;
    const slot = this.#levels[level]![index]!;
    this.#occupied[level]! |= 1 << index;
    append(timer, slot);
  }

  #unlink(timer: Place): void {
    const { before, after } = timer;
    detach(timer);
    // Only the head of a ring can be on both sides.
    if (before === after && before instanceof Slot && before.level >= 0) {
      this.#occupied[before.level]! &= ~(1 << before.index);
    }
  }

  readonly #armSoon = (): void => {
    if (this.#pending === 0) {
      this.#patience = 0;
    } else if (--this.#patience > 0) {
      RESOLVED.then(this.#armSoon);
    } else {
      this.#arm();
    }
  };

  #arm(): void {
    if (this.#pending === 0) return;
    const tick = this.#nextTick();
    if (tick >= this.#timerTick) return;
    this.#disarm();
    const delayMs = this.#originMs + tick * TICK_MS - this.#clock.monotonicMs();
    if (delayMs <= 0) return this.#advance();
    this.#timerTick = tick;
    this.#timer = this.#clock.setTimer(this.#wake, Math.min(Math.ceil(delayMs), MAX_TIMEOUT_MS), {
      keepAlive: true,
    });
  }

  readonly #wake = (): void => {
    this.#timer = undefined;
    this.#timerTick = Infinity;
    this.#advance();
  };

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerTick = Infinity;
  }

  /** Fires all that is due, however late this comes: a machine that slept is late by hours. */
  #advance(): void {
    const now = this.#tickNow();
    for (let tick = this.#nextTick(); tick <= now; tick = this.#nextTick()) {
      this.#tick = tick;
      this.#fire(tick);
    }
    this.#tick = Math.max(this.#tick, now);
    this.#arm();
  }

  #fire(tick: number): void {
    for (let level = LEVELS - 1; level >= 0; level--) {
      if (tick % SPANS[level]! !== 0) continue;
      const index = tick / SPANS[level]! % SLOTS;
      if ((this.#occupied[level]! & (1 << index)) === 0) continue;
      this.#occupied[level]! &= ~(1 << index);
      // What is fired may add to this very slot, for its next turn.
      const ring = new Slot(-1, 0);
      splice(this.#levels[level]![index]!, ring);
      for (let timer = ring.after; timer !== ring; timer = ring.after) {
        detach(timer);
        if (!(timer instanceof WheelTimer)) continue;
        if (timer.tick > tick) {
          this.#place(timer);
        } else {
          this.#pending--;
          timer.due();
        }
      }
    }
  }

  /** The next tick at which a slot has to be looked at; infinite when all are empty. */
  #nextTick(): number {
    let next = Infinity;
    for (let level = 0; level < LEVELS; level++) {
      const bits = this.#occupied[level]!;
      if (bits === 0) continue;
      const at = Math.floor(this.#tick / SPANS[level]!) + 1;
      const shift = at % SLOTS;
      const ahead = shift === 0 ? bits : (bits >>> shift) | (bits << (SLOTS - shift));
      next = Math.min(next, (at + 31 - Math.clz32(ahead & -ahead)) * SPANS[level]!);
    }
    return next;
  }

  #tickNow(): number {
    return Math.floor((this.#clock.monotonicMs() - this.#originMs) / TICK_MS);
  }
}

function append(place: Place, head: Place): void {
  place.before = head.before;
  place.after = head;
  head.before.after = place;
  head.before = place;
}

function detach(place: Place): void {
  place.before.after = place.after;
  place.after.before = place.before;
  place.before = place;
  place.after = place;
}

function splice(from: Place, to: Place): void {
  to.after = from.after;
  to.before = from.before;
  to.after.before = to;
  to.before.after = to;
  from.after = from;
  from.before = from;
}
