import { assert, assertEquals, assertFalse, assertStrictEquals } from "@std/assert";
import { decodeBase64Url } from "../../src/_internal/base64url.ts";
import { isOnCurve, isWeakEd25519 } from "../../src/dpop/_points.ts";
import { verifyDpopProof } from "../../src/dpop/verify_dpop_proof.ts";
import { DpopError } from "../../src/dpop/dpop_error.ts";
import { makeKey, NOW, now, segment, URL_OF_TESTS } from "./_proofs.ts";

const P = 2n ** 255n - 19n;
const SIGN = 1n << 255n;

/** 32 bytes, the least significant one first. */
function littleEndian(value: bigint): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: 32 }, (_, at) => Number(value >> BigInt(8 * at) & 0xffn));
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let left = exponent, square = base; left > 0n; left >>= 1n, square = square * square % P) {
    if ((left & 1n) === 1n) result = result * square % P;
  }
  return result;
}

/** The y of all points whose order divides 8, from the constants of RFC 8032, section 5.1. */
function smallOrders(): bigint[] {
  const d = (P - 121665n) * power(121666n, P - 2n) % P;
  // Of d·y⁴ + 2y² - 1 = 0: y² = (-1 ± √(1 + d)) / d, and P mod 8 is 5 (section 5.1.3, step 3).
  const square = (1n + d) % P;
  let root = power(square, (P + 3n) / 8n);
  if (root * root % P !== square) root = root * power(2n, (P - 1n) / 4n) % P;
  assertStrictEquals(root * root % P, square);
  const found = [0n, 1n, P - 1n];
  for (const sign of [root, P - root]) {
    const ySquare = (P - 1n + sign) * power(d, P - 2n) % P;
    let y = power(ySquare, (P + 3n) / 8n);
    if (y * y % P !== ySquare) y = y * power(2n, (P - 1n) / 4n) % P;
    if (y * y % P === ySquare) found.push(y, P - y);
  }
  return found;
}

/** Makes up a proof, whose signature is R = the key or another weak point, and s = 0: nobody signs. */
async function forgeries(x: Uint8Array, alg: "Ed25519" | "EdDSA"): Promise<string[]> {
  const jwk = { kty: "OKP", crv: "Ed25519", x: segment(x) };
  const header = segment(JSON.stringify({ typ: "dpop+jwt", alg, jwk }));
  const outcomes = new Set<string>();
  for (let attempt = 0; attempt < 8; attempt++) {
    const claims = { jti: `forged-${attempt}`, htm: "GET", htu: URL_OF_TESTS, iat: NOW };
    const input = `${header}.${segment(JSON.stringify(claims))}`;
    for (const y of smallOrders()) {
      const signature = new Uint8Array(64);
      signature.set(littleEndian(y));
      const options = { method: "GET", url: URL_OF_TESTS, algs: [alg], now };
      try {
        await verifyDpopProof(`${input}.${segment(signature)}`, options);
        outcomes.add("accepted");
      } catch (error) {
        outcomes.add(error instanceof DpopError ? error.reason : `${error}`);
      }
    }
  }
  return [...outcomes];
}

Deno.test("isWeakEd25519() knows every point of small order, with either sign", () => {
  const points = smallOrders();
  assertStrictEquals(points.length, 5);
  for (const y of points) {
    assert(isWeakEd25519(littleEndian(y)));
    assert(isWeakEd25519(littleEndian(y | SIGN)));
  }
});

Deno.test("isWeakEd25519() refuses a second spelling of a key, and y just below is none", () => {
  for (let y = P; y < 2n ** 255n; y++) {
    assert(isWeakEd25519(littleEndian(y)));
    assert(isWeakEd25519(littleEndian(y | SIGN)));
  }
  for (const y of [2n, 3n, P - 2n, P - 3n, 2n ** 254n]) assertFalse(isWeakEd25519(littleEndian(y)));
});

Deno.test("isWeakEd25519() lets keys through that somebody has", async () => {
  for (let made = 0; made < 50; made++) {
    const { jwk } = await makeKey("Ed25519");
    assertFalse(isWeakEd25519(decodeBase64Url(jwk["x"] ?? "") ?? new Uint8Array()));
  }
});

Deno.test("verifyDpopProof() refuses Ed25519 keys that need no private key to sign with", async () => {
  // The control: the runtime itself takes nobody's signature for one by such a key.
  const neutral = littleEndian(1n);
  const key = await crypto.subtle.importKey("raw", neutral, "Ed25519", false, ["verify"]);
  const signature = new Uint8Array(64);
  signature.set(neutral);
  assert(await crypto.subtle.verify("Ed25519", key, signature, new Uint8Array(9)));
  for (const alg of ["Ed25519", "EdDSA"] as const) {
    for (const y of [...smallOrders(), P, P + 1n]) {
      assertEquals(await forgeries(littleEndian(y), alg), ["jwk-too-weak"]);
      assertEquals(await forgeries(littleEndian(y | SIGN), alg), ["jwk-too-weak"]);
    }
  }
});

Deno.test("isOnCurve() tells the points of each curve from what is none", async () => {
  for (const alg of ["ES256", "ES384", "ES512"] as const) {
    const { crv, ...jwk } = (await makeKey(alg)).jwk;
    const [x, y] = [jwk["x"] ?? "", jwk["y"] ?? ""].map((text) =>
      decodeBase64Url(text) ?? new Uint8Array()
    ) as [Uint8Array, Uint8Array];
    assert(isOnCurve(crv, x, y));
    const zero = new Uint8Array(x.length);
    const full = zero.slice().fill(255);
    const next = y.slice();
    next[y.length - 1] = (next.at(-1) ?? 0) ^ 1;
    for (const other of [x, zero, full, next]) assertFalse(isOnCurve(crv, x, other));
    for (const other of [y, zero, full]) assertFalse(isOnCurve(crv, other, y));
    assertFalse(isOnCurve(crv, zero, zero));
    assertFalse(isOnCurve("P-999", x, y));
  }
});
