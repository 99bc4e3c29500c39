import { AlertCoolDowns } from "./_alert_cool_downs.ts";
import { FrequencySketch } from "./_frequency_sketch.ts";

/** How offenders are counted. */
export interface CountOptions {
  readonly capacity: number;
  readonly threshold: number;
  readonly windowMs: number;
  readonly coolDownMs: number;
}

/** Events that were close to each other. */
interface Tick {
  readonly firstMs: number;
  lastMs: number;
  count: number;
}

/**
 * Up to this threshold each event has a tick of its own, and the window is exact. Beyond it, events of a thirtieth of
 * the window share one, which ends with the last of them: the window never is too short, and at most that
 * much too long.
 */
const TICKS = 32;
/** How many offenders are looked at to find one that can go. */
const CANDIDATES = 8;
/** The sketch cannot count much further. */
const MAX_ESTIMATE = 200;

/** Events of one offender in a window that slides. */
export class Offender {
  readonly key: string;
  readonly #options: CountOptions;
  readonly #ticks: Tick[] = [];
  #total = 0;
  #coolUntilMs: number;

  constructor(key: string, options: CountOptions, coolUntilMs: number) {
    this.key = key;
    this.#options = options;
    this.#coolUntilMs = coolUntilMs;
  }

  /** Until when nothing is to be said about it. */
  get coolUntilMs(): number {
    return this.#coolUntilMs;
  }

  /** Notes an event. */
  add(nowMs: number): void {
    const { threshold, windowMs } = this.#options;
    this.#expire(nowMs);
    const granuleMs = threshold <= TICKS ? 0 : windowMs / (TICKS - 2);
    const last = this.#ticks.at(-1);
    if (last !== undefined && nowMs - last.firstMs <= granuleMs) {
      last.lastMs = nowMs;
      last.count++;
    } else {
      this.#ticks.push({ firstMs: nowMs, lastMs: nowMs, count: 1 });
    }
    this.#total++;
    // Older ones than these make no difference to whether the threshold is reached.
    const most = Math.min(threshold, TICKS);
    if (this.#ticks.length > most) this.#total -= this.#ticks.shift()!.count;
  }

  /** How many events there are in the window. */
  total(nowMs: number): number {
    this.#expire(nowMs);
    return this.#total;
  }

  /** When the first event in the window was noted. */
  get firstMs(): number | undefined {
    return this.#ticks[0]?.firstMs;
  }

  /** Whether nothing is to be said about it, as something was just said. */
  isCooling(nowMs: number): boolean {
    return nowMs < this.#coolUntilMs;
  }

  /** Whether there has to be an alert. */
  isDue(nowMs: number): boolean {
    return !this.isCooling(nowMs) && this.total(nowMs) >= this.#options.threshold;
  }

  /** Forgets its events, of which something was said. No event makes two alerts. */
  forget(): void {
    this.#ticks.length = 0;
    this.#total = 0;
  }

  /** Notes that there was an alert about it. */
  alerted(nowMs: number): void {
    this.forget();
    this.#coolUntilMs = nowMs + this.#options.coolDownMs;
  }

  #expire(nowMs: number): void {
    const ticks = this.#ticks;
    let expired = 0;
    while (expired < ticks.length && nowMs - ticks[expired]!.lastMs > this.#options.windowMs) {
      this.#total -= ticks[expired++]!.count;
    }
    if (expired > 0) ticks.splice(0, expired);
  }
}

/**
 * The offenders of one rule, never more than a fixed number.
 *
 * A flood of distinct offenders must not hide the one who matters. So once there is no room, a sketch estimates how
 * often everybody occurs, and a newcomer takes the place of another only when it is seen no less often. Counts are
 * those of the table alone, and exact: an estimate decides who is looked at, and never makes an alert.
 * Who has over half the threshold, or was just alerted about, gives way only to who clearly has all of it.
 */
export class AlertOffenders {
  readonly #options: CountOptions;
  readonly #byKey = new Map<string, Offender>();
  readonly #all: Offender[] = [];
  #sketch: FrequencySketch | undefined;
  /** Of those who have no place. */
  #coolDowns: AlertCoolDowns | undefined;
  #hand = 0;
  #evicted = 0;
  #uncounted = 0;

