const ROWS = 4;
/** A million different keys in a window raise the estimates of others by about 3. */
const WIDTH = 2 ** 18;
const MAX_COUNT = 255;

interface Half {
  readonly cells: Uint8Array;
  additions: number;
}

/** Hashes keys under a secret: an attacker who knew where keys go could give a key of its own what belongs to others. */
export class SeededHash {
  readonly #seeds = crypto.getRandomValues(new Uint32Array(2));
  /** The first half of the last result. */
  a = 0;
  /** The other half; odd. */
  b = 1;

  /** Hashes a key. */
  hash(key: string): void {
    let a = this.#seeds[0]!;
    let b = this.#seeds[1]!;
    for (let at = 0; at < key.length; at++) {
      const unit = key.charCodeAt(at);
      a = Math.imul(a ^ unit, 0x01000193);
      b = Math.imul((b << 5 | b >>> 27) ^ unit, 0x85ebca6b);
    }
    this.a = Math.imul(a ^ a >>> 15, 0x2c1b3c6d) >>> 0;
    this.b = (Math.imul(b ^ b >>> 13, 0xc2b2ae35) | 1) >>> 0;
  }
}

/**
 * Estimates how often keys occurred within the last one or two windows, in 2 MiB whatever their number: a count-min
 * sketch with conservative updates. An estimate is never too low, and rarely much too high.
 */
export class FrequencySketch {
  readonly #windowMs: number;
  readonly #hash = new SeededHash();
  readonly #at = new Uint32Array(ROWS);
  #current: Half = { cells: new Uint8Array(ROWS * WIDTH), additions: 0 };
  #previous: Half = { cells: new Uint8Array(ROWS * WIDTH), additions: 0 };
  #startMs: number;

  constructor(windowMs: number, nowMs: number) {
    this.#windowMs = windowMs;
    this.#startMs = nowMs;
  }

  /** How much of an estimate may be due to others. */
  get noise(): number {
    return (this.#current.additions + this.#previous.additions) / WIDTH;
  }

  /** Notes a key, and estimates how often it occurred. */
  add(key: string, nowMs: number): number {
    this.#turn(nowMs);
    this.#locate(key);
    const { cells } = this.#current;
    const least = leastOf(cells, this.#at);
    if (least < MAX_COUNT) {
      for (let row = 0; row < ROWS; row++) {
        const at = this.#at[row] as number;
        if (cells[at] === least) cells[at] = least + 1;
      }
    }
    this.#current.additions++;
    return Math.min(least + 1, MAX_COUNT) + leastOf(this.#previous.cells, this.#at);
  }

  /** Estimates how often a key occurred. */
  estimate(key: string): number {
    this.#locate(key);
    return leastOf(this.#current.cells, this.#at) + leastOf(this.#previous.cells, this.#at);
  }

  #turn(nowMs: number): void {
    const elapsedMs = nowMs - this.#startMs;
    if (elapsedMs < this.#windowMs) return;
    [this.#previous, this.#current] = [this.#current, this.#previous];
    clear(this.#current);
    if (elapsedMs >= 2 * this.#windowMs) clear(this.#previous);
    this.#startMs = nowMs;
  }

  #locate(key: string): void {
    this.#hash.hash(key);
    const { a, b } = this.#hash;
    for (let row = 0; row < ROWS; row++) {
      this.#at[row] = row * WIDTH + ((a + Math.imul(row, b)) >>> 14);
    }
  }
}

function leastOf(cells: Uint8Array, at: Uint32Array): number {
  let least = MAX_COUNT;
  for (let row = 0; row < ROWS; row++) least = Math.min(least, cells[at[row] as number] as number);
  return least;
}

function clear(half: Half): void {
  half.cells.fill(0);
  half.additions = 0;
}
