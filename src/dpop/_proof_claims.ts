import type { ExpectedUrl } from "./_htu.ts";
import { invalidProof } from "./_invalid_proof.ts";
import type { DpopProofClaims } from "./verify_dpop_proof.ts";

/** Far above the 128 random bits that a `jti` is made of, or a UUID. */
const MAX_JTI_LENGTH = 1024;

/** What the claims of a proof have to fit. */
export interface ClaimsExpectation {
  /** Method of the request. */
  readonly method: string;
  /** How old a proof may be, in seconds. */
  readonly maxAgeSeconds: number;
  /** How far a client's clock may be ahead, in seconds. */
  readonly maxFutureSeconds: number;
  /** The time, in seconds since the epoch. */
  readonly nowSeconds: number;
}

/**
 * Checks the claims of a proof (RFC 9449, section 4.3).
 *
 * @param claims The payload.
 * @param expected What they have to fit.
 * @param url URL of the request.
 * @param tokenHash Hash of the token that came with it, if one came, in base64url.
 * @throws {DpopError} `invalid_dpop_proof` and the reason.
 */
export function checkClaims(
  claims: Record<string, unknown>,
  expected: ClaimsExpectation,
  url: ExpectedUrl,
  tokenHash: string | undefined,
): asserts claims is DpopProofClaims {
  checkJti(claims["jti"]);
  checkTimes(claims, expected);
  const { htm, htu, ath, nonce } = claims;
  if (htm === undefined) throw invalidProof("htm-missing", "The DPoP proof has no htm");
  if (htm !== expected.method) {
    throw invalidProof("htm-mismatch", "The DPoP proof is for another method");
  }
  if (htu === undefined) throw invalidProof("htu-missing", "The DPoP proof has no htu");
  if (typeof htu !== "string" || !url.equals(htu)) {
    throw invalidProof("htu-mismatch", "The DPoP proof is for another URL");
  }
  if (ath === undefined && tokenHash !== undefined) {
    throw invalidProof("ath-missing", "The DPoP proof has no ath");
  }
  // A server that issues tokens gets no token, and takes no offence at a hash of one.
  if (ath !== undefined && (typeof ath !== "string" || ath !== (tokenHash ?? ath))) {
    throw invalidProof("ath-mismatch", "The DPoP proof is for another token");
  }
  if (nonce !== undefined && typeof nonce !== "string") {
    throw invalidProof("nonce-mismatch", "The DPoP proof's nonce is invalid");
  }
}

function checkJti(jti: unknown): void {
  if (jti === undefined) throw invalidProof("jti-missing", "The DPoP proof has no jti");
  if (typeof jti !== "string" || jti === "" || jti.length > MAX_JTI_LENGTH) {
    throw invalidProof("jti-invalid", "The DPoP proof's jti is invalid");
  }
}

function checkTimes(claims: Record<string, unknown>, expected: ClaimsExpectation): void {
  const { nowSeconds, maxAgeSeconds, maxFutureSeconds } = expected;
  const { iat, exp, nbf } = claims;
  if (iat === undefined) throw invalidProof("iat-missing", "The DPoP proof has no iat");
  // 1e999 is Infinity to JSON.parse.
  if (typeof iat !== "number" || !Number.isFinite(iat) || iat < 0) {
    throw invalidProof("iat-invalid", "The DPoP proof's iat is invalid");
  }
  const skewSeconds = iat - nowSeconds;
  if (-skewSeconds > maxAgeSeconds) {
    throw invalidProof("iat-too-old", "The DPoP proof is too old", { skewSeconds });
  }
  if (skewSeconds > maxFutureSeconds) {
    throw invalidProof("iat-in-future", "The DPoP proof is from the future", { skewSeconds });
  }
  if (exp !== undefined && !(typeof exp === "number" && exp > nowSeconds)) {
    throw invalidProof("expired", "The DPoP proof has expired");
  }
  // Made by the same clock as iat, and therefore as much ahead.
  if (nbf !== undefined && !(typeof nbf === "number" && nbf - nowSeconds <= maxFutureSeconds)) {
    throw invalidProof("not-yet-valid", "The DPoP proof is not valid yet");
  }
}
