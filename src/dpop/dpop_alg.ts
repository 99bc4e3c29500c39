/**
 * Algorithms of proofs: the asymmetric ones of RFC 7518 and RFC 9864 that Web Crypto has. `EdDSA` is the
 * older name of `Ed25519` (RFC 8037). ES256K and ML-DSA are left out: too few runtimes have them.
 */
export type DpopAlg =
  | "Ed25519"
  | "EdDSA"
  | "ES256"
  | "ES384"
  | "ES512"
  | "PS256"
  | "PS384"
  | "PS512"
  | "RS256"
  | "RS384"
  | "RS512";
