import { sha256 } from "../_internal/sha256.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/** What stands for a character outside of the alphabet: no value of one has this bit. */
const FOREIGN = 64;
/** Value of each character of base64url. */
const VALUES = new Uint8Array(128).fill(FOREIGN);
for (let at = 0; at < ALPHABET.length; at++) VALUES[ALPHABET.charCodeAt(at)] = at;

/** A replay key: 16 bytes of base64url. */
const KEY_CHARACTERS = 22;
/** A thumbprint: 32 bytes of base64url. */
const THUMBPRINT_CHARACTERS = 43;
/** As many as Chaskey has; each bit of the output depends on all of the input after half of them. */
const ROUNDS = 8;

/**
 * Turns strings into four 32-bit words under a random secret of its own.
 *
 * A client chooses its `jti`, and by trying many it gets SHA-256 prefixes to its taste: if positions in a
 * table came straight from them, it could pile its proofs onto one slot and make every look-up walk over
 * them. So the words go through the permutation of Chaskey (Mouha et al., SAC 2014), whose input is masked by
 * the secret. It is a permutation: two replay keys never have the same words, and nothing is lost by keeping
 * the words alone. There is no second mask as in a MAC, since the words are never shown, and a constant XORed
 * to them would move all positions but part none.
 */
export class KeyedWords {
  /** The last result. */
  readonly words: Uint32Array = new Uint32Array(4);
  readonly #secret = crypto.getRandomValues(new Uint32Array(4));
  readonly #salt = crypto.getRandomValues(new Uint8Array(32));

  /**
   * Sets the words of a key. Those of a replay key in its usual form, 22 characters of base64url, are
   * distinct from those of every other; any other string is first hashed to 128 bits.
   *
   * @param key The key.
   */
  setKey(key: string): void {
    if (key.length !== KEY_CHARACTERS || !this.#decode(key, true)) this.#hash(key);
    this.#permute();
  }

  /**
   * Sets the words of a thumbprint, of which the first 128 bits count.
   *
   * @param jkt The thumbprint.
   */
  setThumbprint(jkt: string): void {
    if (jkt.length !== THUMBPRINT_CHARACTERS || !this.#decode(jkt, false)) this.#hash(jkt);
    this.#permute();
  }

  /**
   * Takes 22 characters apart with nothing allocated, which is most of the work otherwise: five make 30
   * bits of each word, and the 8 bits of the last two complete them. What lies behind those 8 bits must be
   * zero in a whole string, or two strings would be one key.
   */
  #decode(text: string, whole: boolean): boolean {
    const before = valueAt(text, KEY_CHARACTERS - 2);
    const last = valueAt(text, KEY_CHARACTERS - 1);
    let all = before | last;
    let tail = before << 2 | last >> 4;
    for (let to = 0, at = 0; to < 4; to++) {
      let word = tail & 3;
      tail >>= 2;
      for (const end = at + 5; at < end; at++) {
        const value = valueAt(text, at);
        all |= value;
        word = word << 6 | value;
      }
      this.words[to] = word;
    }
    return (all & FOREIGN) === 0 && !(whole && (last & 15) !== 0);
  }

  /** Hashes UTF-16 code units, not UTF-8, in which two lone surrogates would be the same. */
  #hash(text: string): void {
    const bytes = new DataView(new ArrayBuffer(this.#salt.length + text.length * 2));
    new Uint8Array(bytes.buffer).set(this.#salt);
    for (let at = 0; at < text.length; at++) {
      bytes.setUint16(this.#salt.length + at * 2, text.charCodeAt(at));
    }
    const hash = new DataView(sha256(new Uint8Array(bytes.buffer)).buffer);
    for (let to = 0; to < 4; to++) this.words[to] = hash.getUint32(to * 4);
  }

  #permute(): void {
    const words = this.words;
    const secret = this.#secret;
    let v0 = (words[0] ?? 0) ^ (secret[0] ?? 0);
    let v1 = (words[1] ?? 0) ^ (secret[1] ?? 0);
    let v2 = (words[2] ?? 0) ^ (secret[2] ?? 0);
    let v3 = (words[3] ?? 0) ^ (secret[3] ?? 0);
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
    words[0] = v0;
    words[1] = v1;
    words[2] = v2;
    words[3] = v3;
  }
}

function valueAt(text: string, at: number): number {
  return VALUES[text.charCodeAt(at)] ?? FOREIGN;
}
