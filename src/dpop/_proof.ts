/**
 * What can be said of a proof, for both entry points: everything but its signature at once, and the
 * signature when asked.
 *
 * @module
 */

import { decodeBase64Url, decodeBase64UrlText, encodeBase64Url } from "../_internal/base64url.ts";
import { Lru } from "../_internal/lru.ts";
import { sha256 } from "../_internal/sha256.ts";
import { algParameters, isDpopAlg } from "./_algs.ts";
import { ExpectedUrl } from "./_htu.ts";
import { invalidProof } from "./_invalid_proof.ts";
import { parseJsonObject } from "./_json.ts";
import { parsePublicJwk } from "./_jwk.ts";
import { checkClaims, type ClaimsExpectation } from "./_proof_claims.ts";
import { cryptoUnavailable, importVerifier, type VerifySignature } from "./_signature.ts";
import type { DpopAlg } from "./dpop_alg.ts";
import type { DpopError } from "./dpop_error.ts";
import type { PublicJwk } from "./dpop_signer.ts";
import { jwkThumbprint } from "./thumbprint.ts";
import type { DpopProofClaims, VerifiedDpopProof } from "./verify_dpop_proof.ts";

/** What a proof has to fit. */
export interface ProofExpectation extends ClaimsExpectation {
  /** URL of the request; prepare it once where it is the same for many proofs. */
  readonly url: ExpectedUrl | string;
  /** The token that came with it. @default {undefined} */
  readonly accessToken?: string;
  /** Accepted algorithms. */
  readonly algs: ReadonlySet<DpopAlg>;
  /** Longest proof, in bytes. */
  readonly maxProofBytes: number;
}

/** A proof of which all is right but for its signature, which nobody has looked at yet. */
export interface OpenProof extends VerifiedDpopProof {
  /**
   * Verifies the signature.
   *
   * @throws {DpopError} `signature-invalid`, `jwk-invalid` for a key that cannot be imported, or
   * `crypto-unavailable` where the runtime cannot tell.
   */
  verifySignature(): Promise<void>;
}

/** A key as the header of a proof has it. */
interface HeaderKey {
  readonly alg: DpopAlg;
  readonly jwk: PublicJwk;
  readonly jkt: string;
}

/** A key that has verified a signature. */
interface KnownKey extends HeaderKey {
  readonly verify: VerifySignature;
}

const MAX_KNOWN_KEYS = 2048;
const MAX_KNOWN_HEADER = 2048;

// All proofs of a client have the same header, byte for byte: its text stands for the key, and a hit
// needs no base64, no JSON, no thumbprint and no import (bench/dpop_bench.ts). Whatever is looked up is
// exactly what was verified. Only who holds a key gets into it, and what it can hold is bounded.
const knownKeys = new Lru<string, KnownKey>(MAX_KNOWN_KEYS);

const encoder = new TextEncoder();

/**
 * Checks everything about a proof but its signature.
 *
 * @param proof The value of the header.
 * @param expected What it has to fit.
 * @returns The proof, whose claims are unproven until `verifySignature()` resolved.
 * @throws {DpopError} `invalid_dpop_proof` and the reason.
 * @throws {TypeError} If the expected URL is none.
 */
export function openProof(proof: string, expected: ProofExpectation): OpenProof {
  if (proof.length > expected.maxProofBytes) {
    const message = `The DPoP proof must not be longer than ${expected.maxProofBytes} bytes`;
    throw invalidProof("proof-too-large", message);
  }
  const headerEnd = proof.indexOf(".");
  const payloadEnd = proof.indexOf(".", headerEnd + 1);
  if (headerEnd < 1 || payloadEnd < 0) throw malformed();
  const headerText = proof.slice(0, headerEnd);
  const known = knownKeys.get(headerText);
  const header = known === undefined ? parsePart(headerText) : undefined;
  const claims = parsePart(proof.slice(headerEnd + 1, payloadEnd));
  const signature = decodeBase64Url(proof.slice(payloadEnd + 1));
  if (signature === undefined || signature.length === 0) throw malformed();

  const key = header === undefined ? known : readHeader(header, expected.algs);
  if (key === undefined) throw malformed();
  if (!expected.algs.has(key.alg)) throw algNotAllowed();

  const { url, accessToken } = expected;
  const ath = accessToken === undefined ? undefined : encodeBase64Url(sha256(accessToken));
  checkClaims(claims, expected, typeof url === "string" ? new ExpectedUrl(url) : url, ath);
  return new SignedProof(key, known?.verify, claims, signature, proof);
}

