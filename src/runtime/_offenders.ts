import { Generations } from "./_generations.ts";

/** How often somebody has been blocked. */
export interface Offender {
  /** How many blocks there were. */
  readonly level: number;
  /** When that is forgotten, on the clock that never jumps. */
  readonly forgetAtMs: number;
}

/**
 * Who has been blocked before, so that the next block lasts longer. When there are too many, those whose last
 * block is the longest ago are forgotten: a flood makes a block shorter, never lifts one.
 */
export class Offenders extends Generations<Offender> {
  level(id: string, nowMs: number): number {
    const offender = this.get(id);
    return offender === undefined || offender.forgetAtMs <= nowMs ? 0 : offender.level;
  }
}

/**
 * Counts violations in a window that slides: the times of the last ones are kept, as many as the threshold. When
 * there are too many offenders, those who were quiet for longest are forgotten.
 */
export class Violations {
  readonly #byId: Generations<number[]>;

  constructor(capacity: number) {
    this.#byId = new Generations(capacity);
  }

  /** Notes a violation, and says whether the threshold is reached; then it begins anew. */
  note(id: string, nowMs: number, threshold: number, withinMs: number): boolean {
    const times = this.#byId.get(id) ?? [];
    times.push(nowMs);
    if (times.length > threshold) times.splice(0, times.length - threshold);
    if (times.length === threshold && nowMs - times[0]! < withinMs) {
      this.#byId.delete(id);
      return true;
    }
    this.#byId.set(id, times);
    return false;
  }
}
