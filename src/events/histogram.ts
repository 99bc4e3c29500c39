import { BucketForm, DROPPED_BITS, float, halves, HIGH } from "./_bucket_form.ts";

/** Options of {@linkcode Histogram}. */
export interface HistogramOptions {
  /** From here on the promised precision holds; from 1e-12. @default {1e-6} */
  readonly least?: number;
  /** Up to here the promised precision holds; to 2^53. @default {36_000} */
  readonly most?: number;
  /**
   * Upper, inclusive boundaries that are counted exactly, for Prometheus; in ascending order, at most 100.
   * @default {0.001 to 60, in 15 steps}
   */
  readonly boundaries?: readonly number[];
}

/** What a histogram says about its numbers; `null` where there are none. */
export interface HistogramSummary {
  /** How many numbers were recorded. */
  readonly count: number;
  /** Their sum. */
  readonly sum: number;
  /** The least, exactly. */
  readonly min: number | null;
  /** The greatest, exactly. */
  readonly max: number | null;
  /** The median. */
  readonly p50: number | null;
  /** What 90 % do not exceed. */
  readonly p90: number | null;
  /** What 99 % do not exceed. */
  readonly p99: number | null;
  /** What 99.9 % do not exceed. */
  readonly p999: number | null;
  /** How many were no number from 0 to 2^53, and count for nothing else. */
  readonly invalid: number;
}

const SUM = 0;
const MIN = 1;
const MAX = 2;
const INVALID = 3;
/** A sum of them is finite, however many there are. */
const LARGEST = Number.MAX_SAFE_INTEGER + 1;

/**
 * Counts numbers, such as durations in seconds, in a memory of fixed size, and tells their quantiles with a relative
 * error of at most 1.6 %.
 *
 * Each power of two has 32 buckets of the same width, which are found by the bits of the number, without a logarithm
 * and without a search. The default range, from a microsecond to ten hours, takes 9 KiB.
 *
 * What is below the range is counted as one kind of number, of which only the least is known, and what is above it
 * as another, of which only the greatest is. Negative numbers, NaN, infinity and what is over 2^53 are
 * counted as invalid, and change nothing else.
 *
 * @example
 * ```ts
 * import { Histogram } from "@bartizan/security";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const seconds = new Histogram();
 * for (let ms = 1; ms <= 1000; ms++) seconds.record(ms / 1000);
 * assertEquals(seconds.count, 1000);
 * assert(Math.abs(seconds.quantile(0.99) - 0.99) <= 0.02 * 0.99);
 * ```
 */
export class Histogram {
  readonly #form: BucketForm;
  readonly #first: number;
  readonly #size: number;
  /** One for each bucket, then one for what is below the range and one for what is above it. */
  readonly #counts: Float64Array;
  /** How many are at most as great as each boundary, but greater than the one before. */
  readonly #slots: Float64Array;
  readonly #facts: Float64Array = Float64Array.of(0, Infinity, -Infinity, 0);

  /**
   * Makes an empty histogram.
   *
   * @param options The range and the boundaries.
   * @throws {TypeError} If one of them has not the right type.
   * @throws {RangeError} If the range is empty or too wide, or the boundaries are not in order.
   */
  constructor(options: HistogramOptions = {}) {
    this.#form = options instanceof BucketForm ? options : new BucketForm(options);
    this.#first = this.#form.first;
    this.#size = this.#form.size;
    this.#counts = new Float64Array(this.#size + 2);
    this.#slots = new Float64Array(this.#form.bounds.length);
  }

