/** Characters that make a block. */
const BLOCK = 16;
/** As many as Chaskey has: for what positions are taken from. */
const LAST_ROUNDS = 8;
/** Between blocks; each bit of the state depends on all of the input after as many. */
const ROUNDS = 4;

/**
 * Hashes strings to 128 bits under a random secret of its own.
 *
 * A client chooses much of its key, such as an address out of its 2^64. If positions in a table came straight
 * from the keys, it could pile its keys onto one slot and make every look-up walk over them, or choose to
 * share a bucket with its victim. So the characters go through the permutation of Chaskey (Mouha et al., SAC
 * 2014) block by block. The last block ends with a 1 and zeros, and has a secret of its own, so that no string
 * is the beginning of another. There is no mask at the end, since the result is never shown.
 */
export class KeyHash {
  /** The last result. */
  readonly words: Int32Array = new Int32Array(4);
  /** Four words for the beginning, and four for the last block. */
  readonly #secret = crypto.getRandomValues(new Int32Array(8));

  /**
   * Hashes a string: its UTF-16 code units, not UTF-8, in which two lone surrogates would be the same.
   *
   * @param text The string.
   */
  hash(text: string): void {
    const secret = this.#secret;
    let v0 = secret[0]!;
    let v1 = secret[1]!;
    let v2 = secret[2]!;
    let v3 = secret[3]!;
    /** The bits that any of the characters has. */
    let all = 0;
    let at = 0;
    const last = text.length - BLOCK;
    // Written out, as what it takes to get at the characters is most of the time
    // (bench/runtime_rate_bench.ts).
    while (at <= last) {
      const c0 = text.charCodeAt(at);
      const c1 = text.charCodeAt(at + 1);
      const c2 = text.charCodeAt(at + 2);
      const c3 = text.charCodeAt(at + 3);
      const c4 = text.charCodeAt(at + 4);
      const c5 = text.charCodeAt(at + 5);
      const c6 = text.charCodeAt(at + 6);
      const c7 = text.charCodeAt(at + 7);
      const c8 = text.charCodeAt(at + 8);
      const c9 = text.charCodeAt(at + 9);
      const c10 = text.charCodeAt(at + 10);
      const c11 = text.charCodeAt(at + 11);
      const c12 = text.charCodeAt(at + 12);
      const c13 = text.charCodeAt(at + 13);
      const c14 = text.charCodeAt(at + 14);
      const c15 = text.charCodeAt(at + 15);
      all |= c0 | c1 | c2 | c3 | c4 | c5 | c6 | c7 | c8 | c9 | c10 | c11 | c12 | c13 | c14 | c15;
      v0 ^= c0 | c1 << 8 | c2 << 16 | c3 << 24;
      v1 ^= c4 | c5 << 8 | c6 << 16 | c7 << 24;
      v2 ^= c8 | c9 << 8 | c10 << 16 | c11 << 24;
      v3 ^= c12 | c13 << 8 | c14 << 16 | c15 << 24;
      at += BLOCK;
      for (let round = 0; round < ROUNDS; round++) {
        v0 = v0 + v1 | 0;
        v1 = (v1 << 5 | v1 >>> 27) ^ v0;
        v0 = v0 << 16 | v0 >>> 16;
        v2 = v2 + v3 | 0;
        v3 = (v3 << 8 | v3 >>> 24) ^ v2;
        v0 = v0 + v3 | 0;
        v3 = (v3 << 13 | v3 >>> 19) ^ v0;
        v2 = v2 + v1 | 0;
        v1 = (v1 << 7 | v1 >>> 25) ^ v2;
        v2 = v2 << 16 | v2 >>> 16;
      }
    }
    v0 ^= secret[4]!;
    v1 ^= secret[5]!;
    v2 ^= secret[6]!;
    v3 ^= secret[7]!;
    for (let shift = 0; at <= text.length; at++) {
      const unit = at < text.length ? text.charCodeAt(at) : 1;
      all |= unit;
      const byte = unit << (shift & 31);
      if (shift < 32) v0 ^= byte;
      else if (shift < 64) v1 ^= byte;
      else if (shift < 96) v2 ^= byte;
      else v3 ^= byte;
      shift += 8;
    }
    // Characters of more than a byte run into each other above; the few keys that have one take a longer way.
    if (all > 0xff) return this.#hashWide(text);
    for (let round = 0; round < LAST_ROUNDS; round++) {
      v0 = v0 + v1 | 0;
      v1 = (v1 << 5 | v1 >>> 27) ^ v0;
      v0 = v0 << 16 | v0 >>> 16;
      v2 = v2 + v3 | 0;
      v3 = (v3 << 8 | v3 >>> 24) ^ v2;
      v0 = v0 + v3 | 0;
      v3 = (v3 << 13 | v3 >>> 19) ^ v0;
      v2 = v2 + v1 | 0;
      v1 = (v1 << 7 | v1 >>> 25) ^ v2;
      v2 = v2 << 16 | v2 >>> 16;
    }
    const words = this.words;
    words[0] = v0;
    words[1] = v1;
    words[2] = v2;
    words[3] = v3;
  }

  /** Two bytes for each character, behind a beginning that no key has. */
  #hashWide(text: string): void {
    let bytes = "\0wide";
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      bytes += String.fromCharCode(unit >>> 8, unit & 0xff);
    }
    this.hash(bytes);
  }
}
