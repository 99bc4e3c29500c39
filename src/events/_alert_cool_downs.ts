import { SeededHash } from "./_frequency_sketch.ts";

const BUCKETS = 2 ** 14;
const WAYS = 4;

/**
 * Until when nothing is said about offenders that nobody looks at, in 768 KiB whatever their number.
 *
 * What matters is not to hide one offender behind another: each is known by 45 bits under a secret, and where there
 * is no place left, the cool-down that ends first is forgotten, so that there is an alert too many and never one
 * too few.
 */
export class AlertCoolDowns {
  readonly #hash = new SeededHash();
  readonly #marks = new Uint32Array(BUCKETS * WAYS);
  readonly #untilMs = new Float64Array(BUCKETS * WAYS);

  /** Until when nothing is said about somebody; 0 where nothing is known. */
  untilMs(key: string): number {
    const first = this.#locate(key);
    for (let at = first; at < first + WAYS; at++) {
      if (this.#marks[at] === this.#hash.b) return this.#untilMs[at]!;
    }
    return 0;
  }

  /** Says nothing about somebody for a while. */
  keep(key: string, untilMs: number): void {
    const first = this.#locate(key);
    let best = first;
    for (let at = first; at < first + WAYS; at++) {
      if (this.#marks[at] === this.#hash.b) {
        best = at;
        break;
      }
      if (this.#untilMs[at]! < this.#untilMs[best]!) best = at;
    }
    this.#marks[best] = this.#hash.b;
    this.#untilMs[best] = untilMs;
  }

  #locate(key: string): number {
    this.#hash.hash(key);
    return (this.#hash.a >>> 18) * WAYS;
  }
}