  /**
   * Counts a number.
   *
   * @param value The number.
   */
  record(value: number): void {
    // The bits of 0 and of what is too small are less than the first, and those of all that is negative, infinite
    // or no number at all are more than the last: one comparison finds them (bench/events_metrics_bench.ts).
    float[0] = value;
    const index = ((halves[HIGH] as number) >>> DROPPED_BITS) - this.#first;
    if (index >>> 0 >= this.#size) {
      this.#recordOutside(value);
      return;
    }
    (this.#counts[index] as number)++;
    const { bounds, slots } = this.#form;
    let slot = slots[index] as number;
    while (value > (bounds[slot] as number)) slot++;
    (this.#slots[slot] as number)++;
    const facts = this.#facts;
    (facts[SUM] as number) += value;
    if (value < (facts[MIN] as number)) facts[MIN] = value;
    if (value > (facts[MAX] as number)) facts[MAX] = value;
  }

  #recordOutside(value: number): void {
    const facts = this.#facts;
    if (!(value >= 0 && value <= LARGEST)) {
      facts[INVALID]!++;
      return;
    }
    this.#counts[value < this.#form.least ? this.#size : this.#size + 1]!++;
    this.#slots[this.#form.slotOf(value)]!++;
    facts[SUM]! += value;
    // Without the sign of a negative zero, which JSON does not know either.
    facts[MIN] = Math.min(facts[MIN]!, value) + 0;
    facts[MAX] = Math.max(facts[MAX]!, value + 0);
  }

  /** How many numbers were counted, without the invalid ones. */
  get count(): number {
    return this.#slots.reduce((sum, count) => sum + count, 0);
  }

  /** The sum of the numbers. */
  get sum(): number {
    return this.#facts[SUM]!;
  }

  /** How many were no number from 0 to 2^53. */
  get invalid(): number {
    return this.#facts[INVALID]!;
  }

  /**
   * The number that a share of all numbers does not exceed.
   *
   * @param q The share, from 0 to 1.
   * @returns The number, at most 1.6 % away where it is within the range; NaN when nothing was counted.
   * @throws {RangeError} If `q` is not from 0 to 1.
   */
  quantile(q: number): number {
    if (!(q >= 0 && q <= 1)) throw new RangeError(`'q' must be from 0 to 1: current value is ${q}`);
    return this.#quantile(q, this.count);
  }

  #quantile(q: number, count: number): number {
    if (count === 0) return NaN;
    const min = this.#facts[MIN]!;
    const max = this.#facts[MAX]!;
    let left = Math.max(1, Math.ceil(q * count)) - this.#counts[this.#size]!;
    if (left <= 0) return min;
    for (let at = 0; at < this.#size; at++) {
      left -= this.#counts[at] as number;
      if (left > 0) continue;
      const middle = (this.#form.edge(at) + this.#form.edge(at + 1)) / 2;
      return Math.min(Math.max(middle, min), max);
    }
    return max;
  }

  /**
   * How many numbers do not exceed each boundary, exactly.
   *
   * @returns Pairs of a boundary and a number, which ascends; the last boundary is infinity.
   */
  cumulative(): [boundary: number, count: number][] {
    let count = 0;
    return Array.from(this.#form.bounds, (bound, at) => [bound, count += this.#slots[at]!]);
  }

  /**
   * Adds what another histogram has counted.
   *
   * @param other One with the same range and boundaries.
   * @throws {RangeError} If they are not the same.
   */
  merge(other: Histogram): void {
    if (!this.#form.equals(other.#form)) {
      throw new RangeError("Cannot merge histograms with different ranges or boundaries");
    }
    other.#counts.forEach((count, at) => this.#counts[at]! += count);
    other.#slots.forEach((count, at) => this.#slots[at]! += count);
    const facts = this.#facts;
    facts[SUM]! += other.#facts[SUM]!;
    facts[MIN] = Math.min(facts[MIN]!, other.#facts[MIN]!);
    facts[MAX] = Math.max(facts[MAX]!, other.#facts[MAX]!);
    facts[INVALID]! += other.#facts[INVALID]!;
  }

  /**
   * Tells everything at once.
   *
   * @returns Plain JSON, frozen.
   */
  summary(): HistogramSummary {
    const count = this.count;
    const number = (value: number) => count === 0 ? null : value;
    const quantile = (q: number) => number(this.#quantile(q, count));
    return Object.freeze({
      count,
      sum: this.sum,
      min: number(this.#facts[MIN]!),
      max: number(this.#facts[MAX]!),
      p50: quantile(0.5),
      p90: quantile(0.9),
      p99: quantile(0.99),
      p999: quantile(0.999),
      invalid: this.invalid,
    });
  }
}
