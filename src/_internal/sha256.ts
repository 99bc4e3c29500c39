import { nodeCrypto } from "./node_crypto.ts";

/**
 * SHA-256 without a promise (FIPS 180-4), for inputs of a few hundred bytes on a hot path: what Web
 * Crypto adds to hash a short string, a turn of the event loop, costs more than the hash.
 */

/** First 32 bits of the fractional part of a root of a small prime, exact by BigInt. */
function fraction(prime: number, root: 2 | 3): number {
  // floor(prime^(1/root) * 2^32) by Newton's method on integers.
  const target = BigInt(prime) << BigInt(32 * root);
  const [n, less] = [BigInt(root), BigInt(root - 1)];
  let guess = 1n << 40n;
  while (true) {
    const next = (less * guess + target / guess ** less) / n;
    if (next >= guess) return Number(guess & 0xffffffffn) | 0;
    guess = next;
  }
}

const PRIMES: number[] = [];
for (let n = 2; PRIMES.length < 64; n++) {
  if (PRIMES.every((prime) => n % prime !== 0)) PRIMES.push(n);
}
const K = Int32Array.from(PRIMES, (prime) => fraction(prime, 3));
const INITIAL = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(prime, 2));

const BLOCK = 64;
/** From here on `node:crypto` is faster, where there is one: access tokens (bench/dpop_bench.ts). */
const LONG = 256;
// Reused from call to call: nothing here awaits, and every call writes what it reads.
const words = new Int32Array(64);
const state = new Int32Array(8);
const scratch = new Uint8Array(1024 + BLOCK + 8);
const encoder = new TextEncoder();

/** Mixes the block in the first 16 of `words` into `state`; bench/dpop_bench.ts times it. */
function compress(): void {
  for (let at = 16; at < 64; at++) {
    const a = words[at - 15] as number;
    const b = words[at - 2] as number;
    const s0 = (a >>> 7 | a << 25) ^ (a >>> 18 | a << 14) ^ a >>> 3;
    const s1 = (b >>> 17 | b << 15) ^ (b >>> 19 | b << 13) ^ b >>> 10;
    words[at] = (words[at - 16] as number) + s0 + (words[at - 7] as number) + s1 | 0;
  }
  let a = state[0] as number;
  let b = state[1] as number;
  let c = state[2] as number;
  let d = state[3] as number;
  let e = state[4] as number;
  let f = state[5] as number;
  let g = state[6] as number;
  let h = state[7] as number;
  for (let at = 0; at < 64; at++) {
    const s1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
    const t1 = h + s1 + (e & f ^ ~e & g) + (K[at] as number) + (words[at] as number) | 0;
    const s0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
    const t2 = s0 + (a & b ^ a & c ^ b & c) | 0;
    h = g;
    g = f;
    f = e;
    e = d + t1 | 0;
    d = c;
    c = b;
    b = a;
    a = t1 + t2 | 0;
  }
  state[0] = (state[0] as number) + a;
  state[1] = (state[1] as number) + b;
  state[2] = (state[2] as number) + c;
  state[3] = (state[3] as number) + d;
  state[4] = (state[4] as number) + e;
  state[5] = (state[5] as number) + f;
  state[6] = (state[6] as number) + g;
  state[7] = (state[7] as number) + h;
}

/** Writes the input into `buffer`, and says how many bytes it has. */
function write(input: Uint8Array | string, buffer: Uint8Array): number {
  if (typeof input === "string") return encoder.encodeInto(input, buffer).written;
  buffer.set(input);
  return input.length;
}

/**
 * Hashes bytes, or the UTF-8 bytes of a string.
 *
 * @param input What to hash.
 * @returns The 32 bytes of the hash.
 */
export function sha256(input: Uint8Array | string): Uint8Array<ArrayBuffer> {
  const native = input.length < LONG ? undefined : nodeCrypto();
  if (native === undefined) return portableSha256(input);
  return new Uint8Array(native.createHash("sha256").update(input).digest());
}

/** The same where the runtime has nothing faster. */
export function portableSha256(input: Uint8Array | string): Uint8Array<ArrayBuffer> {
  // A character of UTF-16 has at most three bytes in UTF-8.
  const most = typeof input === "string" ? input.length * 3 : input.length;
  const bytes = most + BLOCK + 8 <= scratch.length ? scratch : new Uint8Array(most + BLOCK + 8);
  const length = write(input, bytes);
  const end = (length + 72 >> 6) * BLOCK;
  bytes.fill(0, length, end);
  bytes[length] = 0x80;
  state.set(INITIAL);
  for (let from = 0; from < end; from += BLOCK) {
    for (let at = 0; at < 16; at++) {
      const i = from + at * 4;
      words[at] = (bytes[i] as number) << 24 | (bytes[i + 1] as number) << 16 |
        (bytes[i + 2] as number) << 8 | (bytes[i + 3] as number);
    }
    if (from + BLOCK === end) {
      words[14] = Math.floor(length / 2 ** 29);
      words[15] = length << 3;
    }
    compress();
  }
  const result = new Uint8Array(32);
  for (let at = 0; at < 8; at++) {
    const word = state[at] as number;
    result[at * 4] = word >>> 24;
    result[at * 4 + 1] = word >>> 16;
    result[at * 4 + 2] = word >>> 8;
    result[at * 4 + 3] = word;
  }
  return result;
}

/**
 * HMAC with SHA-256 (RFC 2104).
 *
 * @param key The secret; one longer than 64 bytes is hashed first.
 * @param message What to authenticate.
 * @returns The 32 bytes of the code.
 */
export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK);
  block.set(key.length > BLOCK ? sha256(key) : key);
  const inner = new Uint8Array(BLOCK + message.length);
  const outer = new Uint8Array(BLOCK + 32);
  for (let at = 0; at < BLOCK; at++) {
    const byte = block[at] as number;
    inner[at] = byte ^ 0x36;
    outer[at] = byte ^ 0x5c;
  }
  inner.set(message, BLOCK);
  outer.set(sha256(inner), BLOCK);
  return sha256(outer);
}

/**
 * Compares two strings in a time that depends on their lengths only.
 *
 * @param a One string.
 * @param b The other.
 * @returns Whether they are the same.
 */
export function equalsInConstantTime(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}
