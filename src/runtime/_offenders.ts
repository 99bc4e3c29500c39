import { integerOption, wrongOption } from "../_internal/options.ts";
import type { ViolationOptions } from "./_block_types.ts";
import { nameOf } from "./_block_target.ts";
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

const PURPOSE = "record a violation";

/** What counts together, and how many are too many. */
export interface ViolationRule {
  readonly name: string;
  readonly threshold: number;
  readonly withinMs: number;
}

/** Reads the rule of a violation. */
export function readRule(
  { threshold, withinMs, rule = "" }: Omit<ViolationOptions, "reason">,
): ViolationRule {
  if (typeof rule !== "string") throw wrongOption(PURPOSE, "rule", "a string", rule);
  return {
    name: nameOf(rule),
    threshold: integerOption(PURPOSE, "threshold", threshold, {
      otherwise: 5,
      least: 1,
      most: 1000,
    }),
    withinMs: integerOption(PURPOSE, "withinMs", withinMs, { otherwise: 60_000, least: 1 }),
  };
}

/**
 * Counts violations in a window that slides: the times of the last ones are kept, as many as the threshold. When
 * there are too many offenders, those who were quiet for longest are forgotten.
 *
 * Rules that differ do not count together: what is harmless by one of them, a hundred missing pages, must lock
 * nobody out by another one, and one with a small threshold must not cut off what another one has counted.
 */
export class Violations {
  readonly #byId: Generations<number[]>;

  constructor(capacity: number) {
    this.#byId = new Generations(capacity);
  }

  /** Notes a violation, and says whether the threshold is reached; then it begins anew. */
  note(target: string, nowMs: number, { name, threshold, withinMs }: ViolationRule): boolean {
    const id = `${threshold} ${withinMs} ${name.length} ${name}${target}`;
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
