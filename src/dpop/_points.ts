/**
 * What verification of a signature takes for granted of the point that is a public key, and what not every
 * Web Crypto asks.
 *
 * @module
 */

const FIELD_25519 = 2n ** 255n - 19n;

/** The field and the constant `b` of y² = x³ - 3x + b (NIST SP 800-186, section 3.2.1). */
const NIST_CURVES: ReadonlyMap<unknown, readonly [p: bigint, b: bigint]> = new Map([
  ["P-256", [
    2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  ]],
  ["P-384", [
    2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  ]],
  ["P-521", [
    2n ** 521n - 1n,
    0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
  ]],
]);

/**
 * Tells whether somebody without a private key can sign for an Ed25519 key: its point has an order of at
 * most 8. The signature's equation then holds for one message in 8 at least, whatever the private key would
 * be, and verification as RFC 8032, section 5.1.7, describes it does not ask.
 *
 * The points of order 1, 2 and 4 have y = 1, -1 and 0. Doubling one of order 8 gives y = 0, so x² = -y²,
 * which makes the equation of the curve d·y⁴ + 2y² = 1, where d = -121665/121666. Their negatives have the
 * same y. An encoding of y + p is refused as well (section 5.1.3): a key has one spelling.
 *
 * @param key The 32 bytes.
 * @returns Whether it is such a point or encoding.
 */
export function isWeakEd25519(key: Uint8Array): boolean {
  // The highest bit is the sign of x.
  const y = BigInt.asUintN(255, integerOf(key.slice().reverse()));
  if (y <= 1n || y >= FIELD_25519 - 1n) return true;
  const square = y * y % FIELD_25519;
  return (121665n * square * square - 2n * 121666n * square + 121666n) % FIELD_25519 === 0n;
}

/**
 * Tells whether coordinates are a point of a NIST curve, none of which has points of small order. Some
 * runtimes notice only when they verify, by an error that looks like one of theirs.
 *
 * @param crv The curve.
 * @param x First coordinate.
 * @param y Second coordinate.
 * @returns Whether both are below the field's order and the equation holds.
 */
export function isOnCurve(crv: unknown, x: Uint8Array, y: Uint8Array): boolean {
  const [p, b] = NIST_CURVES.get(crv) ?? [0n, 0n];
  const [left, right] = [integerOf(x), integerOf(y)];
  if (left >= p || right >= p) return false;
  return (right * right - left * left * left + 3n * left - b) % p === 0n;
}

/** The number that bytes are, the most significant one first. */
function integerOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`);
}