  constructor(options: CountOptions) {
    this.#options = options;
  }

  /** How many there are. */
  get size(): number {
    return this.#all.length;
  }

  /** How many were forgotten within their window, as others had to be looked at. */
  get evicted(): number {
    return this.#evicted;
  }

  /** How many events were counted for nobody, as there was no room. */
  get uncounted(): number {
    return this.#uncounted;
  }

  /**
   * Notes an event, and says whose it is. Where there is no room that is `undefined` or, where each event makes an
   * alert, somebody who is not looked at any longer than this.
   */
  note(key: string, nowMs: number): Offender | undefined {
    const estimate = this.#sketch?.add(key, nowMs) ?? 1;
    const offender = this.#byKey.get(key) ?? this.#admit(key, estimate, nowMs);
    if (offender !== undefined) {
      offender.add(nowMs);
      return offender;
    }
    this.#uncounted++;
    if (this.#options.threshold > 1) return undefined;
    const passing = this.#offender(key);
    passing.add(nowMs);
    return passing;
  }

  /** Notes that there was an alert about somebody. */
  alerted(offender: Offender, nowMs: number): void {
    offender.alerted(nowMs);
    if (this.#byKey.get(offender.key) !== offender) this.#keepCoolDown(offender, nowMs);
  }

  /** Forgets everybody. */
  clear(): void {
    this.#coolDowns = undefined;
    this.#byKey.clear();
    this.#all.length = 0;
    this.#sketch = undefined;
  }

  #admit(key: string, estimate: number, nowMs: number): Offender | undefined {
    if (this.#all.length < this.#options.capacity) {
      const offender = this.#offender(key);
      this.#all.push(offender);
      this.#byKey.set(key, offender);
      return offender;
    }
    if (this.#sketch === undefined) {
      // From now on: what was before is in the table.
      this.#sketch = new FrequencySketch(this.#options.windowMs, nowMs);
      this.#sketch.add(key, nowMs);
    }
    const at = this.#candidate(nowMs);
    const candidate = this.#all[at]!;
    if (!this.#givesWay(candidate, estimate, nowMs)) return undefined;
    if (candidate.total(nowMs) > 0) this.#evicted++;
    this.#byKey.delete(candidate.key);
    this.#keepCoolDown(candidate, nowMs);
    const offender = this.#offender(key);
    this.#all[at] = offender;
    this.#byKey.set(key, offender);
    return offender;
  }

  #offender(key: string): Offender {
    return new Offender(key, this.#options, this.#coolDowns?.untilMs(key) ?? -Infinity);
  }

  /** Whoever loses its place, or never had one, would else be alerted about again and again. */
  #keepCoolDown(offender: Offender, nowMs: number): void {
    if (!offender.isCooling(nowMs)) return;
    this.#coolDowns ??= new AlertCoolDowns();
    this.#coolDowns.keep(offender.key, offender.coolUntilMs);
  }

  /** The one with the fewest events among some, each of whom has their turn. */
  #candidate(nowMs: number): number {
    let best = 0;
    let least = Infinity;
    for (let looked = 0; looked < CANDIDATES; looked++) {
      this.#hand = (this.#hand + 1) % this.#all.length;
      const offender = this.#all[this.#hand]!;
      const weight = offender.isCooling(nowMs) ? Number.MAX_VALUE : offender.total(nowMs);
      if (weight >= least) continue;
      least = weight;
      best = this.#hand;
      // Nobody has clearly fewer, and in a flood of newcomers that is nearly everybody.
      if (least <= 1) break;
    }
    return best;
  }

  #givesWay(candidate: Offender, estimate: number, nowMs: number): boolean {
    const { threshold } = this.#options;
    const isCooling = candidate.isCooling(nowMs);
    const total = candidate.total(nowMs);
    if (total === 0 && !isCooling) return true;
    const sketch = this.#sketch!;
    const known = Math.max(total, sketch.estimate(candidate.key));
    if (total * 2 <= threshold && !isCooling) return estimate >= known;
    return estimate > known && estimate - sketch.noise >= Math.min(threshold, MAX_ESTIMATE);
  }
}
