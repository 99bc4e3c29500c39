/**
 * The public half of a client's own key, and nothing else.
 *
 * @module
 */

import { parsePublicJwk } from "./_jwk.ts";
import type { DpopAlg } from "./dpop_alg.ts";
import type { PublicJwk } from "./dpop_signer.ts";

/**
 * Picks the members that make up a public key; anything else in it, such as `key_ops`, is left out.
 *
 * @param jwk A public key.
 * @param alg What it is for.
 * @returns A new object with the required members only (RFC 7638, section 3.2).
 * @throws {TypeError} If it is no public key for the algorithm that a verifier would take, or has private
 * members.
 */
export function publicMembers(jwk: unknown, alg: DpopAlg): PublicJwk {
  try {
    return parsePublicJwk(jwk, alg);
  } catch (cause) {
    // What is a refusal of a peer there is a caller's mistake here.
    throw new TypeError(
      `Cannot sign proofs as 'jwk' must be a public key for ${alg}, without private members`,
      { cause },
    );
  }
}
