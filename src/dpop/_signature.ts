/**
 * Verification of signatures by a key that was imported once.
 *
 * @module
 */

import { nodeCrypto } from "../_internal/node_crypto.ts";
import { type AlgParameters, algParameters } from "./_algs.ts";
import { invalidProof } from "./_invalid_proof.ts";
import type { DpopAlg } from "./dpop_alg.ts";
import { DpopError } from "./dpop_error.ts";
import type { PublicJwk } from "./dpop_signer.ts";

/** Tells whether a signature is one of the data; rejects or throws when the runtime cannot tell. */
export type VerifySignature = (
  signature: Uint8Array<ArrayBuffer>,
  signed: Uint8Array<ArrayBuffer>,
) => boolean | Promise<boolean>;

/**
 * Imports a key.
 *
 * @param jwk The public key, with the members of its thumbprint only.
 * @param alg Its algorithm.
 * @returns What verifies with it.
 * @throws {DpopError} `jwk-invalid`, or `crypto-unavailable` where that is not the key's fault.
 */
export async function importVerifier(jwk: PublicJwk, alg: DpopAlg): Promise<VerifySignature> {
  const parameters = algParameters(alg);
  return importAtOnce(jwk, parameters) ?? await importWebKey(jwk, parameters);
}

/**
 * A failure of the cryptography itself: it is missing, lacks the algorithm or cannot work at the moment. It
 * says nothing about the proof.
 *
 * @param cause What happened.
 * @returns The error to throw.
 */
export function cryptoUnavailable(cause: unknown): DpopError {
  return new DpopError(
    "temporarily_unavailable",
    "crypto-unavailable",
    "The DPoP proof's signature cannot be verified now",
    { cause },
  );
}

async function importWebKey(
  jwk: PublicJwk,
  { keyParameters, signatureParameters }: AlgParameters,
): Promise<VerifySignature> {
  let key: CryptoKey;
  try {
    key = await crypto.subtle.importKey("jwk", { ...jwk }, keyParameters, false, ["verify"]);
  } catch (cause) {
    // What Web Crypto calls a key that is none; its other errors are about itself.
    if (!(cause instanceof DOMException) || cause.name !== "DataError") {
      throw cryptoUnavailable(cause);
    }
    throw invalidProof("jwk-invalid", "The DPoP proof's key is invalid", undefined, cause);
  }
  return (signature, signed) => crypto.subtle.verify(signatureParameters, key, signature, signed);
}

/**
 * Deno's Web Crypto takes longer to hand an Ed25519 signature over than `node:crypto`, which Deno always
 * has, takes to verify it (bench/dpop_bench.ts). Elsewhere Web Crypto has threads to gain from.
 */
function importAtOnce(jwk: PublicJwk, { crv }: AlgParameters): VerifySignature | undefined {
  const builtin = crv === "Ed25519" && "Deno" in globalThis ? nodeCrypto() : undefined;
  if (builtin === undefined) return undefined;
  let key: unknown;
  try {
    key = builtin.createPublicKey({ key: { ...jwk }, format: "jwk" });
  } catch {
    // Its errors do not say whose fault it is; those of Web Crypto do.
    return undefined;
  }
  return (signature, signed) => builtin.verify(null, signed, key, signature) === true;
}
