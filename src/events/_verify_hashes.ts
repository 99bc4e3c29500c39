/**
 * Hashes of the last records of a chain.
 *
 * @module
 */

/** Of a log of one record, no more is kept. */
const FIRST = 2 ** 4;
/** So many are kept anyway, to tell what was done to a log. */
const FEWEST = 2 ** 12;
/**
 * A checkpoint comes after what it covers, while other records may come in between: up to so many, which are
 * some 20 seconds at the most that a sink writes. They take about 75 MB.
 */
const MOST = 2 ** 20;

/** Remembers as many as a checkpoint may still be made for, up to a bound. */
export class RecentHashes {
  /** A ring: the place of a record is its number modulo the length. */
  #ring = new Array<string>(FIRST).fill("");
  #oldest: number;
  #newest: number;

  /**
   * Begins.
   *
   * @param before Number of the record before the first.
   */
  constructor(before: number) {
    this.#oldest = before + 1;
    this.#newest = before;
  }

  /**
   * Adds the hash of the next record.
   *
   * @param hash The hash.
   * @param sealed Number of the last record for which there is a checkpoint: those after it are wanted.
   */
  add(hash: string, sealed: number): void {
    const seq = ++this.#newest;
    const { length } = this.#ring;
    const wanted = length < FEWEST ? seq - this.#oldest + 1 : seq - sealed;
    if (wanted > length && length < MOST) this.#grow(seq - 1);
    this.#ring[seq % this.#ring.length] = hash;
    this.#oldest = Math.max(this.#oldest, seq - this.#ring.length + 1);
  }

  #grow(newest: number): void {
    const larger = new Array<string>(this.#ring.length * 2).fill("");
    for (let seq = this.#oldest; seq <= newest; seq++) {
      larger[seq % larger.length] = this.#ring[seq % this.#ring.length] as string;
    }
    this.#ring = larger;
  }

  /**
   * Finds the hash of a record.
   *
   * @param seq Its number.
   * @returns The hash, or `undefined` when it is not remembered.
   */
  at(seq: number): string | undefined {
    if (seq < this.#oldest || seq > this.#newest) return undefined;
    return this.#ring[seq % this.#ring.length];
  }
}
