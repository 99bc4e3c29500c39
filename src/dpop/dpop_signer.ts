import type { DpopAlg } from "./dpop_alg.ts";

/** Public half of a key, with the members that its thumbprint is made of and no other (RFC 7638). */
export type PublicJwk = Readonly<
  | { kty: "EC"; crv: string; x: string; y: string }
  | { kty: "OKP"; crv: string; x: string }
  | { kty: "RSA"; n: string; e: string }
>;

/**
 * What signs proofs: a key of Web Crypto, or one that never leaves an HSM or KMS.
 */
export interface DpopSigner {
  /** Algorithm of the signature. */
  readonly alg: DpopAlg;
  /** Public half of the key. */
  readonly jwk: PublicJwk;
  /** SHA-256 thumbprint of the key, base64url (RFC 7638). */
  readonly jkt: string;
  /**
   * Signs.
   *
   * @param data The bytes to sign.
   * @returns The signature in the form of JWS: for ECDSA `r` and `s` side by side, no DER.
   */
  sign(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array | ArrayBuffer>;
}