class SignedProof implements OpenProof {
  readonly jkt: string;
  readonly alg: DpopAlg;
  readonly jwk: PublicJwk;
  readonly claims: DpopProofClaims;
  readonly #known: VerifySignature | undefined;
  readonly #signature: Uint8Array<ArrayBuffer>;
  readonly #proof: string;

  constructor(
    { jkt, alg, jwk }: HeaderKey,
    known: VerifySignature | undefined,
    claims: DpopProofClaims,
    signature: Uint8Array<ArrayBuffer>,
    proof: string,
  ) {
    this.jkt = jkt;
    this.alg = alg;
    this.jwk = jwk;
    this.claims = claims;
    this.#known = known;
    this.#signature = signature;
    this.#proof = proof;
  }

  async verifySignature(): Promise<void> {
    const { signatureBytes } = algParameters(this.alg);
    if (signatureBytes !== 0 && this.#signature.length !== signatureBytes) throw signatureInvalid();
    const verify = this.#known ?? await importVerifier(this.jwk, this.alg);
    const signed = encoder.encode(this.#proof.slice(0, this.#proof.lastIndexOf(".")));
    let isValid: boolean;
    try {
      isValid = await verify(this.#signature, signed);
    } catch (cause) {
      // Form and key are right by now, and a signature that does not hold is no exception.
      throw cryptoUnavailable(cause);
    }
    if (!isValid) throw signatureInvalid();
    this.#remember(verify);
  }

  #remember(verify: VerifySignature): void {
    const { jkt, alg, jwk } = this;
    const header = this.#proof.slice(0, this.#proof.indexOf("."));
    if (this.#known === undefined && header.length <= MAX_KNOWN_HEADER) {
      knownKeys.set(ownCopy(header), { jkt, alg, jwk, verify });
    }
  }
}

/** The same text, which does not keep the longer one in memory that it was cut out of. */
function ownCopy(text: string): string {
  return new TextDecoder().decode(encoder.encode(text));
}

function parsePart(text: string): Record<string, unknown> {
  const json = decodeBase64UrlText(text);
  const value = json === undefined ? undefined : parseJsonObject(json);
  if (value === undefined) throw malformed();
  return value;
}

function readHeader(header: Record<string, unknown>, algs: ReadonlySet<DpopAlg>): HeaderKey {
  const { typ, alg, jwk, crit } = header;
  if (typeof typ !== "string" || !isProofType(typ)) {
    throw invalidProof("typ-invalid", "The DPoP proof's type must be dpop+jwt");
  }
  if (typeof alg !== "string") {
    throw invalidProof("alg-invalid", "The DPoP proof must name its algorithm");
  }
  if (!isDpopAlg(alg) || !algs.has(alg)) throw algNotAllowed();
  // An extension that has to be understood, and is not (RFC 7515, section 4.1.11).
  if (crit !== undefined) {
    throw invalidProof("crit-unsupported", "The DPoP proof has a critical extension");
  }
  if (jwk === undefined) throw invalidProof("jwk-missing", "The DPoP proof has no key");
  const key = parsePublicJwk(jwk, alg);
  return { alg, jwk: key, jkt: jwkThumbprint(key) };
}

/** Media types ignore case, and one without a slash begins with `application/` (RFC 7515, section 4.1.9). */
function isProofType(typ: string): boolean {
  return typ === "dpop+jwt" || /^(?:application\/)?dpop\+jwt$/i.test(typ);
}

function malformed(): DpopError {
  return invalidProof("malformed", "The DPoP proof is malformed");
}

function algNotAllowed(): DpopError {
  return invalidProof("alg-not-allowed", "The DPoP proof's algorithm is not allowed");
}

function signatureInvalid(): DpopError {
  return invalidProof("signature-invalid", "The DPoP proof's signature is invalid");
}
