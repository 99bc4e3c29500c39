/**
 * Verification of signatures by a key that was imported once.
 *
 * @module
 */

import { type AlgParameters, algParameters } from "./_algs.ts";
import { invalidProof } from "./_invalid_proof.ts";
import type { DpopAlg } from "./dpop_alg.ts";
import type { PublicJwk } from "./dpop_signer.ts";

/** Tells whether a signature is one of the data; rejects or throws when it cannot be one. */
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
 * @throws {DpopError} `jwk-invalid`, for a point off the curve for example, or `alg-not-allowed` where
 * the runtime does not have the algorithm.
 */
export async function importVerifier(jwk: PublicJwk, alg: DpopAlg): Promise<VerifySignature> {
  const parameters = algParameters(alg);
  try {
    return importAtOnce(jwk, parameters) ?? await importWebKey(jwk, parameters);
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "NotSupportedError") {
      const message = "The DPoP proof's algorithm is not supported here";
      throw invalidProof("alg-not-allowed", message, undefined, cause);
    }
    throw invalidProof("jwk-invalid", "The DPoP proof's key is invalid", undefined, cause);
  }
}

async function importWebKey(
  jwk: PublicJwk,
  { keyParameters, signatureParameters }: AlgParameters,
): Promise<VerifySignature> {
  const key = await crypto.subtle.importKey("jwk", { ...jwk }, keyParameters, false, ["verify"]);
  return (signature, signed) => crypto.subtle.verify(signatureParameters, key, signature, signed);
}

/**
 * Deno's Web Crypto takes longer to hand an Ed25519 signature over than `node:crypto`, which Deno always
 * has, takes to verify it (bench/dpop_bench.ts). Elsewhere Web Crypto has threads to gain from.
 */
function importAtOnce(jwk: PublicJwk, { crv }: AlgParameters): VerifySignature | undefined {
  const builtin = crv === "Ed25519" && "Deno" in globalThis ? nodeCrypto() : undefined;
  if (builtin === undefined) return undefined;
  const key: unknown = builtin.createPublicKey({ key: { ...jwk }, format: "jwk" });
  return (signature, signed) => builtin.verify(null, signed, key, signature) === true;
}

interface NodeCrypto {
  createPublicKey(key: { readonly key: object; readonly format: "jwk" }): unknown;
  verify(algorithm: null, data: Uint8Array, key: unknown, signature: Uint8Array): unknown;
}

/** `node:crypto` without an import, which a browser would stumble over. */
function nodeCrypto(): NodeCrypto | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
  const found: unknown = process?.getBuiltinModule?.("node:crypto");
  return isNodeCrypto(found) ? found : undefined;
}

function isNodeCrypto(value: unknown): value is NodeCrypto {
  return typeof value === "object" && value !== null && "createPublicKey" in value &&
    "verify" in value;
}
