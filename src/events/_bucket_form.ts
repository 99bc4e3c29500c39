import { wrongOption } from "../_internal/options.ts";
import type { HistogramOptions } from "./histogram.ts";

/** The bits of a number: its high half has the exponent, and the beginning of the fraction. */
export const float: Float64Array = new Float64Array(1);
export const halves: Uint32Array = new Uint32Array(float.buffer);
export const HIGH: 0 | 1 = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0;

/**
 * What is dropped of the high half, so that 5 bits of the fraction are left: 32 buckets for each power of two. Their
 * middle is at most 1/64 away from all that they hold.
 */
export const DROPPED_BITS = 15;

/** Least and most that a range may have: within them, no histogram takes more than 24 KiB. */
const SMALLEST = 1e-12;
const LARGEST = 2 ** 53;
const MAX_BOUNDARIES = 100;
const DEFAULT_BOUNDARIES: readonly number[] = [
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
  60,
];
const PURPOSE = "create a histogram";

/** Where a histogram counts what: the same for all series of a metric. */
export class BucketForm implements HistogramOptions {
  readonly least: number;
  readonly most: number;
  readonly boundaries: readonly number[];
  /** The bits of the first bucket. */
  readonly first: number;
  /** Number of buckets. */
  readonly size: number;
  /** The boundaries, and infinity, so that each number has one that is no less. */
  readonly bounds: Float64Array;
  /** For each bucket the first boundary that is no less than the least number in it. */
  readonly slots: Uint8Array;

  constructor({ least = 1e-6, most = 36_000, boundaries = DEFAULT_BOUNDARIES }: HistogramOptions) {
    checkNumber("least", least);
    checkNumber("most", most);
    if (least >= most) {
      throw new RangeError(
        `Cannot ${PURPOSE}: 'least' must be less than 'most': current values are ${least} and ${most}`,
      );
    }
    this.least = least;
    this.most = most;
    this.boundaries = Object.freeze(checkedBoundaries(boundaries));
    this.first = bitsOf(least);
    this.size = bitsOf(most) - this.first + 1;
    this.bounds = Float64Array.of(...this.boundaries, Infinity);
    this.slots = Uint8Array.from({ length: this.size }, (_, at) => this.slotOf(this.edge(at)));
  }

  /** Index of the first boundary that is no less. */
  slotOf(value: number): number {
    return this.bounds.findIndex((bound) => value <= bound);
  }

  /** The least number of a bucket. */
  edge(index: number): number {
    halves[HIGH] = (this.first + index) << DROPPED_BITS;
    halves[1 - HIGH] = 0;
    return float[0] as number;
  }

  /** Whether what one histogram has counted can be added to another. */
  equals(other: BucketForm): boolean {
    return this === other ||
      this.first === other.first && this.size === other.size &&
        this.boundaries.length === other.boundaries.length &&
        this.boundaries.every((boundary, at) => boundary === other.boundaries[at]);
  }
}

/** The bits that name the bucket of a number. */
function bitsOf(value: number): number {
  float[0] = value;
  return (halves[HIGH] as number) >>> DROPPED_BITS;
}

function checkNumber(name: string, value: unknown): void {
  if (typeof value !== "number") throw wrongOption(PURPOSE, name, "a number", value);
  if (!(value >= SMALLEST && value <= LARGEST)) {
    throw new RangeError(
      `Cannot ${PURPOSE}: '${name}' must be from 1e-12 to 2^53: current value is ${value}`,
    );
  }
}

function checkedBoundaries(boundaries: unknown): number[] {
  if (!Array.isArray(boundaries)) throw wrongOption(PURPOSE, "boundaries", "an array", boundaries);
  const copy: unknown[] = Array.from(boundaries);
  if (!copy.every((boundary): boundary is number => typeof boundary === "number")) {
    throw wrongOption(PURPOSE, "boundaries", "numbers", boundaries);
  }
  const isAscending = copy.every((boundary, at) =>
    Number.isFinite(boundary) && (at === 0 || boundary > copy[at - 1]!)
  );
  if (!isAscending || copy.length > MAX_BOUNDARIES) {
    throw new RangeError(
      `Cannot ${PURPOSE}: 'boundaries' must be at most ${MAX_BOUNDARIES} finite numbers in ascending order`,
    );
  }
  return copy;
}
