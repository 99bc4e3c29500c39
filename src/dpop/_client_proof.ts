/**
 * How a client makes its proofs (RFC 9449, section 4.2).
 *
 * What is the same in every proof of a key is made once; the rest is a few microseconds beside the
 * signature (bench/dpop_client_bench.ts).
 *
 * @module
 */

import { encodeBase64Url } from "../_internal/base64url.ts";
import { ALG_PARAMETERS } from "./_algs.ts";
import { publicMembers } from "./_public_jwk.ts";
import type { DpopSigner } from "./dpop_signer.ts";
import { jwkThumbprint } from "./thumbprint.ts";

/** Claims of a proof; those that are `undefined` are left out. */
export interface ProofClaims {
  /** Name of the proof. */
  readonly jti: string;
  /** Method of the request. */
  readonly htm: string;
  /** URL of the request, without query and fragment. */
  readonly htu: string;
  /** When it was made, in seconds since the epoch. */
  readonly iat: number;
  /** Hash of the access token. */
  readonly ath: string | undefined;
  /** The server's nonce. */
  readonly nonce: string | undefined;
}

/** RFC 7518, sections 3.3 and 3.5. */
const MIN_RSA_BYTES = 256;

const encoder = new TextEncoder();

/**
 * Makes the first segment of every proof of a key.
 *
 * @param signer Whose proofs they are.
 * @returns The protected header, encoded.
 * @throws {TypeError} If the signer's key has private members, or another thumbprint or algorithm than it
 * says.
 */
export function encodeProofHeader({ alg, jwk, jkt }: DpopSigner): string {
  // Rebuilt, so that no member goes out with it that a key of somebody's own making has besides.
  const members = publicMembers(jwk, alg);
  if (jwkThumbprint(members) !== jkt) {
    throw new TypeError("Cannot sign proofs as 'jkt' must be the thumbprint of the signer's 'jwk'");
  }
  return encodeAscii(JSON.stringify({ typ: "dpop+jwt", alg, jwk: members }));
}

/**
 * Signs a proof.
 *
 * @param signer What signs.
 * @param header Its protected header, encoded.
 * @param claims The claims.
 * @returns The proof.
 * @throws {TypeError} If the signature does not have the form of JWS.
 */
export async function signProof(
  signer: DpopSigner,
  header: string,
  claims: ProofClaims,
): Promise<string> {
  const input = `${header}.${encodeAscii(JSON.stringify(claims))}`;
  const signed = await signer.sign(encoder.encode(input));
  const signature = signed instanceof Uint8Array ? signed : new Uint8Array(signed);
  // What an HSM returns is DER more often than not, and no verifier would say what is wrong with it.
  const bytes = ALG_PARAMETERS.get(signer.alg)?.signatureBytes || MIN_RSA_BYTES;
  if (signature.length !== bytes && (bytes !== MIN_RSA_BYTES || signature.length < bytes)) {
    throw new TypeError(
      `Cannot sign a proof as a signature of ${signer.alg} must be of ${bytes} bytes, in the form of JWS: ` +
        `current length is ${signature.length}`,
    );
  }
  return `${input}.${encodeBase64Url(signature)}`;
}

const JTI_BYTES = 16;
const pool = new Uint8Array(JTI_BYTES * 64);
let drawn = pool.length;

/**
 * Names a proof: 128 random bits, drawn from the system for many at once.
 *
 * @returns The `jti`.
 */
export function newJti(): string {
  if (drawn === pool.length) {
    crypto.getRandomValues(pool);
    drawn = 0;
  }
  return encodeBase64Url(pool.subarray(drawn, drawn += JTI_BYTES));
}

/** All that stands in a proof is ASCII: URLs are percent-encoded, nonces and methods have a syntax. */
function encodeAscii(text: string): string {
  const encoded = btoa(text).replaceAll("+", "-").replaceAll("/", "_");
  const padding = encoded.indexOf("=");
  return padding < 0 ? encoded : encoded.slice(0, padding);
}
