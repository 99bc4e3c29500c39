/**
 * The key in a proof's header: hostile until shown to be one public key of the right kind.
 *
 * @module
 */

import { decodeBase64Url } from "../_internal/base64url.ts";
import { type AlgParameters, algParameters } from "./_algs.ts";
import { invalidProof } from "./_invalid_proof.ts";
import { isObject } from "./_json.ts";
import { isOnCurve, isWeakEd25519 } from "./_points.ts";
import type { DpopAlg } from "./dpop_alg.ts";
import type { DpopError } from "./dpop_error.ts";
import type { PublicJwk } from "./dpop_signer.ts";

/** Members that only private and symmetric keys have (RFC 7518, section 6). */
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] as const;

/** Curves that exist, whichever algorithm they are for. */
const CURVES: ReadonlySet<unknown> = new Set(
  ["P-256", "P-384", "P-521", "secp256k1", "Ed25519", "Ed448", "X25519", "X448"],
);

const MIN_RSA_BITS = 2048;
/** What every Web Crypto can verify: Deno's fails beyond it, as if it were ill. */
const MAX_RSA_BITS = 4096;

/**
 * Reads the key of a proof's header.
 *
 * @param value The `jwk` member; what it holds beyond the key is ignored, as RFC 7517 wants.
 * @param alg The algorithm of the header, which the key must fit.
 * @returns The key with the members of its thumbprint only, in the order in which they are hashed.
 * @throws {DpopError} `jwk-invalid`, `jwk-private`, `jwk-too-weak` or `jwk-alg-mismatch`.
 */
export function parsePublicJwk(value: unknown, alg: DpopAlg): PublicJwk {
  if (!isObject(value)) throw invalidJwk();
  for (const name of PRIVATE_MEMBERS) {
    // Whoever sends one, if only as null, has a client that hands out private keys.
    if (Object.hasOwn(value, name)) {
      throw invalidProof("jwk-private", "The DPoP proof's key must be a public one");
    }
  }
  const { kty, crv } = value;
  if (kty !== "EC" && kty !== "OKP" && kty !== "RSA") throw invalidJwk();
  if (kty !== "RSA" && !CURVES.has(crv)) throw invalidJwk();
  const parameters = algParameters(alg);
  // RFC 8725, section 3.1: each key for one algorithm only, or a signature of one is taken for another's.
  if (kty !== parameters.kty || kty !== "RSA" && crv !== parameters.crv) {
    throw invalidProof("jwk-alg-mismatch", "The DPoP proof's key does not fit its algorithm");
  }
  if (kty === "RSA") return parseRsa(value);
  const { x, y } = value;
  const first = coordinate(x, parameters);
  if (kty === "OKP") {
    if (isWeakEd25519(first)) {
      throw invalidProof("jwk-too-weak", "The DPoP proof's key needs no private key to sign with");
    }
    return Object.freeze({ crv: String(crv), kty, x: String(x) });
  }
  if (!isOnCurve(crv, first, coordinate(y, parameters))) throw invalidJwk();
  return Object.freeze({ crv: String(crv), kty, x: String(x), y: String(y) });
}

function invalidJwk(): DpopError {
  return invalidProof("jwk-invalid", "The DPoP proof's key is invalid");
}

/** A coordinate: always of full length, so that a key has one spelling and one thumbprint. */
function coordinate(value: unknown, { coordinateBytes }: AlgParameters): Uint8Array {
  const bytes = typeof value === "string" ? decodeBase64Url(value) : undefined;
  if (bytes?.length !== coordinateBytes) throw invalidJwk();
  return bytes;
}

/** A positive integer without leading zeros (RFC 7518, section 2). */
function unsignedInteger(value: unknown): Uint8Array {
  const bytes = typeof value === "string" ? decodeBase64Url(value) : undefined;
  if (bytes === undefined || bytes.length === 0 || bytes[0] === 0) throw invalidJwk();
  return bytes;
}

function bitLength(bytes: Uint8Array): number {
  return bytes.length * 8 - (Math.clz32(bytes[0] ?? 0) - 24);
}

function isOdd(bytes: Uint8Array): boolean {
  return ((bytes.at(-1) ?? 0) & 1) === 1;
}

function parseRsa(jwk: Record<string, unknown>): PublicJwk {
  const modulus = unsignedInteger(jwk["n"]);
  const exponent = unsignedInteger(jwk["e"]);
  const bits = bitLength(modulus);
  // An exponent of 1 lets anybody sign, and one below 2^16 is not for new signatures (FIPS 186-5).
  if (bits < MIN_RSA_BITS || bitLength(exponent) < 17) {
    const message = `The DPoP proof's RSA key must have ${MIN_RSA_BITS} bits and a common exponent`;
    throw invalidProof("jwk-too-weak", message, { bits });
  }
  const isTooLarge = bits > MAX_RSA_BITS || bitLength(exponent) > 32;
  if (isTooLarge || !isOdd(modulus) || !isOdd(exponent)) throw invalidJwk();
  return Object.freeze({ e: String(jwk["e"]), kty: "RSA", n: String(jwk["n"]) });
}
